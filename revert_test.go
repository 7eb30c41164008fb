package stackmend_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stackmend/stackmend"
)

// failing makes a toy whose Do fails at the targets and works elsewhere.
func failing(targets ...string) *toy {
	a := &toy{}
	a.do = func(_ context.Context, s stackmend.Step, _ *stackmend.Work) error {
		if slices.Contains(targets, s.Target) {
			return errors.New("cannot " + s.Target)
		}
		a.effect(s)
		return nil
	}
	return a
}

func TestGroupIsRevertedLastFirst(t *testing.T) {
	a := failing("start")
	r, err := stackmend.Run(t.Context(), plan(step("lone"), grouped("osd", "mask"), grouped("osd", "stop"), grouped("osd", "start"), grouped("osd", "unmask")), a, apply)
	if err == nil {
		t.Error("no error")
	}
	wantStates(t, r, "done", "reverted", "reverted", "reverted", "not-begun")
	wantList(t, "reverted", a.did("revert"), "start", "stop", "mask")
	wantList(t, "holds", a.holds(), "lone")
	if note := r.Outcomes[3].Note; !strings.Contains(note, "cannot start") {
		t.Errorf("the note does not say why it failed: %q", note)
	}
}

// What was begun before may be what protects the one that cannot be undone.
func TestRevertStopsAtTheFirstThatFails(t *testing.T) {
	a := failing("start")
	a.revert = func(s stackmend.Step) error {
		if s.Target == "stop" {
			return errors.New("will not start")
		}
		a.undo(s)
		return nil
	}
	j := newJournal(t)
	p := plan(grouped("osd", "flag"), grouped("osd", "stop"), grouped("osd", "start"))
	r, err := stackmend.Run(t.Context(), p, a, stackmend.Options{Mode: stackmend.Apply, Journal: j})
	wantErr(t, err, stackmend.ErrUncertain)
	wantStates(t, r, "done", "uncertain", "reverted")
	if !strings.Contains(err.Error(), "group osd stays open") || r.Status != stackmend.Unknown {
		t.Errorf("%v: %v", r.Status, err)
	}
	if open := j.Open(); len(open) != 2 {
		t.Errorf("open: %v", open)
	}
	a.revert = nil
	r, err = stackmend.Run(t.Context(), nil, a, stackmend.Options{Mode: stackmend.Revert, Journal: j})
	if err != nil || j.Plan() != nil {
		t.Error(err)
	}
	wantStates(t, r, "reverted", "reverted", "not-begun")
	wantList(t, "holds", a.holds())
}

func TestRevertPanics(t *testing.T) {
	a := failing("b")
	a.revert = func(stackmend.Step) error { panic("oh") }
	r, err := stackmend.Run(t.Context(), plan(grouped("g", "a"), grouped("g", "b")), a, apply)
	wantErr(t, err, stackmend.ErrUncertain)
	wantStates(t, r, "done", "uncertain")
}

func TestWholeGroupsStay(t *testing.T) {
	a := failing("z")
	r, _ := stackmend.Run(t.Context(), plan(grouped("g", "a"), grouped("g", "b"), staged(1, step("z"))), a, apply)
	wantStates(t, r, "done", "done", "failed")
	wantList(t, "reverted", a.did("revert"))
}

