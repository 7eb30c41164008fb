package stackmend_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stackmend/stackmend"
)

// until makes steps wait until a time, for retry a piece.
func until(end time.Time, retry time.Duration) stackmend.Guard {
	return stackmend.GuardFunc("until", func(context.Context, stackmend.Request) (stackmend.Verdict, error) {
		if time.Now().Before(end) {
			return stackmend.Verdict{Decision: stackmend.Wait, Reason: "not yet", RetryAfter: retry}, nil
		}
		return stackmend.Verdict{Decision: stackmend.Permit}, nil
	})
}

func TestWaiting(t *testing.T) {
	for _, c := range []struct {
		name               string
		busy, retry, limit time.Duration
		took               time.Duration // below zero: refused after that long
	}{
		{"not at all", time.Second, 0, 0, -1},
		{"by the second", 3 * time.Second, 0, 10 * time.Second, 3 * time.Second},
		{"as told", time.Minute, 20 * time.Second, time.Minute, time.Minute},
		{"longer than permitted", time.Minute, 20 * time.Second, 50 * time.Second, -40 * time.Second},
		{"told longer than permitted", time.Minute, time.Minute, 50 * time.Second, -1},
		{"the rest is short", time.Minute, 0, 2500 * time.Millisecond, -2500 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, begin := &toy{}, time.Now()
				o := stackmend.Options{Mode: stackmend.Apply, MaxWait: c.limit, Guards: []stackmend.Guard{until(begin.Add(c.busy), c.retry)}}
				r, err := stackmend.Run(t.Context(), plan(step("a")), a, o)
				if c.took >= 0 {
					wantStates(t, r, "done")
					if took := time.Since(begin); took != c.took {
						t.Errorf("took %v, want %v", took, c.took)
					}
					return
				}
				wantStates(t, r, "refused")
				wantErr(t, err, stackmend.ErrRefused)
				if took := time.Since(begin); c.took != -1 && took != -c.took {
					t.Errorf("took %v, want %v", took, -c.took)
				}
				if !strings.Contains(err.Error(), "not yet (waited ") {
					t.Errorf("does not say how long it waited: %v", err)
				}
			})
		})
	}
}

// A guard that answers neither in time nor to the end of its context denies,
// and is not asked again while it may still be at it.
func TestGuardTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		end := make(chan struct{})
		defer close(end)
		g := stackmend.GuardFunc("sleepy", func(context.Context, stackmend.Request) (stackmend.Verdict, error) {
			asked.Add(1)
			<-end
			return stackmend.Verdict{Decision: stackmend.Permit}, nil
		})
		begin := time.Now()
		r, err := stackmend.Run(t.Context(), plan(step("a"), step("b")), &toy{}, stackmend.Options{Guards: []stackmend.Guard{g}, GuardTimeout: 3 * time.Second})
		wantErr(t, err, stackmend.ErrRefused, stackmend.ErrTimeout)
		wantStates(t, r, "refused", "refused")
		var refusal *stackmend.GuardError
		if !errors.As(err, &refusal) || refusal.Guard != "sleepy" || refusal.Step.Target != "a" {
			t.Errorf("%#v", refusal)
		}
		if asked.Load() != 1 || time.Since(begin) != 3*time.Second {
			t.Errorf("asked %d times, took %v", asked.Load(), time.Since(begin))
		}
	})
}

func TestFaultyGuardsDeny(t *testing.T) {
	fault := errors.New("no connection")
	permit := stackmend.Verdict{Decision: stackmend.Permit}
	for name, f := range map[string]func() (stackmend.Verdict, error){
		"error":    func() (stackmend.Verdict, error) { return permit, fault },
		"panic":    func() (stackmend.Verdict, error) { panic("oh") },
		"goexit":   func() (stackmend.Verdict, error) { runtime.Goexit(); return permit, nil },
		"decision": func() (stackmend.Verdict, error) { return stackmend.Verdict{Decision: 7}, nil },
	} {
		a := &toy{}
		g := stackmend.GuardFunc(name, func(context.Context, stackmend.Request) (stackmend.Verdict, error) { return f() })
		r, err := stackmend.Run(t.Context(), plan(step("a")), a, stackmend.Options{Mode: stackmend.Apply, Guards: []stackmend.Guard{g}})
		wantErr(t, err, stackmend.ErrRefused)
		wantStates(t, r, "refused")
		wantList(t, name+": done", a.did("do"))
		if name == "error" {
			wantErr(t, err, fault)
		}
	}
}

type badName struct{ stackmend.Guard }

