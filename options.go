package stackmend

import "time"

// Options are how a run is carried out. Their zero value is a dry run.
type Options struct {
	Mode          Mode
	PlanID        string  // if set, only the plan with this ID runs
	Guards        []Guard // asked after the Applier's
	Irreversible  bool    // permit steps without Undo
	FailureBudget int     // stale or failed steps to pass over; zero: stop at the first
	Parallel      int     // groups and lone steps side by side; zero: 1
	Journal       *Journal
	Lock          Lock // for locks that a package must have see its NewApplier

	MaxWait      time.Duration // how long guards may make a step wait, at its start and at each Gate; zero: not at all
	StepTimeout  time.Duration // for steps without a Timeout of their own; zero: 10 minutes
	GuardTimeout time.Duration // zero: 10 seconds

	// OnEvent is told what happens. Calls are serialised; it should return
	// soon, for the run waits for it.
	OnEvent func(Event)
}

// What the zero values of Options mean.
const (
	defaultStepTimeout  = 10 * time.Minute
	defaultGuardTimeout = 10 * time.Second
)

func (o Options) withDefaults() Options {
	if o.StepTimeout <= 0 {
		o.StepTimeout = defaultStepTimeout
	}
	if o.GuardTimeout <= 0 {
		o.GuardTimeout = defaultGuardTimeout
	}
	if o.Parallel < 1 {
		o.Parallel = 1
	}
	return o
}
