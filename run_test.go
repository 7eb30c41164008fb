package stackmend_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stackmend/stackmend"
)

// Every state in which a step can end, and what the run says.
func TestHowStepsEnd(t *testing.T) {
	fault := errors.New("fault")
	stale := &stackmend.StaleError{Target: "a", Key: "inode", Want: "7", Got: "8"}
	fails := func(err error) func(stackmend.Step) error { return func(stackmend.Step) error { return err } }
	does := func(a *toy, effect bool, err error) *toy {
		a.do = func(_ context.Context, s stackmend.Step, _ *stackmend.Work) error {
			if effect {
				a.effect(s)
			}
			return err
		}
		return a
	}
	for _, c := range []struct {
		name   string
		a      *toy
		state  stackmend.State
		status stackmend.Status
		is     error
	}{
		{"done", &toy{}, stackmend.Done, stackmend.OK, nil},
		{"done although", does(&toy{}, true, fault), stackmend.Done, stackmend.OK, nil},
		{"stale", &toy{recheck: fails(stale)}, stackmend.Stale, stackmend.Warn, stackmend.ErrStale},
		{"unknown verb", &toy{recheck: fails(fmt.Errorf("%w: verb", stackmend.ErrRefused))}, stackmend.Refused, stackmend.Warn, stackmend.ErrRefused},
		{"cannot recheck", &toy{recheck: fails(fault)}, stackmend.Failed, stackmend.Fail, fault},
		{"recheck panics", &toy{recheck: func(stackmend.Step) error { panic("oh") }}, stackmend.Uncertain, stackmend.Unknown, stackmend.ErrUncertain},
		{"failed", does(&toy{}, false, fault), stackmend.Failed, stackmend.Fail, fault},
		{"exit status 0 proves nothing", does(&toy{}, false, nil), stackmend.Failed, stackmend.Fail, stackmend.ErrNotDone},
		{"stale in the transaction", does(&toy{}, false, stale), stackmend.Stale, stackmend.Warn, stackmend.ErrStale},
		{"refused in the transaction", does(&toy{}, false, stackmend.ErrRefused), stackmend.Refused, stackmend.Warn, stackmend.ErrRefused},
		{"connection lost", does(&toy{}, false, fmt.Errorf("%w: EOF", stackmend.ErrUncertain)), stackmend.Uncertain, stackmend.Unknown, stackmend.ErrUncertain},
		{"cannot be seen", &toy{verify: fails(fault)}, stackmend.Uncertain, stackmend.Unknown, fault},
		{"verify panics", &toy{verify: func(stackmend.Step) error { panic("oh") }}, stackmend.Uncertain, stackmend.Unknown, stackmend.ErrUncertain},
		{"do panics", &toy{do: func(context.Context, stackmend.Step, *stackmend.Work) error { panic("oh") }}, stackmend.Uncertain, stackmend.Unknown, stackmend.ErrUncertain},
		{"do ends its goroutine", &toy{do: func(context.Context, stackmend.Step, *stackmend.Work) error { runtime.Goexit(); return nil }}, stackmend.Uncertain, stackmend.Unknown, stackmend.ErrUncertain},
		{"denied", &toy{guards: []stackmend.Guard{stackmend.MaxSteps(0)}}, stackmend.Refused, stackmend.Warn, stackmend.ErrRefused},
	} {
		t.Run(c.name, func(t *testing.T) {
			j := newJournal(t)
			r, err := stackmend.Run(t.Context(), plan(step("a"), step("b")), c.a, stackmend.Options{Mode: stackmend.Apply, Journal: j, FailureBudget: 0})
			if got := r.Outcomes[0].State; got != c.state || r.Status != c.status {
				t.Errorf("%v, status %v: %v", got, r.Status, err)
			}
			if (err == nil) != (c.is == nil) {
				t.Errorf("error %v", err)
			}
			wantErr(t, err, c.is)
			var s *stackmend.StepError
			if g := (*stackmend.GuardError)(nil); err != nil && !errors.As(err, &g) && (!errors.As(err, &s) || s.Step.Target != "a") {
				t.Errorf("no StepError: %v", err)
			}
			if c.state != stackmend.Done && r.Outcomes[1].State != stackmend.NotBegun {
				t.Errorf("went on to %v", r.Outcomes[1].State)
			}
			if r.Outcomes[0].Started.IsZero() || r.Outcomes[0].Finished.Before(r.Outcomes[0].Started) {
				t.Errorf("times: %+v", r.Outcomes[0])
			}
		})
	}
}

