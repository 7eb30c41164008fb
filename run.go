package stackmend

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Run carries out a plan, or in a dry run says what would become of it.
//
// A dry run considers every step: it asks the guards, rechecks the steps that
// no earlier step must precede, and changes nothing. With Options.Mode Apply
// each step is permitted by every guard, rechecked, journalled, done and
// verified, and the run stops at the first refusal, at the first uncertain
// outcome, and at the first stale or failed step beyond the FailureBudget;
// open groups are then reverted. If Options.Journal holds an interrupted run of
// the same plan, it is resumed; p may then be nil. Mode Revert undoes the open
// groups of the journal's run and closes it.
//
// Cancelling ctx ends a dry run at once and an applying run at its next Gate or
// step, after verifying and journalling what was begun.
//
// The Result is complete whatever the error. The error is nil if every step is
// done (would be done, is reverted); otherwise it is compatible with errors.Is
// and one of the errors of this package, and with errors.As and *GuardError,
// *StepError, *StaleError or *LockError where one step or lock is to blame.
func Run(ctx context.Context, p *Plan, a Applier, o Options) (Result, error) {
	o = o.withDefaults()
	started := time.Now()
	if p == nil && o.Journal != nil {
		p = o.Journal.Plan()
	}
	if p == nil || a == nil {
		return Result{Schema: Schema, Started: started, Finished: time.Now()},
			fmt.Errorf("%w: no plan or no applier", ErrRefused)
	}
	r := newRun(p, a, o)
	err := r.run(ctx)
	return Result{
		Schema: Schema, Check: p.Check, Subject: p.Subject, Status: runStatus(o.Mode, r.outcomes, err),
		Plan: p, Mode: o.Mode, Outcomes: r.outcomes, Started: started, Finished: time.Now(),
	}, err
}

// run is the state of one Run.
type run struct {
	plan    *Plan
	applier Applier
	opt     Options
	events  emitter

	ctx  context.Context // ends when the run is to stop; the cause says why
	stop context.CancelCauseFunc

	guards  []Guard
	guardMu sync.Mutex // guards are asked one at a time

	mu        sync.Mutex
	outcomes  []Outcome // by index of the step
	inFlight  map[int]bool
	order     []int        // steps in the order in which they were begun
	resumed   map[int]bool // begun by an interrupted run, outcome not known
	budget    int
	errs      []error // what kept steps from being done
	abandoned sync.WaitGroup
	lost      map[int]bool // steps whose Do never returned
}

func newRun(p *Plan, a Applier, o Options) *run {
	r := &run{plan: p, applier: a, opt: o, budget: o.FailureBudget, outcomes: make([]Outcome, len(p.Steps)),
		inFlight: map[int]bool{}, resumed: map[int]bool{}, lost: map[int]bool{}}
	r.events = emitter{f: o.OnEvent, total: len(p.Steps)}
	for i, s := range p.Steps {
		r.outcomes[i].Step = s
	}
	return r
}

func (r *run) run(ctx context.Context) error {
	if err := r.preflight(time.Now()); err != nil {
		return err
	}
	r.adopt()
	if r.opt.Mode == DryRun {
		return r.dryRun(ctx)
	}
	held, release, err := r.lock(ctx)
	if err != nil {
		return err
	}
	defer r.unlock(release)
	r.ctx, r.stop = context.WithCancelCause(held)
	defer r.stop(nil)
	if err := r.opt.Journal.begin(r.plan); err != nil {
		return err
	}
	if r.opt.Mode == Revert {
		return r.revertRun()
	}
	return r.apply()
}

// lock takes Options.Lock, if there is one.
func (r *run) lock(ctx context.Context) (context.Context, func() error, error) {
	if r.opt.Lock == nil {
		return ctx, func() error { return nil }, nil
	}
	r.events.emit(Event{Phase: PhaseLock})
	held, release, err := r.opt.Lock.Acquire(ctx, holder(r.plan))
	r.events.emit(Event{Phase: PhaseLock, Ended: true, Err: err})
	if err != nil {
		return nil, nil, fmt.Errorf("stackmend: lock: %w", err)
	}
	return held, release, nil
}

// unlock releases the lock, but not before a Do that was given up on has
// returned: what it may still be doing must not meet another run.
func (r *run) unlock(release func() error) {
	r.mu.Lock()
	lost := len(r.lost)
	r.mu.Unlock()
	if lost == 0 {
		_ = release()
		return
	}
	go func() {
		r.abandoned.Wait()
		_ = release()
	}()
}

// adopt takes over what the journal knows of an interrupted run.
func (r *run) adopt() {
	for i, s := range r.opt.Journal.states(r.plan) {
		switch {
		case s.outcome.State == Done:
			r.outcomes[i] = s.outcome
			r.outcomes[i].Step = r.plan.Steps[i]
			r.outcomes[i].Note = "done by the interrupted run"
		case s.begun:
			r.resumed[i] = true
		}
	}
	r.order = r.opt.Journal.order(r.plan)
}

// runStatus is what the outcomes add up to.
func runStatus(m Mode, outcomes []Outcome, err error) Status {
	status := OK
	if err != nil {
		status = Warn
	}
	for _, o := range outcomes {
		switch o.State {
		case Failed:
			status = Worst(status, Fail)
		case Uncertain:
			status = Worst(status, Unknown)
		case Stale, Refused, Partial:
			status = Worst(status, Warn)
		case Reverted:
			if m != Revert {
				status = Worst(status, Warn)
			}
		}
	}
	return status
}

// apply runs the stages in order and then closes the journal, or reverts what
// is open.
func (r *run) apply() error {
	for _, stage := range stages(r.plan.Steps) {
		if r.ctx.Err() != nil {
			break
		}
		r.stage(stage)
	}
	if r.ctx.Err() == nil || r.allDone() {
		r.note(r.opt.Journal.finish())
		return errors.Join(r.errs...)
	}
	if cause := context.Cause(r.ctx); !errors.Is(errors.Join(r.errs...), cause) {
		r.note(cause)
	}
	r.note(r.revertOpen(""))
	return errors.Join(r.errs...)
}

func (r *run) allDone() bool {
	return !slices.ContainsFunc(r.outcomes, func(o Outcome) bool { return o.State != Done })
}

// note keeps an error for the end of the run.
func (r *run) note(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.errs = append(r.errs, err)
	}
}
