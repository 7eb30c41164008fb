package pressure

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph"
)

// PlanRestore plans to put back what an earlier plan changed, as far as it is
// still as that plan left it: what somebody has changed since is theirs, and
// kept. The earlier plan may be days old. It must have been applied: a flag of
// the OSD map does not tell who set it. A plan for another cluster is refused.
func PlanRestore(earlier *stackmend.Plan, s *ceph.Snapshot, p Policy) *stackmend.Plan {
	plan := p.newPlan("ceph-pressure-restore", s)
	if earlier == nil || earlier.Subject != s.FSID {
		plan.Refusals = append(plan.Refusals, "the earlier plan is of another cluster, or there is none")
		return plan
	}
	for _, step := range slices.Backward(earlier.Steps) {
		switch step.Verb {
		case VerbConfig:
			restoreConfig(step, s, plan)
		case VerbSetFlag:
			restoreFlag(step, s, plan)
		}
	}
	return plan
}

func restoreConfig(step stackmend.Step, s *ceph.Snapshot, plan *stackmend.Plan) {
	now, why := inDatabase(s, step.Target)
	switch {
	case why != "":
		plan.Refusals = append(plan.Refusals, why)
	case same(now, step.Args["was"]):
		plan.Kept = append(plan.Kept, stackmend.Kept{Target: step.Target, Reason: "is as it was before"})
	case !same(now, step.Args["value"]):
		plan.Kept = append(plan.Kept, stackmend.Kept{Target: step.Target, Reason: fmt.Sprintf("we set %q, somebody made it %q since", step.Args["value"], now)})
	default:
		back := step
		back.Args = map[string]string{"value": step.Args["was"], "was": now}
		back.Assumes = map[string]string{"fsid": s.FSID, "epoch": strconv.Itoa(s.Epoch), "value": now}
		back.Reason, back.Undo = "it was set for an emergency", "ceph config set osd "+step.Target+" "+now
		back.Group, back.Stage, back.Timeout = "", 0, 0
		plan.Steps = append(plan.Steps, back)
	}
}

func restoreFlag(step stackmend.Step, s *ceph.Snapshot, plan *stackmend.Plan) {
	if name, _, host := strings.Cut(step.Target, "@"); !host && !s.Has(name) {
		plan.Kept = append(plan.Kept, stackmend.Kept{Target: step.Target, Reason: "is not set any more"})
		return
	}
	plan.Steps = append(plan.Steps, stackmend.Step{
		Verb: VerbUnset, Target: step.Target, Reason: "it was set for an emergency", Undo: "set it again",
		Assumes: map[string]string{"fsid": s.FSID, "set": "true"},
	})
}