func TestStaleNamesKeyFromTo(t *testing.T) {
	s := step("image")
	s.Assumes = map[string]string{"inode": "7", "size": "1", "owner": "nova"}
	if err := s.Holds(map[string]string{"inode": "7", "size": "1", "owner": "nova", "more": "x"}); err != nil {
		t.Error(err)
	}
	for _, c := range []struct {
		seen           map[string]string
		key, want, got string
	}{
		{map[string]string{"inode": "8", "size": "1", "owner": "nova"}, "inode", "7", "8"},
		{map[string]string{"inode": "8", "size": "2", "owner": "root"}, "inode", "7", "8"}, // the first in order
		{map[string]string{"inode": "7", "owner": "nova"}, "size", "1", "(not seen)"},
		{nil, "inode", "7", "(not seen)"},
	} {
		a := &toy{recheck: func(s stackmend.Step) error { return s.Holds(c.seen) }}
		r, err := stackmend.Run(t.Context(), plan(s), a, apply)
		wantErr(t, err, stackmend.ErrStale)
		var stale *stackmend.StaleError
		if !errors.As(err, &stale) || *stale != (stackmend.StaleError{Target: "image", Key: c.key, Want: c.want, Got: c.got}) {
			t.Errorf("%#v", stale)
		}
		if want := fmt.Sprintf("%s was %q, is %q", c.key, c.want, c.got); !strings.Contains(r.Outcomes[0].Note, want) {
			t.Errorf("note %q does not say %q", r.Outcomes[0].Note, want)
		}
	}
}

func TestPreflight(t *testing.T) {
	past, refused, noVerb := plan(step("a")), plan(step("a")), plan(stackmend.Step{Target: "a", Undo: "x"})
	past.Expires = time.Now().Add(-time.Second)
	refused.Refusals = []string{"host b7 is down"}
	noUndo := plan(stackmend.Step{Verb: "purge", Target: "a"})
	free := plan(step("a"))
	free.Steps[0].Cost.Rows = -1
	for _, c := range []struct {
		name string
		p    *stackmend.Plan
		o    stackmend.Options
		is   error
		says string
	}{
		{"expired", past, apply, stackmend.ErrExpired, "make a new one"},
		{"refusals", refused, apply, stackmend.ErrRefused, "host b7 is down"},
		{"refusals in a dry run", refused, stackmend.Options{}, stackmend.ErrRefused, "host b7 is down"},
		{"no verb", noVerb, apply, stackmend.ErrRefused, "without verb"},
		{"irreversible", noUndo, apply, stackmend.ErrRefused, "purge a cannot be undone"},
		{"other plan", plan(step("a")), stackmend.Options{Mode: stackmend.Apply, PlanID: "abc"}, stackmend.ErrEdited, `"abc" was approved`},
		{"mode", plan(step("a")), stackmend.Options{Mode: 9}, stackmend.ErrRefused, "mode 9"},
		{"revert without a journal", plan(step("a")), stackmend.Options{Mode: stackmend.Revert}, stackmend.ErrRefused, "no journal"},
		{"not UTF-8", plan(step("a\xff")), apply, stackmend.ErrRefused, "not UTF-8"},
		{"cost below zero", free, apply, stackmend.ErrRefused, "below zero"},
		{"group goes back", plan(staged(1, grouped("g", "a")), staged(0, grouped("g", "b"))), apply, stackmend.ErrRefused, "stage 1 to 0"},
	} {
		a := &toy{}
		r, err := stackmend.Run(t.Context(), c.p, a, c.o)
		wantErr(t, err, c.is)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.name, err)
		}
		if len(a.log) > 0 || r.Status != stackmend.Warn {
			t.Errorf("%s: status %v, log %v", c.name, r.Status, a.log)
		}
	}
	p := plan(step("a"))
	if _, err := stackmend.Run(t.Context(), p, &toy{}, stackmend.Options{Mode: stackmend.Apply, PlanID: p.ID()}); err != nil {
		t.Error(err)
	}
	if r, err := stackmend.Run(t.Context(), noUndo, &toy{}, stackmend.Options{Mode: stackmend.Apply, Irreversible: true}); err != nil {
		t.Error(err, states(r))
	}
	_, err := stackmend.Run(t.Context(), plan(grouped("g", "a"), grouped("g", "b")), noRevert{&toy{}}, apply)
	wantErr(t, err, stackmend.ErrRefused)
}

