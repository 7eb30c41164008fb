package stackmend

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// errStopped is returned for a step that did not begin because the run was
// stopped meanwhile. Whoever stopped it has said why.
var errStopped = errors.New("stackmend: the run was stopped")

// step takes one step through its phases: permit, recheck, do, verify. The
// error is nil if it is done.
func (r *run) step(i int) error {
	if settled, err := r.takeUp(i); settled {
		return err
	}
	if err := r.permit(i); err != nil {
		return r.notBegun(i, Refused, PhaseGuard, err)
	}
	if err := r.recheck(i); err != nil {
		return r.notBegun(i, stateOfRecheck(err), PhaseRecheck, err)
	}
	if err := r.over(); err != nil { // a recheck takes time
		return r.notBegun(i, Refused, PhaseRecheck, err)
	}
	if err := r.begin(i); err != nil {
		return r.end(i, Refused, PhaseDo, err)
	}
	doErr, returned := r.do(i)
	if !returned {
		return r.end(i, Uncertain, PhaseDo, doErr)
	}
	return r.conclude(i, doErr)
}

// permit asks whether the step may begin: the plan's time and every guard. A
// guard may make it wait until that time is over.
func (r *run) permit(i int) error {
	if err := r.inTime(i); err != nil {
		return err
	}
	if err := r.ask(r.ctx, i, false); err != nil {
		return err
	}
	return r.inTime(i)
}

func (r *run) inTime(i int) error {
	r.mu.Lock()
	opens := r.opensGroup(i)
	r.mu.Unlock()
	if opens {
		return r.plan.alive(time.Now())
	}
	return nil
}

func (r *run) recheck(i int) error {
	s := r.plan.Steps[i]
	return r.phase(i, PhaseRecheck, func() error {
		return bounded(r.ctx, r.timeout(s), func(c context.Context) error { return r.applier.Recheck(c, s) })
	})
}

func (r *run) verify(i int) error {
	s := r.plan.Steps[i]
	return r.phase(i, PhaseVerify, func() error {
		return bounded(context.WithoutCancel(r.ctx), r.timeout(s), func(c context.Context) error { return r.applier.Verify(c, s) })
	})
}

// do calls the Applier's Do under the step's deadline. It reports whether Do
// returned: one that did not may still be at it.
func (r *run) do(i int) (err error, returned bool) {
	s := r.plan.Steps[i]
	w := newWork(r, i)
	defer w.close()
	_ = r.phase(i, PhaseDo, func() error {
		err, returned = r.act(w.ctx, i, func() error { return r.applier.Do(w.ctx, s, w) })
		return err
	})
	return err, returned
}

// act calls what changes something for step i, and keeps in mind a call that
// does not return.
func (r *run) act(ctx context.Context, i int, f func() error) (err error, returned bool) {
	r.acting.Add(1)
	err, returned = await(ctx, start(func() error {
		defer r.acting.Done()
		return f()
	}))
	if !returned {
		r.mu.Lock()
		r.lost[i] = true
		r.mu.Unlock()
	}
	return err, returned
}

// conclude verifies what Do left and gives the step its state. Only Verify can
// call a step done.
func (r *run) conclude(i int, doErr error) error {
	err := r.verify(i)
	switch {
	case panicked(doErr):
		return r.end(i, Uncertain, PhaseDo, doErr)
	case err == nil:
		note := ""
		if doErr != nil {
			note = "in effect, although: " + doErr.Error()
		}
		r.finish(i, Done, note)
		return r.record(i)
	case !errors.Is(err, ErrNotDone):
		return r.end(i, Uncertain, PhaseVerify, errors.Join(doErr, fmt.Errorf("cannot be verified: %w", err)))
	case doErr == nil:
		return r.end(i, Failed, PhaseVerify, fmt.Errorf("reported as done, but %w", err))
	}
	return r.end(i, stateOfDo(doErr), PhaseDo, doErr)
}

// stateOfDo is what became of a step that returned an error and is not in
// effect.
func stateOfDo(err error) State {
	switch {
	case errors.Is(err, ErrUncertain):
		return Uncertain
	case errors.Is(err, errGate):
		return Partial
	case errors.Is(err, ErrStale):
		return Stale
	case errors.Is(err, ErrRefused):
		return Refused
	}
	return Failed
}

func stateOfRecheck(err error) State {
	switch {
	case panicked(err):
		return Uncertain
	case errors.Is(err, ErrStale):
		return Stale
	case errors.Is(err, ErrRefused):
		return Refused
	}
	return Failed
}

// panicked tells a panic of the applier from one that reached it through a
// Gate: that was a guard's, which denied.
func panicked(err error) bool {
	var p *panicError
	return errors.As(err, &p) && !errors.Is(err, errGate)
}

// notBegun ends a step before anything was done. When it is the run that
// stopped, nothing was found out about the step.
func (r *run) notBegun(i int, s State, p Phase, err error) error {
	stopped := r.over() != nil
	switch {
	case stopped && r.wasBegun(i):
		r.note(r.leave(i))
		return errStopped
	case stopped:
		r.unreserve(i)
		return errStopped
	case r.half(i):
		s = Partial
	}
	return r.end(i, s, p, err)
}

// reserve counts a permitted step among those under way before another one
// asks: guards that count would permit both.
func (r *run) reserve(i int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.outcomes[i].Started = time.Now()
	r.inFlight[i] = true
}

func (r *run) unreserve(i int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.outcomes[i].Started = time.Time{}
	delete(r.inFlight, i)
}

// begin notes the intent, on disk before anything is done.
func (r *run) begin(i int) error {
	r.reserve(i)
	if err := r.opt.Journal.intent(i, time.Now()); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.order = append(slices.DeleteFunc(r.order, func(j int) bool { return j == i }), i)
	return nil
}

// finish gives a step its state.
func (r *run) finish(i int, s State, note string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.inFlight, i)
	o := &r.outcomes[i]
	known := o.State != NotBegun
	o.State, o.Note, o.Finished = s, note, time.Now()
	if o.Started.IsZero() {
		o.Started = o.Finished
	}
	if r.ended != nil && !known {
		r.ended = append(r.ended, *o)
	} else {
		r.ended = nil // made anew when a guard asks
	}
}

// end finishes a step that is not done, journals it, and returns why.
func (r *run) end(i int, s State, p Phase, err error) error {
	r.finish(i, s, err.Error())
	if s == Uncertain && !errors.Is(err, ErrUncertain) {
		err = fmt.Errorf("%w: %w", ErrUncertain, err)
	}
	if _, ok := err.(*GuardError); !ok {
		err = &StepError{r.plan.Steps[i], p, err}
	}
	if jerr := r.record(i); !errors.Is(err, ErrJournal) {
		err = errors.Join(err, jerr)
	}
	return err
}

// record writes a step's outcome to the journal.
func (r *run) record(i int) error {
	r.mu.Lock()
	o := r.outcomes[i]
	r.mu.Unlock()
	return r.opt.Journal.end(i, o)
}

func (r *run) timeout(s Step) time.Duration {
	if s.Timeout > 0 {
		return s.Timeout
	}
	return r.opt.StepTimeout
}

// phase reports the beginning and the end of a phase around f.
func (r *run) phase(i int, p Phase, f func() error) error {
	r.events.emit(Event{Index: i, Step: r.plan.Steps[i], Phase: p})
	err := f()
	r.events.emit(Event{Index: i, Step: r.plan.Steps[i], Phase: p, Ended: true, Err: err})
	return err
}
