package stackmend

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// revertOpen undoes the begun steps of the named group, or of every open group
// if it is empty, last first. It stops at the first that cannot be undone: what
// was begun before may be what protects it (a flag that keeps data in place
// while a daemon is down).
func (r *run) revertOpen(group string) error {
	if !r.hasOpen() {
		return nil
	}
	r.mu.Lock()
	lost := len(r.lost) > 0
	order := slices.Clone(r.order)
	r.mu.Unlock()
	if lost {
		return fmt.Errorf("%w: a step that did not return may still be at work, so the open groups were not reverted", ErrUncertain)
	}
	for _, i := range slices.Backward(order) {
		g := r.plan.Steps[i].Group
		if g == "" || (group != "" && g != group) || !r.open(g) || r.outcomeState(i) == Reverted {
			continue
		}
		if err := r.revertStep(i); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) outcomeState(i int) State {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.outcomes[i].State
}

// hasOpen reports whether any group is open.
func (r *run) hasOpen() bool {
	return slices.ContainsFunc(r.plan.Steps, func(s Step) bool { return s.Group != "" && r.open(s.Group) })
}

// open reports whether a group was begun and is not done to its last step.
func (r *run) open(group string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	begun, whole := false, true
	for i, s := range r.plan.Steps {
		if s.Group != group {
			continue
		}
		begun = begun || slices.Contains(r.order, i)
		whole = whole && r.outcomes[i].State == Done
	}
	return begun && !whole
}

// revertStep undoes one step and journals it.
func (r *run) revertStep(i int) error {
	s := r.plan.Steps[i]
	reverter, ok := r.applier.(Reverter)
	if !ok {
		return fmt.Errorf("%w: %s: the applier cannot revert", ErrUncertain, s)
	}
	if err := r.opt.Journal.reverting(i, time.Now()); err != nil {
		return &StepError{s, PhaseRevert, err}
	}
	err := r.phase(i, PhaseRevert, func() error {
		return bounded(context.WithoutCancel(r.ctx), r.timeout(s), func(c context.Context) error { return reverter.Revert(c, s) })
	})
	before := r.outcomes[i].Note
	if err != nil {
		r.finish(i, Uncertain, joinNotes(before, "could not be reverted: "+err.Error()))
		return errors.Join(&StepError{s, PhaseRevert, fmt.Errorf("%w: %w", ErrUncertain, err)}, r.record(i))
	}
	r.finish(i, Reverted, before)
	return r.record(i)
}

func joinNotes(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}

// revertRun is a run in Mode Revert: it undoes the open groups, looks what
// became of the lone steps whose outcome is not known, and closes the journal
// if nothing is left open.
func (r *run) revertRun() error {
	err := r.revertOpen("")
	for i, s := range r.plan.Steps {
		if s.Group == "" && r.resumed[i] {
			err = errors.Join(err, r.look(i))
		}
	}
	if err != nil {
		return err
	}
	return r.opt.Journal.finish()
}

// look settles a lone step by verifying it, and changes nothing.
func (r *run) look(i int) error {
	settled, err := r.settle(i)
	if settled {
		return err
	}
	state := Failed
	if len(r.opt.Journal.records(i)) > 0 {
		state = Partial
	}
	r.finish(i, state, "begun by the interrupted run, not in effect")
	return r.record(i)
}