func TestFailureBudget(t *testing.T) {
	for _, c := range []struct {
		budget int
		want   []string
	}{
		{0, []string{"done", "failed", "not-begun", "not-begun", "not-begun"}},
		{1, []string{"done", "failed", "done", "stale", "not-begun"}},
		{2, []string{"done", "failed", "done", "stale", "done"}},
	} {
		a := &toy{}
		a.recheck = func(s stackmend.Step) error {
			if s.Target == "stale" {
				return stackmend.ErrStale
			}
			return nil
		}
		a.do = func(_ context.Context, s stackmend.Step, _ *stackmend.Work) error {
			if s.Target == "bad" {
				return errors.New("bad luck")
			}
			a.effect(s)
			return nil
		}
		r, err := stackmend.Run(t.Context(), plan(step("a"), step("bad"), step("b"), step("stale"), step("c")), a,
			stackmend.Options{Mode: stackmend.Apply, FailureBudget: c.budget})
		wantStates(t, r, c.want...)
		if err == nil {
			t.Error("no error although not every step is done")
		}
	}
}

// Refusals and uncertain outcomes stop the run whatever the budget.
func TestBudgetIsNotForRefusals(t *testing.T) {
	for _, e := range []error{stackmend.ErrRefused, stackmend.ErrUncertain} {
		a := &toy{do: func(context.Context, stackmend.Step, *stackmend.Work) error { return e }}
		r, err := stackmend.Run(t.Context(), plan(step("a"), step("b")), a, stackmend.Options{Mode: stackmend.Apply, FailureBudget: 5})
		wantErr(t, err, e)
		if r.Outcomes[1].State != stackmend.NotBegun {
			t.Error(states(r))
		}
	}
}

func TestStagesRunInOrder(t *testing.T) {
	for _, parallel := range []int{1, 4} {
		a := &toy{}
		p := plan(staged(2, step("c1")), staged(1, step("b1")), staged(-1, step("a1")), staged(2, step("c2")), staged(1, step("b2")), staged(-1, step("a2")))
		if _, err := stackmend.Run(t.Context(), p, a, stackmend.Options{Mode: stackmend.Apply, Parallel: parallel}); err != nil {
			t.Fatal(err)
		}
		stages := ""
		for _, d := range a.did("do") {
			stages += d[:1]
		}
		if stages != "aabbcc" {
			t.Errorf("parallel %d: %v", parallel, a.did("do"))
		}
	}
}

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

func TestCancelBeforeTheFirstStep(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	a := &toy{}
	r, err := stackmend.Run(ctx, plan(step("a")), a, apply)
	wantErr(t, err, context.Canceled)
	wantStates(t, r, "not-begun")
	if len(a.log) > 0 {
		t.Error(a.log)
	}
}

