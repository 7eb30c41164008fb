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
		if ctx.Err() != nil {
			return context.Cause(ctx) // no refusal: the guard was not heard out
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
			return err
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

// askOnce returns the first verdict that is not Permit, and whose it is. A step
// that may begin is counted among those under way before another one asks.
func (r *run) askOnce(ctx context.Context, i int, begun bool) (string, Verdict, error) {
	r.guardMu.Lock()
	defer r.guardMu.Unlock()
	q := r.request(i, begun)
	for k, g := range r.guards {
		v, err := r.evaluate(ctx, k, q)
		if err != nil || v.Decision != Permit {
			return g.name, v, err
		}
	}
	if !begun {
		r.reserve(i)
	}
	return "", Verdict{Decision: Permit}, nil
}

// evaluate asks one guard, which has Options.GuardTimeout to answer. One that
// did not answer in time may still be at it and is not asked again.
func (r *run) evaluate(ctx context.Context, k int, q Request) (Verdict, error) {
	c, cancel := context.WithTimeoutCause(ctx, r.opt.GuardTimeout, fmt.Errorf("%w: no answer in %v", ErrTimeout, r.opt.GuardTimeout))
	defer cancel()
	g, answer := r.guards[k].Guard, make(chan Verdict, 1)
	done := start(func() error {
		v, err := g.Evaluate(c, q)
		answer <- v
		return err
	})
	select {
	case err := <-done:
		if err != nil {
			return Verdict{}, because(c, err)
		}
		v := <-answer
		return v, known(v.Decision)
	case <-c.Done():
		r.guards[k].Guard = deadGuard()
		return Verdict{}, context.Cause(c)
	}
}

func known(d Decision) error {
	if d > Permit {
		return fmt.Errorf("%w: unknown decision %d", ErrRefused, d)
	}
	return nil
}

// deadGuard stands in for a guard that never answered.
func deadGuard() Guard {
	return GuardFunc("", func(context.Context, Request) (Verdict, error) {
		return Verdict{}, errors.New("it did not answer before")
	})
}

// request is what a guard may see.
func (r *run) request(i int, begun bool) Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	q := Request{Plan: r.plan, Step: r.plan.Steps[i], Begun: begun}
	for _, j := range slices.Sorted(maps.Keys(r.inFlight)) {
		if j != i {
			q.Running = append(q.Running, r.outcomes[j])
		}
	}
	if r.ended == nil {
		r.ended = make([]Outcome, 0, len(r.outcomes))
		for j, o := range r.outcomes {
			if o.State != NotBegun && !r.inFlight[j] {
				r.ended = append(r.ended, o)
			}
		}
	}
	q.Outcomes = r.ended[:len(r.ended):len(r.ended)]
	return q
}
