package pressure

import (
	"slices"
	"strconv"
	"strings"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph"
	"github.com/stackmend/stackmend/ceph/internal/flags"
)

// PlanRestore plans to put back what earlier runs changed, as far as it is
// still as they left it: what somebody has changed since is theirs, and kept.
// The outcomes are those of a Result, or what stackmend.Journal's Last knows,
// days later too: a step that was never begun, or was reverted, changed
// nothing. The last outcomes given are put back first. A plan for another
// cluster is refused.
func PlanRestore(earlier []stackmend.Outcome, s *ceph.Snapshot, p Policy) *stackmend.Plan {
	plan := p.newPlan("restore", s)
	if len(earlier) == 0 {
		refuse(plan, "nothing is known of an earlier run")
	}
	for _, o := range slices.Backward(earlier) {
		switch {
		case o.Step.Assumes["fsid"] != s.FSID:
			refuse(plan, "%s was planned for cluster %s, this is %s", o.Step, o.Step.Assumes["fsid"], s.FSID)
			return plan
		case o.State == stackmend.NotBegun, o.State == stackmend.Reverted, o.State == stackmend.Refused, o.State == stackmend.Stale:
			keep(plan, o.Step.Target, "the earlier run did not change it: %v", o.State)
		case o.Step.Verb == VerbRaise:
			restoreRaise(o.Step, s, plan)
		case o.Step.Verb == VerbHardLimit:
			keep(plan, o.Step.Target, "pglog_hardlimit cannot be put back")
		case o.Step.Verb != VerbConfirm && o.Step.Verb != VerbHeap:
			restore(o.Step, s, plan)
		}
	}
	confirm(plan, "", p.settle())
	return plan
}

// restore adds the step that puts one value back.
func restore(step stackmend.Step, s *ceph.Snapshot, plan *stackmend.Plan) {
	now, why := current(step.Verb, step.Target, s)
	left, was := step.Args["value"], step.Args["was"]
	later := slices.IndexFunc(plan.Steps, func(b stackmend.Step) bool { return b.Verb == step.Verb && b.Target == step.Target })
	switch {
	case why != "":
		plan.Refusals = append(plan.Refusals, why)
	case later >= 0 && same(plan.Steps[later].Args["value"], left):
		further(&plan.Steps[later], s, was)
	case later >= 0:
		keep(plan, step.Target, "a later run changed it too, and is put back instead")
	case same(now, was):
		keep(plan, step.Target, "is as it was before")
	case !stands(step.Verb, now, left):
		keep(plan, step.Target, "we set %q, somebody made it %q since", left, now)
	default:
		back := set(s, step.Verb, step.Target, now, was, "it was set for an emergency")
		knows(&back, left, step)
		plan.Steps = append(plan.Steps, back)
	}
}

// further has a step that puts back what one run found put back what the run
// before it found, too: a raise goes on from what an ease has left.
func further(step *stackmend.Step, s *ceph.Snapshot, was string) {
	back := set(s, step.Verb, step.Target, step.Args["was"], was, "it was set for an emergency, by more than one run")
	back.Assumes["value"] = step.Assumes["value"]
	knows(&back, step.Args["left"], *step)
	*step = back
}

// knows has a step that puts back know what it replaces, and what the daemons
// used. Of an injection it is the one value that was left: daemons that have
// started again since have another, and keep it.
func knows(back *stackmend.Step, left string, earlier stackmend.Step) {
	back.Args["left"], back.Args["used"] = left, earlier.Args["used"]
	if values := strings.Fields(left); back.Verb == VerbInject && len(values) > 0 {
		back.Args["by"], back.Args["was"] = byInjection, values[0]
	}
}

// current is the value that a step of this verb would change.
func current(verb, target string, s *ceph.Snapshot) (value, why string) {
	switch verb {
	case VerbInject:
		who, name, _ := strings.Cut(target, " ")
		return used(s, who, name), ""
	case VerbConfig:
		who, name, _ := strings.Cut(target, " ")
		return inDatabase(s, who, name)
	case VerbFlag:
		f, err := flags.Parse(target)
		if err != nil {
			return "", err.Error()
		}
		return strconv.FormatBool(flagSet(s, f)), ""
	case VerbPool:
		name, _, _ := strings.Cut(target, " ")
		for _, p := range s.Pools {
			if p.Name == name {
				return p.Autoscale, ""
			}
		}
		return "", "pool " + name + " is gone"
	case VerbBalancer:
		return balancer(s)
	case VerbReweight:
		id, err := strconv.Atoi(strings.TrimPrefix(target, "osd."))
		if o := s.OSD(id); err == nil && o != nil {
			return weight(o.Reweight), ""
		}
		return "", target + " is gone"
	}
	return "", "unknown verb " + verb
}

func balancer(s *ceph.Snapshot) (value, why string) {
	if s.Balancer == nil {
		return "", "whether the balancer is active was not seen"
	}
	return onOff(s.Balancer.Active), ""
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}