// Cancelling does not tear what was begun: it is verified and journalled.
func TestCancelInDo(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	a := &toy{}
	a.do = func(c context.Context, s stackmend.Step, _ *stackmend.Work) error {
		cancel()
		if c.Err() != nil {
			t.Error("Do's context was cancelled")
		}
		a.effect(s)
		return nil
	}
	r, err := stackmend.Run(ctx, plan(step("a"), step("b")), a, apply)
	wantErr(t, err, context.Canceled)
	wantStates(t, r, "done", "not-begun")
}

func TestCancelAtAGate(t *testing.T) {
	gone := errors.New("the operator left")
	ctx, cancel := context.WithCancelCause(t.Context())
	a := &toy{do: func(c context.Context, _ stackmend.Step, w *stackmend.Work) error {
		if err := w.Gate(c); err != nil {
			return err
		}
		cancel(gone)
		return w.Gate(c)
	}}
	r, err := stackmend.Run(ctx, plan(step("a"), step("b")), a, apply)
	wantErr(t, err, gone)
	wantStates(t, r, "partial", "not-begun")
}

// A guard that panics at a Gate has denied; the applier has done nothing wrong.
func TestGuardPanicsAtAGate(t *testing.T) {
	g := stackmend.GuardFunc("g", func(_ context.Context, r stackmend.Request) (stackmend.Verdict, error) {
		if r.Begun {
			panic("oh")
		}
		return stackmend.Verdict{Decision: stackmend.Permit}, nil
	})
	a := &toy{guards: []stackmend.Guard{g}, do: func(c context.Context, _ stackmend.Step, w *stackmend.Work) error { return w.Gate(c) }}
	r, err := stackmend.Run(t.Context(), plan(step("a")), a, apply)
	wantErr(t, err, stackmend.ErrRefused)
	wantStates(t, r, "partial")
	var s *stackmend.StepError
	if !errors.As(err, &s) || s.Step.Target != "a" {
		t.Errorf("no StepError in %v", err)
	}
}

// Time runs between two Gates, not at them.
func TestTimeoutBetweenGates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &toy{guards: []stackmend.Guard{stackmend.GuardFunc("slow", func(_ context.Context, r stackmend.Request) (stackmend.Verdict, error) {
			if r.Begun {
				time.Sleep(8 * time.Second)
			}
			return stackmend.Verdict{Decision: stackmend.Permit}, nil
		})}}
		pieces := 3
		a.do = func(c context.Context, s stackmend.Step, w *stackmend.Work) error {
			for range pieces {
				time.Sleep(4 * time.Second)
				if err := w.Gate(c); err != nil {
					return err
				}
			}
			<-c.Done()
			return c.Err()
		}
		s := step("a")
		s.Timeout = 5 * time.Second
		begin := time.Now()
		_, err := stackmend.Run(t.Context(), plan(s), a, stackmend.Options{Mode: stackmend.Apply, StepTimeout: time.Second})
		wantErr(t, err, stackmend.ErrTimeout, context.Canceled)
		if took := time.Since(begin); took != 3*12*time.Second+5*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestGateEndsWithTheContextItWasGiven(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		a := &toy{guards: []stackmend.Guard{stackmend.GuardFunc("busy", func(_ context.Context, r stackmend.Request) (stackmend.Verdict, error) {
			if r.Begun {
				return stackmend.Verdict{Decision: stackmend.Wait, Reason: "busy"}, nil
			}
			return stackmend.Verdict{Decision: stackmend.Permit}, nil
		})}}
		a.do = func(c context.Context, _ stackmend.Step, w *stackmend.Work) error {
			c, cancel := context.WithTimeout(c, 3*time.Second)
			defer cancel()
			return w.Gate(c)
		}
		r, err := stackmend.Run(t.Context(), plan(step("a")), a, stackmend.Options{Mode: stackmend.Apply, MaxWait: time.Hour})
		wantErr(t, err, context.DeadlineExceeded)
		wantStates(t, r, "partial")
		if took := time.Since(begin); took != 3*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

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
