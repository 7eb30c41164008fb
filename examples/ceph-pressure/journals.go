package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph/pressure"
	"github.com/stackmend/stackmend/examples/cli"
)

// known is what the journals know, the earliest first.
func (r *relief) known() ([]stackmend.Outcome, error) {
	files := r.from
	if len(files) == 0 {
		dir, err := cli.StateDir(os.Getenv)
		if err != nil {
			return nil, err
		}
		for _, v := range verbs {
			path := filepath.Join(dir, "ceph-pressure-"+v+".journal")
			if _, err := os.Stat(path); v != "restore" && !errors.Is(err, fs.ErrNotExist) {
				files = append(files, path)
			}
		}
	}
	var all []stackmend.Outcome
	for _, f := range files {
		list, err := last(f)
		if err != nil {
			return nil, err
		}
		all = append(all, list...)
	}
	slices.SortStableFunc(all, func(a, b stackmend.Outcome) int { return a.Started.Compare(b.Started) })
	return all, nil
}

// last is what a journal that exists knows of its last run.
func last(path string) ([]stackmend.Outcome, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, err
	}
	j, err := stackmend.OpenJournal(path)
	if err != nil {
		return nil, err
	}
	return j.Last(), j.Close()
}

// keepMemory refuses a plan whose run would write over a journal that still
// knows of changes: nobody could put those back any more.
func (r *relief) keepMemory(plan *stackmend.Plan) error {
	path := r.given.Lookup("journal").Value.String()
	if path == "" {
		dir, err := cli.StateDir(os.Getenv)
		if err != nil {
			return err
		}
		path = filepath.Join(dir, "ceph-pressure-"+r.verb+".journal")
	}
	known, err := last(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil || len(known) == 0 {
		return err
	}
	back := pressure.PlanRestore(known, r.seen, pressure.Policy{})
	switch {
	case known[0].Step.Assumes["fsid"] != plan.Subject:
		plan.Refusals = append(plan.Refusals, path+" is of another cluster, and this run would write over it: give another -journal")
	case len(back.Steps) > 0:
		plan.Refusals = append(plan.Refusals, fmt.Sprintf("%s knows %d changes that are not put back, and this run would write over it: restore first, or give another -journal", path, len(back.Steps)))
	}
	return nil
}
