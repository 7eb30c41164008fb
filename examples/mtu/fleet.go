package main

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strconv"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/mtu"
)

// oneByOne reports that there are many files of hosts which nothing connects:
// they are judged one after another, so that the memory is that of one host.
// To be recorded, all are kept.
func (t *tool) oneByOne() bool {
	const many = 16
	return t.fs.Lookup("record").Value.String() == "" && len(t.links) > many && !slices.ContainsFunc(t.wires, func(w string) bool { return !isFrame(w) })
}

// isFrame tells PORT=FRAME from HOST/PORT=HOST/PORT.
func isFrame(wire string) bool {
	_, to := named(wire)
	_, err := strconv.Atoi(to)
	return err == nil
}

// checkEach judges the hosts one by one. What is not about a host is said
// once.
func (t *tool) checkEach(ctx context.Context) (stackmend.Result, error) {
	all := stackmend.Result{Check: "mtu", Subject: strconv.Itoa(len(t.links)) + " hosts"}
	said := map[[2]string]bool{}
	var statuses []stackmend.Status
	for _, arg := range t.links {
		if err := ctx.Err(); err != nil {
			return all, err
		}
		s := t.snapshot
		h, err := t.readFile(arg)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return all, err // mistyped
		case err != nil: // one damaged file among a thousand: the others are judged
			s.Unseen = append(slices.Clone(s.Unseen), err.Error())
		default:
			s.Hosts = []mtu.Host{h}
		}
		r := mtu.Check(&s)
		statuses = append(statuses, r.Status)
		for _, f := range r.Findings {
			if at := [2]string{f.Subject, f.Message}; !said[at] {
				said[at] = true
				all.Findings = append(all.Findings, f)
			}
		}
		if paths, err := mtu.Paths(s.Hosts, s.Wires); err == nil {
			t.keepLimited(paths)
		}
	}
	all.Status = stackmend.Worst(statuses...)
	return all, nil
}

// keepLimited keeps a few paths to draw: those that take less than promised.
func (t *tool) keepLimited(paths []mtu.Path) {
	const most = 32
	for _, p := range paths {
		if p.Largest < p.Entrance().MTU && len(t.paths) < most {
			t.paths = append(t.paths, p)
		}
	}
}
