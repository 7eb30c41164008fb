package stackmend

import (
	"errors"
	"fmt"
	"slices"
)

// adopt takes over what the journal knows of an interrupted run. What was done
// is not repeated. What was begun waits to be verified. A stage that had ended
// is not opened again for what failed in it and was passed over: its steps were
// to come before those that were begun since.
func (r *run) adopt() {
	r.order = r.opt.Journal.order(r.plan)
	for i, s := range r.opt.Journal.states(r.plan) {
		o := s.outcome
		o.Step = r.plan.Steps[i]
		switch {
		case o.State == Done:
			o.Note = joinNotes("done by the interrupted run", o.Note)
		case r.passedOver(i, o.State):
			o.Note = joinNotes("passed over by the interrupted run", o.Note)
		case s.begun:
			r.resumed[i] = true
			if o.State == NotBegun {
				o.State = Uncertain
			}
			o.Note = joinNotes("begun by the interrupted run", o.Note)
		default:
			continue
		}
		r.outcomes[i] = o
	}
}

// passedOver reports whether step i, which ended as s in the interrupted run,
// was passed over: a later stage was begun although it is not done. A group
// that reaches into other stages never is.
func (r *run) passedOver(i int, s State) bool {
	step := r.plan.Steps[i]
	if s != Failed && s != Stale && s != Reverted || r.spans(step.Group) {
		return false
	}
	return slices.ContainsFunc(r.order, func(j int) bool { return r.plan.Steps[j].Stage > step.Stage })
}

// notePassedOver says in the error of the run what a run before passed over.
func (r *run) notePassedOver() {
	for i, o := range r.outcomes {
		if o.State == NotBegun || o.State == Done || r.resumed[i] {
			continue
		}
		err := errors.New(o.Note)
		if o.State == Stale {
			err = fmt.Errorf("%w: %s", ErrStale, o.Note)
		}
		r.note(&StepError{o.Step, PhaseDo, err})
	}
}

// takeUp reports whether step i needs no more to be done: it was done or
// passed over before. One that was begun before is verified first.
func (r *run) takeUp(i int) (bool, error) {
	r.mu.Lock()
	state, resumed := r.outcomes[i].State, r.resumed[i]
	r.mu.Unlock()
	if !resumed {
		return state != NotBegun, nil
	}
	r.reach(i)
	return r.settle(i)
}

// reach: from here on step i is what this run makes of it.
func (r *run) reach(i int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.resumed, i)
	r.outcomes[i].State, r.outcomes[i].Note, r.ended = NotBegun, "", nil
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
	return true, r.end(i, Uncertain, PhaseVerify, err)
}

// leave ends a step that an interrupted run began, that is not in effect, and
// that is not done again.
func (r *run) leave(i int) error {
	state := Failed
	if r.half(i) {
		state = Partial
	}
	r.finish(i, state, "begun by the interrupted run, not in effect")
	return r.record(i)
}

// half reports whether an interrupted run left step i half done.
func (r *run) half(i int) bool {
	return r.wasBegun(i) && len(r.opt.Journal.records(i)) > 0
}

// wasBegun reports whether step i was begun, by this run or the interrupted
// one, and was not reverted.
func (r *run) wasBegun(i int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Contains(r.order, i)
}
