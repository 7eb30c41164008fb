package main

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph"
	"github.com/stackmend/stackmend/ceph/pressure"
	"github.com/stackmend/stackmend/examples/cli"
)

func TestUsage(t *testing.T) {
	for verb, want := range map[string]string{"": "say one of these", "flags": "-flag NAME", "reweight": "-osd N"} {
		var out, said bytes.Buffer
		if status := tool(verb).Run(t.Context(), nil, cli.Streams{Out: &out, Err: &said, Getenv: os.Getenv}); status != 64 || !strings.Contains(said.String(), want) {
			t.Errorf("%q: status %d, %s", verb, status, said.String())
		}
	}
}

// agrees does nothing, and says that it is done.
type agrees struct{}

func (agrees) Guards() []stackmend.Guard                                 { return nil }
func (agrees) Recheck(context.Context, stackmend.Step) error             { return nil }
func (agrees) Do(context.Context, stackmend.Step, *stackmend.Work) error { return nil }
func (agrees) Verify(context.Context, stackmend.Step) error              { return nil }

func (agrees) Revert(context.Context, stackmend.Step) error { return nil }

// An ease whose changes still stand is not written over: nobody could put back
// what it has changed. Once it is restored its journal serves the next.
func TestJournalIsKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ease.journal")
	s, err := ceph.Observe(t.Context(), ceph.Recorded{FS: os.DirFS("../../ceph/testdata/pacific-healthy")}, ceph.Options{})
	if err != nil {
		t.Fatal(err)
	}
	plan := pressure.PlanEase(s, pressure.Policy{})
	plan.Expires = time.Now().Add(time.Hour)
	j, err := stackmend.OpenJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stackmend.Run(t.Context(), plan, agrees{}, stackmend.Options{Mode: stackmend.Apply, Journal: j}); err != nil {
		t.Fatal(err)
	}
	j.Close()

	next := func(config ...ceph.Setting) *stackmend.Plan {
		t.Helper()
		fs := flag.NewFlagSet("", flag.ContinueOnError)
		fs.String("journal", path, "")
		r := &relief{verb: "ease", given: fs, seen: s, from: cli.List{path}}
		s.Config = config
		p, err := r.plan(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	var set []ceph.Setting
	for _, step := range plan.Steps {
		if step.Verb == pressure.VerbConfig {
			set = append(set, ceph.Setting{Section: "osd", Name: strings.TrimPrefix(step.Target, "osd "), Value: step.Args["value"]})
		}
	}
	if p := next(set...); !strings.Contains(strings.Join(p.Refusals, ";"), "restore first") {
		t.Errorf("refusals %q", p.Refusals)
	}
	if p := next(); len(p.Refusals) > 0 {
		t.Errorf("after a restore: %q", p.Refusals)
	}
}
