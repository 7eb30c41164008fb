package dhcp

import (
	"context"
	"fmt"
	"time"

	"github.com/stackmend/stackmend"
)

// Guards returns the one that an Applier cannot do without: one instance at a
// time, with a pause after each, and no more than Instances in a run. What puts
// back what was taken down never waits for it; a Pace or MaxSteps among the
// run's own guards would make it.
func (a *Applier) Guards() []stackmend.Guard {
	most, pause := max(a.Instances, 1), a.Pause
	if pause <= 0 {
		pause = time.Minute
	}
	name := fmt.Sprintf("one instance at a time, %d at most, %v between", most, pause)
	return []stackmend.Guard{stackmend.GuardFunc(name, func(_ context.Context, r stackmend.Request) (stackmend.Verdict, error) {
		if r.Begun || r.Step.Verb == VerbLinkUp || r.Step.Verb == VerbPortUp {
			return stackmend.Verdict{Decision: stackmend.Permit}, nil
		}
		for _, o := range r.Running {
			if o.Step.Args["mac"] != r.Step.Args["mac"] {
				return stackmend.Verdict{Decision: stackmend.Wait, Reason: o.Step.Target + " is being helped", RetryAfter: time.Second}, nil
			}
		}
		return turn(r, most, pause), nil
	})}
}

// turn decides whether it is the next instance's turn.
func turn(r stackmend.Request, most int, pause time.Duration) stackmend.Verdict {
	others, last := map[string]bool{}, time.Time{}
	for _, o := range r.Outcomes {
		if o.Step.Args["mac"] == r.Step.Args["mac"] || o.State == stackmend.Stale || o.State == stackmend.Refused {
			continue
		}
		others[o.Step.Args["mac"]] = true
		if o.Finished.After(last) {
			last = o.Finished
		}
	}
	left := time.Until(last.Add(pause))
	switch {
	case len(others) >= most:
		return stackmend.Verdict{Decision: stackmend.Deny, Reason: fmt.Sprintf("%d instances were touched, %d are permitted in a run", len(others), most)}
	case len(others) > 0 && left > 0:
		return stackmend.Verdict{Decision: stackmend.Wait, Reason: "the last instance was touched just now", RetryAfter: left}
	}
	return stackmend.Verdict{Decision: stackmend.Permit}
}
