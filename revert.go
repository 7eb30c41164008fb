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
	for _, i := range r.openSteps(group) {
		if err := r.mayRevert(group); err != nil {
			return fmt.Errorf("%w: %s of group %s stays in effect, the group is open: %w", ErrUncertain,
				r.plan.Steps[i], r.plan.Steps[i].Group, err)
		}
		if err := r.revertStep(i); err != nil {
			return fmt.Errorf("group %s stays open: %w", r.plan.Steps[i].Group, err)
		}
	}
	return nil
}

// mayRevert says why nothing may be undone just now. A lock that is lost while
// other groups are at work is not taken again before they have stopped.
func (r *run) mayRevert(group string) error {
	r.mu.Lock()
	lost := len(r.lost)
	r.mu.Unlock()
	if lost > 0 {
		return fmt.Errorf("%w: a call that did not return may still be at work", ErrTimeout)
	}
	switch {
	case r.opt.Mode == Revert && r.over() != nil:
		return r.over()
	case group != "" && r.held.Err() != nil:
		return context.Cause(r.held)
	}
	return r.regain()
}

// openSteps returns the steps to undo in the named group, or in all, the one
// that was begun last first. A group is open if it was begun and is not done to
// its last step.
func (r *run) openSteps(group string) []int {
	r.mu.Lock()
	defer r.mu.Unlock()
	open := map[string]bool{}
	for i, s := range r.plan.Steps {
		if r.outcomes[i].State != Done {
			open[s.Group] = s.Group != "" && (group == "" || group == s.Group)
		}
	}
	if !r.reverts() {
		return nil // only groups of one step, which are as lone ones
	}
	var steps []int
	for _, i := range slices.Backward(r.order) {
		if open[r.plan.Steps[i].Group] && r.outcomes[i].State != Reverted {
			steps = append(steps, i)
		}
	}
	return steps
}

// revertStep undoes one step and journals it.
func (r *run) revertStep(i int) error {
	s := r.plan.Steps[i]
	reverter := r.applier.(Reverter) // preflight saw to it
	if err := r.opt.Journal.reverting(i, time.Now()); err != nil {
		return &StepError{s, PhaseRevert, err}
	}
	err := r.phase(i, PhaseRevert, func() error {
		c, cancel := deadline(context.WithoutCancel(r.ctx), r.timeout(s))
		defer cancel()
		err, _ := r.act(c, i, func() error { return reverter.Revert(c, s) })
		return err
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
		if (s.Group == "" || !r.reverts()) && r.resumed[i] && r.over() == nil {
			err = errors.Join(err, r.look(i))
		}
	}
	if err = errors.Join(err, r.over()); err != nil {
		return err
	}
	return r.opt.Journal.finish()
}

// look settles a lone step by verifying it, and changes nothing.
func (r *run) look(i int) error {
	if settled, err := r.takeUp(i); settled {
		return err
	}
	return r.leave(i)
}
