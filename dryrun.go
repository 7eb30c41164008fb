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
	var first error
	for _, stage := range stages(r.plan.Steps) {
		for _, u := range stage {
			for _, i := range u.steps {
				if ctx.Err() != nil {
					return errors.Join(first, context.Cause(ctx))
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
	if r.outcomes[i].State == Done {
		return nil
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
	if err := r.recheck(i); err != nil {
		r.finish(i, stateOfRecheck(err), note+err.Error())
		return &StepError{r.plan.Steps[i], PhaseRecheck, err}
	}
	r.finish(i, Would, note+"rechecked")
	return nil
}
