package stackmend

import (
	"sync"
	"time"
)

// A Phase is a part of a step, or of the run.
type Phase string

// The phases.
const (
	PhaseLock    Phase = "lock"
	PhaseGuard   Phase = "guard"
	PhaseRecheck Phase = "recheck"
	PhaseDo      Phase = "do"
	PhaseVerify  Phase = "verify"
	PhaseRevert  Phase = "revert"
)

// An Event is one thing that happens in a run: a phase begins, makes progress
// (Unit is set), waits for a guard (Guard is set) or ends (Ended, with Err if
// it failed).
type Event struct {
	Time         time.Time
	Index, Total int // of the step in the plan, and how many there are
	Step         Step
	Phase        Phase
	Guard        string // the guard that makes the step wait or denies it
	Done, Of     int64  // progress, in Unit; Of is 0 if the end is not known
	Unit         string
	Ended        bool
	Err          error
}

// emitter serialises the calls of Options.OnEvent. A callback that panics, or
// that ends its goroutine, is not called again: a fault in a display must not
// end a repair half-way.
type emitter struct {
	mu     sync.Mutex
	f      func(Event)
	total  int
	broken bool
}

func (e *emitter) emit(ev Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.f == nil || e.broken {
		return
	}
	ev.Time, ev.Total = time.Now(), e.total
	e.broken = <-start(func() error { e.f(ev); return nil }) != nil
}

// close keeps a Do that was given up on from reporting to a caller who has left.
func (e *emitter) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.f = nil
}
