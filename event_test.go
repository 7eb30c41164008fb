package stackmend_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
)

func TestEvents(t *testing.T) {
	var got []string
	a := &toy{}
	a.do = func(_ context.Context, s stackmend.Step, w *stackmend.Work) error {
		w.Progress(3, 7, "rows")
		a.effect(s)
		return nil
	}
	o := apply
	o.OnEvent = func(e stackmend.Event) {
		got = append(got, fmt.Sprintf("%s %d/%d %v %s", e.Phase, e.Done, e.Of, e.Ended, e.Unit))
		if e.Time.IsZero() || e.Total != 1 || e.Step.Target != "a" {
			t.Errorf("%+v", e)
		}
	}
	if _, err := stackmend.Run(t.Context(), plan(step("a")), a, o); err != nil {
		t.Fatal(err)
	}
	wantList(t, "events", got, "recheck 0/0 false ", "recheck 0/0 true ", "do 0/0 false ", "do 3/7 false rows",
		"do 0/0 true ", "verify 0/0 false ", "verify 0/0 true ")
}

// A display that breaks must not end a repair half-way.
func TestOnEventBreaks(t *testing.T) {
	for name, f := range map[string]func(){"panic": func() { panic("oh") }, "goexit": runtime.Goexit} {
		calls := 0
		o := stackmend.Options{Mode: stackmend.Apply, Parallel: 2, OnEvent: func(stackmend.Event) { calls++; f() }}
		r, err := stackmend.Run(t.Context(), plan(step("a"), step("b"), staged(1, step("c"))), &toy{}, o)
		if err != nil || calls != 1 {
			t.Errorf("%s: %d calls, %v", name, calls, err)
		}
		wantStates(t, r, "done", "done", "done")
	}
}

func TestThen(t *testing.T) {
	check := stackmend.Result{Check: "c", Status: stackmend.Warn, Findings: []stackmend.Finding{{Code: "a"}}, Started: time.Unix(1, 0)}
	run := stackmend.Result{Status: stackmend.Unknown, Mode: stackmend.Apply, Outcomes: []stackmend.Outcome{{}}, Plan: plan(), Finished: time.Unix(2, 0),
		Findings: []stackmend.Finding{{Code: "b"}}}
	got := check.Then(run)
	if got.Check != "c" || got.Status != stackmend.Unknown || len(got.Findings) != 2 || got.Mode != stackmend.Apply ||
		len(got.Outcomes) != 1 || got.Plan != run.Plan || !got.Started.Equal(time.Unix(1, 0)) || !got.Finished.Equal(time.Unix(2, 0)) {
		t.Errorf("%+v", got)
	}
	if len(check.Findings) != 1 {
		t.Error("Then changed the check's findings")
	}
	if log := got.LogValue().String(); !strings.Contains(log, "status=unknown") || !strings.Contains(log, run.Plan.ID()) {
		t.Error(log)
	}
}
