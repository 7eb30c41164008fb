package watchdog

import (
	"fmt"
	"strconv"
	"time"

	"github.com/stackmend/stackmend"
)

// Check is the name of this check, in plans and results.
const checkName = "ceph-watchdog"

// The verbs of its steps.
const (
	verbClaim   = "claim"   // tell the other hosts that this one restarts an OSD
	verbStop    = "stop"    // SIGTERM, and wait until the process is gone
	verbStart   = "start"   // through the supervisor
	verbActive  = "active"  // wait until its placement groups are
	verbUnclaim = "unclaim" // give the claim back
	verbRelease = "release" // ask the OSD to give memory back
)

// planLife is how long a plan holds: the memory has moved on after that.
const planLife = 2 * time.Minute

// RestartPlan is the restart of one OSD: the very process that was seen. A
// process that is another by then is not stopped.
func RestartPlan(o Outlook, v Verdict, now time.Time) *stackmend.Plan {
	name := "osd." + strconv.Itoa(o.ID)
	p := &stackmend.Plan{Check: checkName, Subject: name, Created: now, Expires: now.Add(planLife), Exists: stackmend.Cost{Instances: 1}}
	step := func(verb, reason, undo, group string, stage int) {
		p.Steps = append(p.Steps, stackmend.Step{Verb: verb, Target: name, Reason: reason, Undo: undo, Group: group, Stage: stage,
			Args: map[string]string{"pid": strconv.Itoa(o.PID)}, Timeout: stepTimeout})
	}
	step(verbClaim, "no two hosts restart OSDs at once", "give the claim back", name, 0)
	step(verbStop, o.reason(), "start it again", name, 0)
	step(verbStart, "it was stopped to be started", "none is needed: an OSD that runs is what there was", name, 0)
	step(verbActive, "the next OSD may go when this one is back", "none is needed: this only waits", "", 1)
	step(verbUnclaim, "the next OSD may go", "none is needed", "", 2)
	p.Steps[1].Assumes = map[string]string{"held": "false"}
	p.Steps[1].Args["stop_measured"] = v.Stop.String()
	return p
}

// stepTimeout of every step: an OSD with a long queue ends in minutes, and is
// never killed for it.
const stepTimeout = 10 * time.Minute

func (o Outlook) reason() string {
	where := "the host's memory"
	if o.Limit >= 0 {
		where = "the limit of its control group"
	}
	text := fmt.Sprintf("it uses %s, grows by %s/s and meets %s in %s", size(o.Used()), size(int64(o.Slope)), where, left(o.Left))
	if o.Stalled >= 0.01 {
		text += fmt.Sprintf("; all under a limit of its stood still for %.0f %% of the time, waiting for memory", 100*o.Stalled)
	}
	return text
}

// ReleasePlan asks one OSD to give memory back.
func ReleasePlan(o Outlook, now time.Time) *stackmend.Plan {
	name := "osd." + strconv.Itoa(o.ID)
	return &stackmend.Plan{Check: checkName, Subject: name, Created: now, Expires: now.Add(planLife), Exists: stackmend.Cost{Instances: 1},
		Steps: []stackmend.Step{{Verb: verbRelease, Target: name, Reason: o.reason(), Undo: "none is needed: caches fill again",
			Args: map[string]string{"pid": strconv.Itoa(o.PID), "used": strconv.FormatInt(o.Used(), 10)}, Timeout: time.Minute}}}
}

func left(d time.Duration) string {
	if d == Never {
		return "no foreseeable time"
	}
	return d.Round(100 * time.Millisecond).String()
}

// size writes bytes for people.
func size(n int64) string {
	switch {
	case n < 0:
		return "an unknown size"
	case n < 10<<20:
		return fmt.Sprintf("%d KiB", n>>10)
	case n < 10<<30:
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
}
