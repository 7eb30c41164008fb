package stackmend

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// dryRun considers every step as an applying run would come to it, and goes on
// after a refusal: the reader wants to see all of them.
func (r *run) dryRun(ctx context.Context) error {
	r.ctx, r.stop = context.WithCancelCause(ctx)
	defer r.stop(nil)
	r.held = ctx
	var first error
	for _, stage := range stages(r.plan.Steps) {
		for _, u := range stage {
			for _, i := range u.steps {
				if err := r.over(); err != nil {
					return errors.Join(first, err)
				}
				if err := r.consider(i); err != nil && first == nil {
					first = err
				}
			}
		}
	}
	return first
}

// consider says what would become of a step.
func (r *run) consider(i int) error {
	if known, err := r.wouldTakeUp(i); known {
		return err
	}
	r.outcomes[i].Started = time.Now()
	if err := r.reversible(r.plan.Steps[i]); err != nil {
		r.finish(i, Refused, err.Error())
		return err
	}
	guard, v, err := r.askOnce(r.ctx, i, false)
	note := ""
	switch {
	case err != nil || v.Decision == Deny:
		refusal := &GuardError{guard, r.plan.Steps[i], v, err}
		r.finish(i, Refused, refusal.Error())
		return refusal
	case v.Decision == Wait:
		note = fmt.Sprintf("would wait: %s: %s; ", guard, v.Reason)
	}
	if r.preceded(i) {
		r.finish(i, Would, note+"not rechecked: an earlier step comes before it")
		return nil
	}
	err = r.recheck(i)
	if r.over() != nil {
		r.unreserve(i)
		return nil // the run says why
	}
	if err != nil {
		r.finish(i, stateOfRecheck(err), note+err.Error())
		return &StepError{r.plan.Steps[i], PhaseRecheck, err}
	}
	r.finish(i, Would, note+"rechecked")
	return nil
}

// wouldTakeUp reports whether step i needs no more to be done. One that an
// interrupted run began is verified, as the resume would.
func (r *run) wouldTakeUp(i int) (bool, error) {
	if !r.resumed[i] {
		return r.outcomes[i].State != NotBegun, nil
	}
	r.reach(i)
	err := r.verify(i)
	switch {
	case err == nil:
		r.finish(i, Would, "begun by the interrupted run, found in effect")
		return true, nil
	case errors.Is(err, ErrNotDone):
		return false, nil
	}
	r.finish(i, Uncertain, "begun by the interrupted run: "+err.Error())
	return true, &StepError{r.plan.Steps[i], PhaseVerify, fmt.Errorf("%w: %w", ErrUncertain, err)}
}