// Flags that are set before the first stage and put back after the last are
// undone after all that they protect.
func TestGroupThatSpansStages(t *testing.T) {
	p := func() *stackmend.Plan {
		return plan(grouped("flags", "set"),
			staged(1, grouped("osd1", "stop1")), staged(1, grouped("osd1", "start1")),
			staged(2, grouped("osd2", "stop2")), staged(2, grouped("osd2", "start2")),
			staged(3, grouped("flags", "unset")))
	}
	a := &toy{}
	if _, err := stackmend.Run(t.Context(), p(), a, apply); err != nil {
		t.Fatal(err)
	}
	wantList(t, "done", a.did("do"), "set", "stop1", "start1", "stop2", "start2", "unset")

	a = failing("start2")
	r, _ := stackmend.Run(t.Context(), p(), a, apply)
	wantStates(t, r, "reverted", "done", "done", "reverted", "reverted", "not-begun")
	wantList(t, "reverted", a.did("revert"), "start2", "stop2", "set")

	a = failing("start1") // within the budget: the other group goes on
	r, _ = stackmend.Run(t.Context(), p(), a, stackmend.Options{Mode: stackmend.Apply, FailureBudget: 1})
	wantStates(t, r, "done", "reverted", "reverted", "done", "done", "done")

	a = failing("set") // the others rely on it, whatever the budget
	r, _ = stackmend.Run(t.Context(), p(), a, stackmend.Options{Mode: stackmend.Apply, FailureBudget: 1})
	wantStates(t, r, "reverted", "not-begun", "not-begun", "not-begun", "not-begun", "not-begun")
}

func TestPassedOverGroupWhoseRevertFails(t *testing.T) {
	a := failing("b")
	a.revert = func(stackmend.Step) error { return errors.New("no") }
	r, err := stackmend.Run(t.Context(), plan(grouped("g", "a"), grouped("g", "b"), step("c")), a, stackmend.Options{Mode: stackmend.Apply, FailureBudget: 3})
	wantErr(t, err, stackmend.ErrUncertain)
	wantStates(t, r, "done", "uncertain", "not-begun")
}

// A group of one step is as a lone step for an applier that cannot revert.
func TestGroupOfOneWithoutReverter(t *testing.T) {
	a := failing("a")
	r, err := stackmend.Run(t.Context(), plan(grouped("g", "a")), noRevert{a}, apply)
	wantStates(t, r, "failed")
	if errors.Is(err, stackmend.ErrUncertain) {
		t.Error(err)
	}
}

// A Do that neither ends at its deadline nor in the grace time is given up on:
// nobody knows what it still does, so nothing is undone beside it and the
// lock stays taken until it returns.
func TestDoThatDoesNotReturn(t *testing.T) {
	for _, hang := range []string{"do", "revert"} {
		t.Run(hang, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				end, a, lock := make(chan struct{}), failing("b"), &fakeLock{}
				events := atomic.Int32{}
				late := make(chan error, 3)
				hangs := func(c context.Context, w *stackmend.Work) {
					<-end
					if w != nil {
						w.Progress(1, 1, "rows")
						late <- w.Gate(c)
						late <- w.Record("k", "v")
					}
				}
				a.revert = func(stackmend.Step) error { hangs(nil, nil); return nil }
				if hang == "do" {
					a.do = func(c context.Context, s stackmend.Step, w *stackmend.Work) error {
						if a.effect(s); s.Target == "b" {
							hangs(c, w)
						}
						return nil
					}
				}
				begin, j := time.Now(), newJournal(t)
				o := stackmend.Options{Mode: stackmend.Apply, StepTimeout: 10 * time.Second, Lock: lock, Journal: j, OnEvent: func(stackmend.Event) { events.Add(1) }}
				r, err := stackmend.Run(t.Context(), plan(grouped("g", "a"), grouped("g", "b"), grouped("g", "c")), a, o)
				wantErr(t, err, stackmend.ErrUncertain, stackmend.ErrTimeout)
				wantStates(t, r, "done", "uncertain", "not-begun")
				if took := time.Since(begin); took != 15*time.Second {
					t.Errorf("took %v", took)
				}
				if hang == "do" {
					wantList(t, "reverted", a.did("revert"))
					if !strings.Contains(err.Error(), "group g, the group is open") && !strings.Contains(err.Error(), "the group is open") {
						t.Errorf("does not say that the group is open: %v", err)
					}
				}
				if lock.free() {
					t.Error("the lock was released beside a Do at work")
				}
				_, err = stackmend.Run(t.Context(), nil, a, stackmend.Options{Mode: stackmend.Revert, Journal: j})
				wantErr(t, err, stackmend.ErrLocked)
				told := events.Load()
				close(end)
				synctest.Wait()
				if !lock.free() {
					t.Error("the lock was kept")
				}
				if hang == "do" {
					wantErr(t, <-late, stackmend.ErrTimeout)
					wantErr(t, <-late, stackmend.ErrTimeout)
				}
				if events.Load() != told {
					t.Error("an event after the end of the run")
				}
			})
		})
	}
}

