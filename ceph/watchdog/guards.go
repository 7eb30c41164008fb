package watchdog

import (
	"context"
	"fmt"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph/supervisor"
)

// permit is a verdict without more to say.
var permit = stackmend.Verdict{Decision: stackmend.Permit}

// beforeStop judges an OSD that is to be stopped by what is known of it.
func (a *Applier) beforeStop(judge func(osd int, p prepared) stackmend.Verdict) func(context.Context, stackmend.Request) (stackmend.Verdict, error) {
	return func(ctx context.Context, r stackmend.Request) (stackmend.Verdict, error) {
		if r.Step.Verb != verbStop {
			return permit, nil
		}
		osd, _, err := target(r.Step)
		if err != nil {
			return stackmend.Verdict{}, err
		}
		p, err := a.known(ctx, osd)
		if err != nil {
			return stackmend.Verdict{}, err
		}
		return judge(osd, p), nil
	}
}

// startLimit denies a stop after which the supervisor would not start the OSD
// again: systemd's StartLimitBurst is three in half an hour for packages.
func (a *Applier) startLimit(osd int, p prepared) stackmend.Verdict {
	limit := p.state.StartLimit
	n := a.restartsWithin(osd, limit) + 1 // the start of the process that runs may lie within
	if limit.Burst > 0 && n >= limit.Burst {
		return stackmend.Verdict{Reason: fmt.Sprintf("%s may be started %d times in %v, and was %d times: it would stay down", p.state.Unit, limit.Burst, limit.Interval, n)}
	}
	return permit
}

// markdowns denies a stop that would mark an OSD down more often than it bears.
// Each restart counts here, whether or not the OSD counts an end that it has
// announced itself.
func (a *Applier) markdowns(osd int, p prepared) stackmend.Verdict {
	limit, source := p.daemon.markdowns, "the OSD says"
	if limit == (supervisor.Limit{}) {
		limit, source = defaultMarkdowns, "the OSD does not say, the default"
	}
	if n := a.restartsWithin(osd, limit); n >= max(limit.Burst, 1) {
		return stackmend.Verdict{Reason: fmt.Sprintf("it was restarted %d times in %v, and bears being marked down %d times in that (osd_max_markdown_count, osd_max_markdown_period; %s)", n, limit.Interval, limit.Burst, source)}
	}
	return permit
}

// restartsWithin counts the restarts of an OSD in the span of a limit.
func (a *Applier) restartsWithin(osd int, limit supervisor.Limit) (n int) {
	if a.Restarts == nil {
		return 0
	}
	for _, past := range a.Restarts() {
		if past.OSD == osd && time.Since(past.At) < limit.Interval {
			n++
		}
	}
	return n
}

// cluster permits a stop that the cluster can afford. While it cannot, the stop
// waits; when the kill is near the policy decides, and says what it trades.
func (a *Applier) cluster(ctx context.Context, r stackmend.Request) (stackmend.Verdict, error) {
	if r.Step.Verb != verbStop {
		return permit, nil
	}
	osd, pid, err := target(r.Step)
	if err != nil {
		return stackmend.Verdict{}, err
	}
	said := a.afford(ctx, osd)
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
