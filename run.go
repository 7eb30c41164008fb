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
// open groups are then reverted, unless a call that did not return may still be
// at work or a lock that was lost cannot be had again: the error then names the
// groups that stay open. If Options.Journal holds an interrupted run of
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
	r.events.close()
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
	lowest  int // the first stage
	events  emitter

	ctx     context.Context // ends when the run is to stop; the cause says why
	stop    context.CancelCauseFunc
	held    context.Context // ends when the lock is lost, and only then
	release func() error

	guards  []namedGuard
	guardMu sync.Mutex // guards are asked one at a time

	mu       sync.Mutex
	outcomes []Outcome // by index of the step
	ended    []Outcome // those that guards see; appended to or made anew, never changed
	inFlight map[int]bool
	order    []int        // steps in the order in which they were begun
	resumed  map[int]bool // begun by an interrupted run, outcome not known
	budget   int
	errs     []error // what kept steps from being done
	acting   sync.WaitGroup
	lost     map[int]bool // steps whose Do or Revert never returned
}

func newRun(p *Plan, a Applier, o Options) *run {
	r := &run{plan: p, applier: a, opt: o, budget: o.FailureBudget, outcomes: make([]Outcome, len(p.Steps)),
		inFlight: map[int]bool{}, resumed: map[int]bool{}, lost: map[int]bool{}}
	r.events = emitter{f: o.OnEvent, total: len(p.Steps)}
	for i, s := range p.Steps {
		r.outcomes[i].Step = s
		if i == 0 || s.Stage < r.lowest {
			r.lowest = s.Stage
		}
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
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := r.lock(ctx); err != nil {
		return err
	}
	defer r.leaveLock()
	r.ctx, r.stop = context.WithCancelCause(ctx)
	defer r.stop(nil)
	held := r.held
	defer context.AfterFunc(held, func() { r.stop(context.Cause(held)) })()
	if err := r.opt.Journal.begin(r.plan, r); err != nil {
		return err
	}
	if r.opt.Mode == Revert {
		return r.revertRun()
	}
	return r.apply()
}

// over returns why the run is to stop, nil if it is not.
func (r *run) over() error {
	if r.held.Err() != nil {
		r.stop(context.Cause(r.held))
	}
	return context.Cause(r.ctx)
}

// runStatus is what the outcomes add up to.
func runStatus(m Mode, outcomes []Outcome, err error) Status {
	status := OK
	switch {
	case errors.Is(err, ErrUncertain):
		status = Unknown
	case err != nil:
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
	r.notePassedOver()
	for _, stage := range stages(r.plan.Steps) {
		if r.over() != nil {
			break
		}
		r.stage(stage)
	}
	cause := r.over()
	if cause == nil || r.allDone() {
		r.note(r.opt.Journal.finish())
		return errors.Join(r.errs...)
	}
	if !errors.Is(errors.Join(r.errs...), cause) {
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
