package watchdog

import (
	"context"
	"fmt"
	"time"

	"github.com/stackmend/stackmend"
)

// startLimit denies a stop after which the supervisor would not start the OSD
// again: systemd's StartLimitBurst is three in half an hour for packages.
func (a *Applier) startLimit(ctx context.Context, r stackmend.Request) (stackmend.Verdict, error) {
	if r.Step.Verb != verbStop {
		return stackmend.Verdict{Decision: stackmend.Permit}, nil
	}
	osd, _, err := target(r.Step)
	if err != nil {
		return stackmend.Verdict{}, err
	}
	st, err := a.state(ctx, osd)
	if err != nil {
		return stackmend.Verdict{}, err
	}
	limit := st.StartLimit
	if limit.Burst <= 0 || a.Restarts == nil {
		return stackmend.Verdict{Decision: stackmend.Permit}, nil
	}
	n := 1 // the start of the process that runs may lie within
	for _, past := range a.Restarts() {
		if past.OSD == osd && time.Since(past.At) < limit.Interval {
			n++
		}
	}
	if n >= limit.Burst {
		return stackmend.Verdict{Reason: fmt.Sprintf("%s may be started %d times in %v, and was %d times: it would stay down", st.Unit, limit.Burst, limit.Interval, n)}, nil
	}
	return stackmend.Verdict{Decision: stackmend.Permit}, nil
}

// cluster permits a stop that the cluster can afford. While it cannot, the stop
// waits; when the kill is near the policy decides, and says what it trades.
func (a *Applier) cluster(ctx context.Context, r stackmend.Request) (stackmend.Verdict, error) {
	if r.Step.Verb != verbStop {
		return stackmend.Verdict{Decision: stackmend.Permit}, nil
	}
	osd, pid, err := target(r.Step)
	if err != nil {
		return stackmend.Verdict{}, err
	}
	said := afford(ctx, a.Cluster, a.Policy, osd)
	v := said.Verdict
	v.RetryAfter = a.Again
	if v.Decision == stackmend.Permit || said.never || a.Ahead == nil {
		return v, nil
	}
	o, verdict, ok := a.Ahead(osd)
	switch {
	case ok && o.PID != pid:
		return stackmend.Verdict{Reason: "its process is another one by now"}, nil
	case ok && verdict.Level < Near:
		return stackmend.Verdict{Reason: "it does not grow any more"}, nil
	case ok && verdict.Level == Critical:
		return a.Policy.lastResort(o, v.Reason), nil
	}
	return v, nil
}

// lastResort decides between a graceful stop that the cluster cannot afford
// and a kill.
func (p Policy) lastResort(o Outlook, why string) stackmend.Verdict {
	if p.LastResort == Stop {
		return stackmend.Verdict{Decision: stackmend.Permit, Reason: fmt.Sprintf(
			"last resort: %s; the kernel would kill it in %s, which takes the same placement groups away and may corrupt its store", why, left(o.Left))}
	}
	return stackmend.Verdict{Reason: fmt.Sprintf(
		"%s; the kernel will kill it in %s, which takes the same placement groups away and may corrupt its store. A policy with LastResort Stop would stop it gracefully instead", why, left(o.Left))}
}
