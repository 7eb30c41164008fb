package stackmend

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// step takes one step through its phases: permit, recheck, do, verify. The
// error is nil if it is done.
func (r *run) step(i int) error {
	if r.outcomes[i].State == Done {
		return nil // by the interrupted run
	}
	if r.resumed[i] {
		if settled, err := r.settle(i); settled {
			return err
		}
	}
	if err := r.permit(i); err != nil {
		return r.notBegun(i, Refused, err)
	}
	if err := r.recheck(i); err != nil {
		return r.notBegun(i, stateOfRecheck(err), err)
	}
	if err := r.begin(i); err != nil {
		return r.end(i, Refused, err)
	}
	doErr, returned := r.do(i)
	if !returned {
		return r.end(i, Uncertain, doErr)
	}
	return r.conclude(i, doErr)
}

// settle looks what became of a step that an interrupted run began. It reports
// whether that is known, or cannot be known; a step that is not in effect is
// to be done again.
func (r *run) settle(i int) (bool, error) {
	err := r.verify(i)
	switch {
	case err == nil:
		r.finish(i, Done, "begun by the interrupted run, verified now")
		return true, r.record(i)
	case errors.Is(err, ErrNotDone):
		return false, nil
	}
	return true, r.end(i, Uncertain, err)
}

// permit asks whether the step may begin: the plan's time and every guard.
func (r *run) permit(i int) error {
	r.mu.Lock()
	opens := r.opensGroup(i)
	r.mu.Unlock()
	if opens {
		if err := r.plan.alive(time.Now()); err != nil {
			return err
		}
	}
	return r.ask(r.ctx, i, false)
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
	returned = true
	err = r.phase(i, PhaseDo, func() error {
		r.abandoned.Add(1)
		done := start(func() error {
			defer r.abandoned.Done()
			return r.applier.Do(w.ctx, s, w)
		})
		var e error
		e, returned = await(w.ctx, done)
		return e
	})
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
	var panicked *panicError
	switch {
	case errors.As(doErr, &panicked):
		return r.end(i, Uncertain, doErr)
	case err == nil:
		note := ""
		if doErr != nil {
			note = "in effect, although: " + doErr.Error()
		}
		r.finish(i, Done, note)
		return r.record(i)
	case !errors.Is(err, ErrNotDone):
		return r.end(i, Uncertain, errors.Join(doErr, fmt.Errorf("cannot be verified: %w", err)))
	case errors.Is(doErr, ErrUncertain):
		return r.end(i, Uncertain, doErr)
	case errors.Is(doErr, errGate):
		return r.end(i, Partial, doErr)
	case doErr == nil:
		return r.end(i, Failed, fmt.Errorf("reported as done, but %w", err))
	}
	return r.end(i, Failed, doErr)
}

func stateOfRecheck(err error) State {
	switch {
	case errors.Is(err, ErrStale):
		return Stale
	case errors.Is(err, ErrRefused):
		return Refused
	}
	return Failed
}

// notBegun ends a step before anything was done. When it is the run that
// stopped, nothing was found out about the step.
func (r *run) notBegun(i int, s State, err error) error {
	if r.ctx.Err() != nil {
		return context.Cause(r.ctx)
	}
	return r.end(i, s, err)
}

// begin notes the intent, on disk before anything is done.
func (r *run) begin(i int) error {
	now := time.Now()
	r.mu.Lock()
	r.outcomes[i].Started = now
	r.inFlight[i] = true
	if !slices.Contains(r.order, i) {
		r.order = append(r.order, i)
	}
	r.mu.Unlock()
	if err := r.opt.Journal.intent(i, now); err != nil {
		r.mu.Lock()
		r.order = slices.DeleteFunc(r.order, func(j int) bool { return j == i })
		r.mu.Unlock()
		return err
	}
	return nil
}

// finish gives a step its state.
func (r *run) finish(i int, s State, note string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.inFlight, i)
	o := &r.outcomes[i]
	o.State, o.Note, o.Finished = s, note, time.Now()
	if o.Started.IsZero() {
		o.Started = o.Finished
	}
}

// end finishes a step that is not done, journals it, and returns why.
func (r *run) end(i int, s State, err error) error {
	r.finish(i, s, err.Error())
	phase := map[State]Phase{Refused: PhaseGuard, Stale: PhaseRecheck, Uncertain: PhaseVerify}[s]
	if phase == "" {
		phase = PhaseDo
	}
	if s == Uncertain && !errors.Is(err, ErrUncertain) {
		err = fmt.Errorf("%w: %w", ErrUncertain, err)
	}
	var refusal *GuardError
	if !errors.As(err, &refusal) {
		err = &StepError{r.plan.Steps[i], phase, err}
	}
	return errors.Join(err, r.record(i))
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
