package stackmend

import (
	"context"
	"time"
)

// Decision is what a guard says. The zero value is Deny.
type Decision uint8

// The decisions.
const (
	Deny Decision = iota
	Wait
	Permit
)

var decisionNames = [...]string{Deny: "deny", Wait: "wait", Permit: "permit"}

func (d Decision) String() string { return name(decisionNames[:], uint8(d), "Decision") }

// A Verdict is a guard's decision and its reason.
type Verdict struct {
	Decision   Decision
	Reason     string        // always, also for Permit where there is something to say
	RetryAfter time.Duration // with Wait: when asking again makes sense; zero: a second
}

// A Request is what a guard decides on.
type Request struct {
	Plan *Plan
	Step Step
	// Begun: the step itself is under way and asks at a Gate. Guards that
	// count steps must not count it again.
	Begun bool
	// Running are the other steps begun by this run and not ended, and those
	// that were permitted and are about to begin.
	Running []Outcome
	// Outcomes are the steps that have ended, in any order, and those that an
	// interrupted run began or ended. They must not be changed.
	Outcomes []Outcome
}

// A Guard permits a step, makes it wait, or denies it. Guards of a run are
// never asked concurrently. An error, a panic or no answer within
// Options.GuardTimeout denies.
type Guard interface {
	Name() string
	Evaluate(ctx context.Context, r Request) (Verdict, error)
}

// GuardFunc makes a guard of a function.
func GuardFunc(name string, f func(context.Context, Request) (Verdict, error)) Guard {
	return guardFunc{name, f}
}

type guardFunc struct {
	name string
	f    func(context.Context, Request) (Verdict, error)
}

func (g guardFunc) Name() string { return g.name }
func (g guardFunc) Evaluate(ctx context.Context, r Request) (Verdict, error) {
	return g.f(ctx, r)
}
