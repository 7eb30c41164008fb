package pglog_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph/pglog"
	"github.com/stackmend/stackmend/internal/appliertest"
)

// A plan rests on what was seen, not on the epoch of the map: whatever it needs
// is asked anew, and what has changed since stops it before anything is stopped.
func TestOldPlan(t *testing.T) {
	for name, c := range map[string]struct {
		before, since [2]string
		want          string
	}{
		"another OSD by this number":    {since: [2]string{"uuid", "v"}, want: `uuid was "u", is "v"`},
		"it was restarted":              {since: [2]string{"up_from", "7"}, want: `up_from was "4", is "7"`},
		"the pool asks for more":        {since: [2]string{"min_size", "3"}, want: "would be left with 2 of 3 members, and needs 3"},
		"a placement group is degraded": {since: [2]string{"state", "active+degraded"}, want: "is active+degraded already"},
		"somebody set noup":             {since: [2]string{"flags", "noout,noup"}, want: `noout was "unset", is "set"`},
		"noup of its host":              {since: [2]string{"node", `"noup"`}, want: "noup@h1"},
		"noup, noout stood before":      {[2]string{"flags", "noout"}, [2]string{"flags", "noout,noup"}, "the flag noup is set"},
		"noout was unset":               {[2]string{"flags", "noout"}, [2]string{"flags", "sortbitwise"}, "noout is not set"},
		"noout of its host was unset":   {[2]string{"node", `"noout"`}, [2]string{"node", ""}, "noout is not set"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, t.TempDir())
			if c.before[0] != "" {
				must(t, w.set(c.before[0], c.before[1]))
			}
			p := plan(t, w.config(), policy, 1)
			must(t, w.set(c.since[0], c.since[1]))
			flags := w.get("flags")
			r, err := stackmend.Run(t.Context(), p, pglog.NewApplier(w.config()), stackmend.Options{Mode: stackmend.Apply, OnEvent: func(e stackmend.Event) {
				if w.get("running") != "yes" {
					t.Error("it was stopped")
				}
			}})
			if err == nil || !strings.Contains(err.Error(), c.want) || len(p.Steps) < 4 {
				t.Errorf("%v, want %q\n%s", err, c.want, appliertest.Describe(r))
			}
			if w.get("tail") != "0" || w.get("held") != "no" || w.get("flags") != flags {
				t.Errorf("left behind: %s", must2(w.world(p).Look()))
			}
		})
	}
}

// noout of the OSD's host was set by somebody: it does, none is set for the
// cluster, and it stays.
func TestNooutOfHost(t *testing.T) {
	w := newWorld(t, t.TempDir())
	must(t, w.set("node", `"noout"`))
	p := plan(t, w.config(), policy, 1)
	r, err := stackmend.Run(t.Context(), p, pglog.NewApplier(w.config()), stackmend.Options{Mode: stackmend.Apply, OnEvent: func(stackmend.Event) {
		if w.get("flags") != "sortbitwise" {
			t.Error(w.get("flags"))
		}
	}})
	if err != nil || len(p.Steps) != 4 || w.get("tail") != "600" || w.get("node") != `"noout"` {
		t.Errorf("%v, %d steps, %s\n%s", err, len(p.Steps), must2(w.world(p).Look()), appliertest.Describe(r))
	}
}

// What changes after the last recheck, when the trim is about to begin, is seen in
// the map that the trim works by.
func TestChangedBeforeTrim(t *testing.T) {
	w := newWorld(t, t.TempDir())
	p := plan(t, w.config(), policy, 1)
	r, err := stackmend.Run(t.Context(), p, pglog.NewApplier(w.config()), stackmend.Options{Mode: stackmend.Apply, OnEvent: func(e stackmend.Event) {
		if e.Step.Verb == "trim-pg-logs" && e.Phase == stackmend.PhaseDo && !e.Ended {
			must(t, w.set("uuid", "v"))
		}
	}})
	if !errors.Is(err, stackmend.ErrStale) || w.get("tail") != "0" || w.get("running") != "yes" {
		t.Errorf("%v, %s\n%s", err, must2(w.world(p).Look()), appliertest.Describe(r))
	}
}
