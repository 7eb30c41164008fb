package stackmend_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stackmend/stackmend"
)

// Steps side by side: as many as permitted, never more, groups in order.
func TestParallel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now, most atomic.Int32
		a := &toy{}
		a.do = func(_ context.Context, s stackmend.Step, _ *stackmend.Work) error {
			if n := now.Add(1); n > most.Load() {
				most.Store(n)
			}
			time.Sleep(time.Second)
			a.effect(s)
			now.Add(-1)
			return nil
		}
		var steps []stackmend.Step
		for g := range 6 {
			for i := range 3 {
				steps = append(steps, grouped(fmt.Sprint("g", g), fmt.Sprint(g, ".", i)))
			}
		}
		begin := time.Now()
		r, err := stackmend.Run(t.Context(), plan(steps...), a, stackmend.Options{Mode: stackmend.Apply, Parallel: 3})
		if err != nil || most.Load() != 3 || time.Since(begin) != 6*time.Second {
			t.Errorf("%v: %d side by side, %v", err, most.Load(), time.Since(begin))
		}
		order := a.did("do")
		for g := range 6 {
			at := func(i int) int { return slices.Index(order, fmt.Sprint(g, ".", i)) }
			if at(0) > at(1) || at(1) > at(2) {
				t.Errorf("group %d out of order: %v", g, order)
			}
		}
		for _, o := range r.Outcomes {
			if o.State != stackmend.Done {
				t.Error(o)
			}
		}
	})
}

// Guards that count must not permit two steps where there is room for one,
// although the first has not begun when the second asks.
func TestParallelGuardsCount(t *testing.T) {
	for name, g := range map[string]stackmend.Guard{
		"steps": stackmend.MaxSteps(1), "share": stackmend.MaxShare(10), "pace": stackmend.Pace(1, time.Hour),
		"ok-to-stop": stackmend.GuardFunc("ok-to-stop", func(_ context.Context, r stackmend.Request) (stackmend.Verdict, error) {
			if len(r.Running)+len(r.Outcomes) > 0 {
				return stackmend.Verdict{Reason: "one is down"}, nil
			}
			return stackmend.Verdict{Decision: stackmend.Permit}, nil
		}),
	} {
		synctest.Test(t, func(t *testing.T) {
			a := &toy{recheck: func(stackmend.Step) error { time.Sleep(time.Second); return nil }}
			p := plan()
			p.Exists.Rows = 10
			for i := range 4 {
				s := step(fmt.Sprint(i))
				s.Cost.Rows = 1
				p.Steps = append(p.Steps, s)
			}
			r, err := stackmend.Run(t.Context(), p, a, stackmend.Options{Mode: stackmend.Apply, Parallel: 4, Guards: []stackmend.Guard{g}})
			wantErr(t, err, stackmend.ErrRefused)
			if n := len(a.did("do")); n > 1 {
				t.Errorf("%s: %d steps were done: %v", name, n, states(r))
			}
		})
	}
}

// A step that turned out to be stale frees its place.
func TestStaleStepsDoNotCount(t *testing.T) {
	a := &toy{recheck: func(s stackmend.Step) error {
		if s.Target != "3" {
			return stackmend.ErrStale
		}
		return nil
	}}
	r, _ := stackmend.Run(t.Context(), plan(step("1"), step("2"), step("3"), step("4")), a,
		stackmend.Options{Mode: stackmend.Apply, FailureBudget: 9, Guards: []stackmend.Guard{stackmend.MaxSteps(1)}})
	wantStates(t, r, "stale", "stale", "done", "refused")
}

// One that fails stops the others at their next Gate; each is verified, and the
// error is told once.
func TestParallelStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fault := errors.New("disk full")
		a := &toy{}
		a.do = func(c context.Context, s stackmend.Step, w *stackmend.Work) error {
			if s.Target == "bad" {
				time.Sleep(time.Second)
				return fault
			}
			for {
				time.Sleep(300 * time.Millisecond)
				if err := w.Gate(c); err != nil {
					return err
				}
			}
		}
		r, err := stackmend.Run(t.Context(), plan(step("long"), step("bad"), step("next")), a, stackmend.Options{Mode: stackmend.Apply, Parallel: 2})
		wantErr(t, err, fault)
		wantStates(t, r, "partial", "failed", "not-begun")
	})
}

// Guards are asked one at a time, OnEvent is called one at a time, while
// everything else is going on. With -race this also proves that nothing is
// shared by accident.
func TestParallelCallsAreSerialised(t *testing.T) {
	var in atomic.Int32
	alone := func() {
		if in.Add(1) > 1 {
			t.Error("called side by side")
		}
		in.Add(-1)
	}
	seen := 0 // guarded by the promise that guards are never asked concurrently
	a := failing("7", "12")
	a.guards = []stackmend.Guard{stackmend.GuardFunc("g", func(_ context.Context, r stackmend.Request) (stackmend.Verdict, error) {
		alone()
		for _, o := range slices.Concat(r.Running, r.Outcomes) {
			if o.Step.Target == r.Step.Target {
				t.Error("a step is shown to its own guard")
			}
			seen += len(o.Note)
		}
		return stackmend.Verdict{Decision: stackmend.Permit}, nil
	})}
	var steps []stackmend.Step
	for i := range 60 {
		steps = append(steps, grouped(fmt.Sprint("g", i/3), fmt.Sprint(i)))
	}
	events := 0
	_, err := stackmend.Run(t.Context(), plan(steps...), a, stackmend.Options{Mode: stackmend.Apply, Parallel: 8, FailureBudget: 2,
		Journal: newJournal(t), OnEvent: func(stackmend.Event) { events++ }})
	if err == nil || events == 0 || len(a.holds()) != 54 {
		t.Errorf("%d events, %d in effect, %v", events, len(a.holds()), err)
	}
}

// What guards see is cheap: a plan of many steps must not cost the square of
// them.
func BenchmarkRun(b *testing.B) {
	for _, n := range []int{1000, 10000} {
		p := plan()
		for i := range n {
			p.Steps = append(p.Steps, step(fmt.Sprint(i)))
		}
		b.Run(fmt.Sprint(n, "steps"), func(b *testing.B) {
			for b.Loop() {
				if _, err := stackmend.Run(b.Context(), p, &toy{}, stackmend.Options{Mode: stackmend.Apply, Guards: []stackmend.Guard{stackmend.MaxSteps(n)}}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*n), "µs/step")
		})
	}
}