// fakeLock is a Lock that can be lost.
type fakeLock struct {
	mu       sync.Mutex
	taken    int
	released int
	lose     context.CancelCauseFunc
	refuse   error
}

func (l *fakeLock) Acquire(ctx context.Context, _ string) (context.Context, func() error, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.refuse != nil {
		return nil, nil, l.refuse
	}
	l.taken++
	held, lose := context.WithCancelCause(ctx)
	l.lose = lose
	return held, func() error { l.mu.Lock(); defer l.mu.Unlock(); l.released++; return nil }, nil
}

// loseTo loses the lock, to another run or to nobody.
func (l *fakeLock) loseTo(other bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if other {
		l.refuse = &stackmend.LockError{Holder: "another run"}
	}
	l.lose(stackmend.ErrLocked)
}

func (l *fakeLock) free() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.taken > 0 && l.taken == l.released
}

// A lost lock stops at the next Gate. The open group is reverted only if the
// lock can be had again: somebody else may be at the same thing.
func TestLockLost(t *testing.T) {
	for _, taken := range []bool{false, true} {
		lock, a := &fakeLock{}, &toy{}
		a.do = func(c context.Context, s stackmend.Step, w *stackmend.Work) error {
			if a.effect(s); s.Target == "b" {
				lock.loseTo(taken)
				return w.Gate(c)
			}
			return nil
		}
		r, err := stackmend.Run(t.Context(), plan(grouped("g", "a"), grouped("g", "b"), grouped("g", "c")), a, stackmend.Options{Mode: stackmend.Apply, Lock: lock})
		wantErr(t, err, stackmend.ErrLocked)
		if !lock.free() {
			t.Errorf("taken %d, released %d", lock.taken, lock.released)
		}
		if !taken {
			wantStates(t, r, "reverted", "reverted", "not-begun")
			continue
		}
		wantStates(t, r, "done", "done", "not-begun")
		wantErr(t, err, stackmend.ErrUncertain)
		if !strings.Contains(err.Error(), "another run") || !strings.Contains(err.Error(), "group is open") {
			t.Error(err)
		}
	}
}

// The lock is also watched by a run that was cancelled and reverts.
func TestLockLostAfterCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	lock, a := &fakeLock{}, &toy{}
	a.do = func(_ context.Context, s stackmend.Step, _ *stackmend.Work) error {
		if a.effect(s); s.Target == "b" {
			cancel()
		}
		return nil
	}
	a.revert = func(s stackmend.Step) error {
		a.undo(s)
		lock.loseTo(true)
		return nil
	}
	r, err := stackmend.Run(ctx, plan(grouped("g", "a"), grouped("g", "b"), grouped("g", "c")), a, stackmend.Options{Mode: stackmend.Apply, Lock: lock})
	wantErr(t, err, context.Canceled, stackmend.ErrLocked, stackmend.ErrUncertain)
	wantStates(t, r, "done", "reverted", "not-begun")
}

func TestLockThatCannotBeHad(t *testing.T) {
	a := &toy{}
	for _, lock := range []stackmend.Lock{&fakeLock{refuse: &stackmend.LockError{Holder: "x"}}, panicLock{}} {
		_, err := stackmend.Run(t.Context(), plan(step("a")), a, stackmend.Options{Mode: stackmend.Apply, Lock: lock})
		if err == nil || len(a.log) > 0 {
			t.Error(err, a.log)
		}
	}
}

type panicLock struct{}

func (panicLock) Acquire(context.Context, string) (context.Context, func() error, error) {
	panic("oh")
}
