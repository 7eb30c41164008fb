package stackmend_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stackmend/stackmend"
)

func TestDryRunNotes(t *testing.T) {
	a := &toy{guards: []stackmend.Guard{stackmend.GuardFunc("busy", func(_ context.Context, r stackmend.Request) (stackmend.Verdict, error) {
		switch r.Step.Target {
		case "late":
			return stackmend.Verdict{Decision: stackmend.Wait, Reason: "backup runs"}, nil
		case "never":
			return stackmend.Verdict{Reason: "never that"}, nil
		}
		return stackmend.Verdict{Decision: stackmend.Permit}, nil
	})}}
	a.recheck = func(s stackmend.Step) error {
		if s.Target == "stale" {
			return &stackmend.StaleError{Target: "stale", Key: "size", Want: "1", Got: "2"}
		}
		return nil
	}
	gone := step("gone")
	gone.Undo = ""
	p := plan(step("a"), step("late"), step("never"), step("stale"), gone, grouped("g", "first"), grouped("g", "second"), staged(1, step("next")))
	r, err := stackmend.Run(t.Context(), p, a, stackmend.Options{})
	wantErr(t, err, stackmend.ErrRefused) // the first of those that stand against it
	wantStates(t, r, "would", "would", "refused", "stale", "refused", "would", "would", "would")
	for i, want := range []string{"rechecked", "would wait: busy: backup runs; rechecked", "never that", `size was "1", is "2"`,
		"irreversible", "rechecked", "not rechecked: an earlier step", "not rechecked: an earlier step"} {
		if !strings.Contains(r.Outcomes[i].Note, want) {
			t.Errorf("%s: %q, want %q", r.Outcomes[i].Step, r.Outcomes[i].Note, want)
		}
	}
	wantList(t, "rechecked", a.did("recheck"), "a", "late", "stale", "first")
	wantList(t, "done", append(a.did("do"), a.did("verify")...))
}

// What a dry run would begin counts for the guards as what an applying run has
// begun.
func TestDryRunCountsSteps(t *testing.T) {
	r, _ := stackmend.Run(t.Context(), plan(step("a"), step("b"), step("c")), &toy{}, stackmend.Options{Guards: []stackmend.Guard{stackmend.MaxSteps(2)}})
	wantStates(t, r, "would", "would", "refused")
}

func TestDryRunCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	a := &toy{recheck: func(stackmend.Step) error { cancel(); return nil }}
	r, err := stackmend.Run(ctx, plan(step("a"), step("b")), a, stackmend.Options{})
	wantErr(t, err, context.Canceled)
	wantStates(t, r, "not-begun", "not-begun")
}
