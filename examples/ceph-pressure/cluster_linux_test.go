package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/examples/cli"
	"github.com/stackmend/stackmend/internal/lab/ceph"
)

// An operator is somebody with a shell beside the real cluster.
type operator struct {
	t   *testing.T
	c   *ceph.Cluster
	dir string // of the journals
}

// does runs the program as a shell would, and returns what it printed.
func (o operator) does(want int, verb string, args ...string) string {
	o.t.Helper()
	var out, said bytes.Buffer
	args = append([]string{"-conf", o.c.Conf, "-keyring", o.c.Admin}, args...)
	status := tool(verb).Run(o.t.Context(), args, cli.Streams{Out: &out, Err: &said, Getenv: func(string) string { return "" }})
	if status != want {
		o.t.Errorf("%s %v: status %d, want %d\n%s%s", verb, args, status, want, out.String(), said.String())
	}
	return out.String() + said.String()
}

// changes runs a verb that changes something, and wants so many steps done.
func (o operator) changes(steps int, verb string, args ...string) {
	o.t.Helper()
	args = append(args, "-settle", "1s", "-apply", "-json")
	if verb != "restore" {
		args = append(args, "-journal", filepath.Join(o.dir, verb))
	}
	out := o.does(0, verb, args...)
	var r stackmend.Result
	if err := json.NewDecoder(strings.NewReader(out)).Decode(&r); err != nil {
		o.t.Fatalf("%s: %v\n%s", verb, err, out)
	}
	done := 0
	for _, x := range r.Outcomes {
		if x.State == stackmend.Done {
			done++
		}
	}
	if done != steps || len(r.Outcomes) != steps {
		o.t.Errorf("%s: %d of %d steps done, want %d\n%s", verb, done, len(r.Outcomes), steps, out)
	}
}

// pressure is what the status says of it. The check before it knows too little
// of a cluster that is a minute old.
func (o operator) pressure() string {
	o.t.Helper()
	_, text, _ := strings.Cut(o.does(3, "status"), "\nflags ")
	return text
}

// The program against the real cluster: what is set shows in the status, what
// cannot be done says why, and one restore puts all of it back.
func TestVerbs(t *testing.T) {
	var shared ceph.Shared
	o := operator{t, shared.Get(t), t.TempDir()}
	t.Cleanup(func() {
		if err := shared.Down(); err != nil {
			t.Error(err)
		}
	})
	_, err1 := o.c.Ceph("balancer", "on")
	_, err2 := o.c.Ceph("osd", "pool", "set", "test", "pg_autoscale_mode", "warn")
	if err := errors.Join(err1, err2, o.c.Healthy()); err != nil {
		t.Fatal(err)
	}
	before := o.pressure()
	if dry := o.does(3, "ease"); !strings.Contains(dry, "osd_recovery_sleep") {
		t.Errorf("a dry run: %s", dry)
	}
	o.changes(4, "ease")
	o.changes(2, "trim-online")
	o.changes(2, "pause")
	o.changes(2, "flags", "-flag", "noout", "-flag", "nodeep-scrub")
	now := o.pressure()
	for _, want := range []string{"osd_recovery_sleep 0.1", "osd_max_pg_log_entries 500", "balancer off", "nodeep-scrub", "noout"} {
		if !strings.Contains(strings.Join(strings.Fields(now), " "), want) {
			t.Errorf("no %q in the status\n%s", want, now)
		}
	}

	for verb, want := range map[string]string{
		"raise":     "every placement group is clean",
		"hardlimit": "is set already",
		"memory":    "promised",
	} {
		if said := o.does(3, verb); !strings.Contains(said, want) {
			t.Errorf("%s does not say %q\n%s", verb, want, said)
		}
	}
	if said := o.does(3, "reweight", "-osd", "1", "-step", "0.5"); !strings.Contains(said, "copies would be missing") {
		t.Errorf("reweight: %s", said)
	}

	var from []string
	for _, verb := range []string{"ease", "trim-online", "pause", "flags"} {
		from = append(from, "-from", filepath.Join(o.dir, verb))
	}
	o.changes(9, "restore", append(from, "-journal", filepath.Join(o.dir, "restore"))...)
	if after := o.pressure(); after != before {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}
	if _, err := os.Stat(filepath.Join(o.dir, "restore")); err != nil {
		t.Error(err)
	}
}
