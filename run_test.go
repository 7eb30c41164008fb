package stackmend_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
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
