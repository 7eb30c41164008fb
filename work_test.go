package stackmend_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stackmend/stackmend"
)

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
