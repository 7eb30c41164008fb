package consolelog

import (
	"context"
	"errors"
	"time"

	"github.com/stackmend/stackmend"
)

// A Watch looks at a host's console logs in rounds, and carries out one plan
// a round. A log passes its limit by no more than what is written to it in
// one interval and while it is bounded. A round without a log above its limit
// reads sizes, and looks at no process. New folders are seen in the next round,
// a further log in a known folder in the tenth at the latest.
type Watch struct {
	Source  Source // WritersAbove and Before are set by the Watch
	Policy  Policy
	Applier stackmend.Applier
	Every   time.Duration // from the beginning of one round to that of the next

	// Options of each round's run. Its Mode is what it is elsewhere: zero
	// changes nothing. A FailureBudget of zero means that no log keeps the
	// others from being bounded. A Journal that holds an interrupted run is
	// resumed first. PlanID must be empty, for every round has its own plan.
	Options stackmend.Options
	OnRound func(Round) // is told of each round, before the next begins
}

// A Round is what came of one look. Snapshot is nil if there was none.
type Round struct {
	Snapshot *Snapshot
	Result   stackmend.Result
	Err      error
}

// Run watches until ctx ends, and returns its cause, or what is wrong with
// the Watch. What goes wrong in a round is told to OnRound alone.
func (w Watch) Run(ctx context.Context) error {
	switch {
	case w.Every <= 0 || w.Applier == nil || w.OnRound == nil:
		return errors.New("consolelog: a watch needs an interval, an applier and somebody to tell")
	case w.Options.PlanID != "":
		return errors.New("consolelog: a watch makes new plans, none of which can have the ID asked for")
	}
	if err := w.Policy.Validate(); err != nil {
		return err
	}
	if j := w.Options.Journal; j != nil && j.Plan() != nil {
		r, err := stackmend.Run(ctx, nil, w.Applier, w.Options)
		w.OnRound(Round{Result: r, Err: err})
	}
	tick := time.NewTicker(w.Every)
	defer tick.Stop()
	for n := 0; ctx.Err() == nil; n++ {
		w.Source.quick = n%wholeEvery != 0
		round := w.round(ctx)
		if ctx.Err() != nil && round.Snapshot == nil {
			break
		}
		w.OnRound(round)
		if round.Snapshot != nil {
			w.Source.Before = round.Snapshot
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	return context.Cause(ctx)
}

// wholeEvery is after how many rounds the folders are listed anew, and not
// only the logs looked at that they are known to hold.
const wholeEvery = 10

// round looks once, and does what is to be done.
func (w Watch) round(ctx context.Context) (out Round) {
	src := w.Source
	src.WritersAbove = w.Policy.Limit
	s, err := Observe(ctx, src)
	if err != nil {
		return Round{Err: err}
	}
	out.Snapshot = s
	if out.Result, out.Err = Check(s, w.Policy); out.Err != nil {
		return out
	}
	p, err := Plan(s, w.Policy)
	if err != nil {
		out.Err = err
		return out
	}
	if len(p.Steps) == 0 {
		out.Result.Plan = p
		return out
	}
	o := w.Options
	if o.FailureBudget == 0 {
		o.FailureBudget = len(p.Steps)
	}
	run, err := stackmend.Run(ctx, p, w.Applier, o)
	out.Result, out.Err = out.Result.Then(run), err
	return out
}
