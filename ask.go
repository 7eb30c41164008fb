package stackmend

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// ask asks every guard about step i until all of them permit it at once. One
// that says Wait is asked again, for Options.MaxWait at most.
func (r *run) ask(ctx context.Context, i int, begun bool) error {
	var waited time.Duration
	for {
		guard, v, err := r.askOnce(ctx, i, begun)
		if err == nil && v.Decision == Permit {
			return nil
		}
		refusal := &GuardError{guard, r.plan.Steps[i], v, err}
		r.events.emit(Event{Index: i, Step: r.plan.Steps[i], Phase: PhaseGuard, Guard: guard, Err: refusal})
		if err != nil || v.Decision != Wait {
			return refusal
		}
		pause := nextAsk(v.RetryAfter, r.opt.MaxWait-waited)
		if pause <= 0 {
			refusal.Verdict.Reason += fmt.Sprintf(" (waited %v, may wait %v)", waited, r.opt.MaxWait)
			return refusal
		}
		if err := sleep(ctx, pause); err != nil {
			return &GuardError{guard, r.plan.Steps[i], v, err}
		}
		waited += pause
	}
}

// nextAsk says how long to pause before a guard is asked again, given how
// long the step may still wait: zero if that is not long enough.
func nextAsk(retry, left time.Duration) time.Duration {
	if retry <= 0 {
		return min(time.Second, left)
	}
	if retry > left {
		return 0
	}
	return retry
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// askOnce returns the first verdict that is not Permit, and whose it is.
func (r *run) askOnce(ctx context.Context, i int, begun bool) (string, Verdict, error) {
	r.guardMu.Lock()
	defer r.guardMu.Unlock()
	for k, g := range r.guards {
		guard, v, err := r.evaluate(ctx, k, g, r.request(i, begun))
		if err != nil || v.Decision != Permit {
			return guard, v, err
		}
	}
	return "", Verdict{Decision: Permit}, nil
}

// evaluate asks one guard, which has Options.GuardTimeout to answer. One that
// did not answer in time may still be at it and is not asked again.
func (r *run) evaluate(ctx context.Context, k int, g Guard, q Request) (name string, v Verdict, err error) {
	type answer struct {
		name string
		v    Verdict
	}
	c, cancel := context.WithTimeoutCause(ctx, r.opt.GuardTimeout, fmt.Errorf("%w: no answer in %v", ErrTimeout, r.opt.GuardTimeout))
	defer cancel()
	answers := make(chan answer, 1)
	done := start(func() error {
		name := g.Name()
		v, err := g.Evaluate(c, q)
		answers <- answer{name, v}
		return err
	})
	select {
	case err = <-done:
	case <-c.Done():
		r.guards[k] = deadGuard(fmt.Sprintf("guard %d", k+1))
		return fmt.Sprintf("guard %d", k+1), Verdict{}, context.Cause(c)
	}
	select {
	case a := <-answers:
		name, v = a.name, a.v
	default: // it panicked
		name = fmt.Sprintf("guard %d", k+1)
	}
	if err != nil || v.Decision > Permit {
		v.Decision = Deny
	}
	return name, v, err
}

// deadGuard stands in for a guard that never answered.
func deadGuard(name string) Guard {
	return GuardFunc(name, func(context.Context, Request) (Verdict, error) {
		return Verdict{}, errors.New("it did not answer before")
	})
}

// request is what a guard may see, in copies that it may keep.
func (r *run) request(i int, begun bool) Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	q := Request{Plan: r.plan, Step: r.plan.Steps[i], Begun: begun}
	for _, j := range slices.Sorted(maps.Keys(r.inFlight)) {
		if j != i {
			q.Running = append(q.Running, r.outcomes[j])
		}
	}
	for j, o := range r.outcomes {
		if o.State != NotBegun && !r.inFlight[j] {
			q.Outcomes = append(q.Outcomes, o)
		}
	}
	return q
}
