package pglog_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph/pglog"
	"github.com/stackmend/stackmend/internal/appliertest"
)

// The orchestrator is paused before an OSD is held and resumed by the end,
// whatever becomes of the run, unless it was paused before.
func TestOrchestrated(t *testing.T) {
	for name, c := range map[string]struct {
		before, mode, after string
		steps               int
	}{
		"at work":                {"at work", "honest", "at work", 4 + 4},
		"at work, and it fails":  {"at work", "lies", "at work", 4 + 4},
		"paused by somebody":     {"paused", "honest", "paused", 2 + 4},
		"by somebody, and fails": {"paused", "lies", "paused", 2 + 4},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, t.TempDir())
			must(t, w.set("orch", c.before))
			must(t, w.set("mode", c.mode))
			p := plan(t, w.orchestrated(), policy, 1)
			if len(p.Steps) != c.steps {
				t.Fatalf("%d steps: %v", len(p.Steps), p.Steps)
			}
			if r, err := stackmend.Run(t.Context(), p, pglog.NewApplier(w.orchestrated()), stackmend.Options{}); err != nil {
				t.Errorf("dry: %v\n%s", err, appliertest.Describe(r))
			}
			_, err := stackmend.Run(t.Context(), p, pglog.NewApplier(w.orchestrated()), stackmend.Options{Mode: stackmend.Apply, OnEvent: func(e stackmend.Event) {
				if e.Step.Verb == "hold-respawn" && e.Phase == stackmend.PhaseDo && w.get("orch") != "paused" {
					t.Error("held while the orchestrator is at work")
				}
			}})
			if (err == nil) != (c.mode == "honest") || w.get("orch") != c.after || w.get("running") != "yes" || w.get("flags") != "sortbitwise" {
				t.Errorf("%v, %s", err, must2(w.world(p).Look()))
			}
		})
	}
}

// Without an orchestrator's word nothing is planned, and one that somebody
// resumes under way is waited for.
func TestOrchestratorUnknown(t *testing.T) {
	w := newWorld(t, t.TempDir())
	must(t, w.set("orch", "lost"))
	if p := plan(t, w.orchestrated(), policy, 1); len(p.Steps) > 0 || !strings.Contains(strings.Join(p.Refusals, ""), "is not available") {
		t.Errorf("%+v", p)
	}
	must(t, w.set("orch", "paused"))
	p := plan(t, w.orchestrated(), policy, 1)
	must(t, w.set("orch", "at work"))
	if _, err := stackmend.Run(t.Context(), p, pglog.NewApplier(w.orchestrated()), stackmend.Options{Mode: stackmend.Apply}); err == nil || !strings.Contains(err.Error(), "ceph orch pause") || w.get("running") != "yes" || w.get("orch") != "at work" {
		t.Errorf("%v, %s", err, must2(w.world(p).Look()))
	}
}

// What somebody else turned on since the plan stays on: if the run finds it so,
// and if a run that was killed before it could is taken up again.
func TestForeign(t *testing.T) {
	for name, set := range map[string][2]string{"set-flag": {"flags", "noout"}, "pause-orchestrator": {"orch", "paused"}} {
		for _, killed := range []bool{false, true} {
			w, file := newWorld(t, t.TempDir()), filepath.Join(t.TempDir(), "journal")
			p := plan(t, w.orchestrated(), policy, 1)
			at := slices.IndexFunc(p.Steps, func(s stackmend.Step) bool { return s.Verb == name })
			if killed {
				interrupt(t, p, at, w, file)
			}
			must(t, w.set(set[0], set[1]))
			journal, err := stackmend.OpenJournal(file)
			must(t, err)
			_, err = stackmend.Run(t.Context(), p, pglog.NewApplier(w.orchestrated()), stackmend.Options{Mode: stackmend.Apply, Journal: journal})
			must(t, journal.Close())
			if !errors.Is(err, stackmend.ErrStale) || w.get(set[0]) != set[1] || w.get("running") != "yes" || w.get("tail") != "0" {
				t.Errorf("%s, killed before: %t: %v, %s", name, killed, err, must2(w.world(p).Look()))
			}
		}
	}
}

// interrupt leaves the journal of a run that was killed when it was about to do
// a step: a copy of the file at that moment. The run itself is cancelled.
func interrupt(t *testing.T, p *stackmend.Plan, at int, w world, file string) {
	t.Helper()
	whole := filepath.Join(t.TempDir(), "whole")
	journal, err := stackmend.OpenJournal(whole)
	must(t, err)
	defer journal.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err = stackmend.Run(ctx, p, pglog.NewApplier(w.orchestrated()), stackmend.Options{Mode: stackmend.Apply, Journal: journal, OnEvent: func(e stackmend.Event) {
		if e.Index != at || e.Phase != stackmend.PhaseDo || e.Ended {
			return
		}
		b, err := os.ReadFile(whole)
		must(t, err)
		must(t, os.WriteFile(file, b, 0o600))
		cancel()
	}})
	if err == nil || w.get("flags") != "sortbitwise" || w.get("orch") != "at work" {
		t.Fatalf("%v, %s", err, must2(w.world(p).Look()))
	}
	if _, err := os.Stat(file); err != nil {
		t.Fatal(err)
	}
}