func (badName) Name() string { panic("no name") }

type badGuards struct{ toy }

func (*badGuards) Guards() []stackmend.Guard { runtime.Goexit(); return nil }

func TestGuardsThatCannotBeCollected(t *testing.T) {
	a := &toy{}
	for _, g := range []stackmend.Guard{nil, badName{}} {
		_, err := stackmend.Run(t.Context(), plan(step("a")), a, stackmend.Options{Mode: stackmend.Apply, Guards: []stackmend.Guard{g}})
		wantErr(t, err, stackmend.ErrRefused)
	}
	b := &badGuards{}
	_, err := stackmend.Run(t.Context(), plan(step("a")), b, apply)
	wantErr(t, err, stackmend.ErrRefused)
	wantList(t, "done", append(a.did("do"), b.did("do")...))
}

// The Applier's own guards come first and cannot be left out.
func TestOrderOfGuards(t *testing.T) {
	var asked []string
	named := func(name string) stackmend.Guard {
		return stackmend.GuardFunc(name, func(context.Context, stackmend.Request) (stackmend.Verdict, error) {
			asked = append(asked, name)
			return stackmend.Verdict{Decision: stackmend.Permit}, nil
		})
	}
	a := &toy{guards: []stackmend.Guard{named("own")}}
	if _, err := stackmend.Run(t.Context(), plan(step("a")), a, stackmend.Options{Mode: stackmend.Apply, Guards: []stackmend.Guard{named("other")}}); err != nil {
		t.Error(err)
	}
	wantList(t, "asked", asked, "own", "other")
}

// A run that is cancelled while a guard makes it wait, or does not answer, has
// not been refused.
func TestCancelWhileWaiting(t *testing.T) {
	gone := errors.New("the operator left")
	for name, g := range map[string]stackmend.Guard{
		"waits": always("w", stackmend.Verdict{Decision: stackmend.Wait, Reason: "busy", RetryAfter: time.Minute}),
		"sleeps": stackmend.GuardFunc("s", func(ctx context.Context, _ stackmend.Request) (stackmend.Verdict, error) {
			<-ctx.Done()
			return stackmend.Verdict{}, ctx.Err()
		}),
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(2*time.Second, func() { cancel(gone) })
			a, begin := &toy{}, time.Now()
			r, err := stackmend.Run(ctx, plan(step("a"), step("b")), a,
				stackmend.Options{Mode: stackmend.Apply, MaxWait: time.Hour, Guards: []stackmend.Guard{g}})
			wantErr(t, err, gone)
			if errors.Is(err, stackmend.ErrRefused) {
				t.Errorf("%s: %v is a refusal", name, err)
			}
			wantStates(t, r, "not-begun", "not-begun")
			if took := time.Since(begin); took != 2*time.Second || !r.Outcomes[0].Started.IsZero() {
				t.Errorf("%s: took %v, %+v", name, took, r.Outcomes[0])
			}
		})
	}
}

// A plan that expires while its step waits is not applied any more.
func TestExpiresWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &toy{}
		p := plan(step("a"), step("b"))
		p.Expires = time.Now().Add(90 * time.Second)
		r, err := stackmend.Run(t.Context(), p, a, stackmend.Options{Mode: stackmend.Apply, MaxWait: time.Hour,
			Guards: []stackmend.Guard{until(time.Now().Add(2*time.Minute), time.Minute)}})
		wantErr(t, err, stackmend.ErrExpired)
		wantStates(t, r, "refused", "not-begun")
		wantList(t, "done", a.did("do"))
	})
}

// A step that waits at a Gate is told at once that the run is over.
func TestCancelWhileWaitingAtAGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(2*time.Second, cancel)
		a := &toy{guards: []stackmend.Guard{stackmend.GuardFunc("busy", func(_ context.Context, r stackmend.Request) (stackmend.Verdict, error) {
			if r.Begun {
				return stackmend.Verdict{Decision: stackmend.Wait, Reason: "busy", RetryAfter: time.Minute}, nil
			}
			return stackmend.Verdict{Decision: stackmend.Permit}, nil
		})}}
		a.do = func(c context.Context, _ stackmend.Step, w *stackmend.Work) error { return w.Gate(c) }
		begin := time.Now()
		r, err := stackmend.Run(ctx, plan(step("a")), a, stackmend.Options{Mode: stackmend.Apply, MaxWait: time.Hour})
		wantErr(t, err, context.Canceled)
		wantStates(t, r, "partial")
		if took := time.Since(begin); took != 2*time.Second {
			t.Errorf("took %v", took)
		}
	})
}
