package pressure

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph"
)

// A setting and what a plan makes of it. Enough reports that a value needs no
// change.
type wanted struct {
	name, value string
	enough      func(float64) bool
}

func atMost(limit float64) func(float64) bool {
	// Zero is not little: it means that the value for the kind of disk counts.
	return func(v float64) bool { return v > 0 && v <= limit }
}

func atLeast(limit float64) func(float64) bool { return func(v float64) bool { return v >= limit } }

// addWanted adds the settings, for all OSDs, that are not enough yet on every
// one. All of them told their settings, or the plan is refused.
func addWanted(s *ceph.Snapshot, plan *stackmend.Plan, group, reason string, list ...wanted) {
	for _, w := range list {
		switch have := everywhere(s, w); have {
		case "":
			addConfig(s, plan, group, "osd", w.name, w.value, reason)
		case silent:
			refuse(plan, "not every OSD told its %s: what would be changed is not known", w.name)
		default:
			keep(plan, "osd "+w.name, "%s", have)
		}
	}
}

const silent = "silent"

// everywhere says why a setting needs no change, empty if it does.
func everywhere(s *ceph.Snapshot, w wanted) string {
	for _, o := range up(s) {
		if o.Daemon == nil || o.Daemon.Config[w.name] == "" {
			return silent
		}
	}
	for _, o := range up(s) {
		v, err := strconv.ParseFloat(o.Daemon.Config[w.name], 64)
		if err != nil || !w.enough(v) {
			return ""
		}
	}
	return "every OSD is at " + w.value + " already, or beyond it in the right direction"
}

// addConfig adds the step for one setting, or the refusal.
func addConfig(s *ceph.Snapshot, plan *stackmend.Plan, group, who, name, value, reason string) {
	was, why := stood(s, who, name)
	if why != "" {
		plan.Refusals = append(plan.Refusals, why)
		return
	}
	step := set(s, VerbConfig, who+" "+name, was, value, reason)
	switch {
	case injected(s):
		step.Verb, step.Args["by"] = VerbInject, byInjection
		step.Reason += "; before Mimic it is injected, and lost where an OSD starts again"
		daemons := who
		if who == "osd" {
			daemons = "osd.*"
		}
		step.Undo = "ceph tell " + daemons + " injectargs --" + name + "=" + was
	case was == "":
		step.Undo = "ceph config rm " + who + " " + name
	default:
		step.Undo = "ceph config set " + who + " " + name + " " + was
	}
	step.Args["used"] = used(s, who, name)
	step.Group = group
	step.Assumes["osds"], step.Assumes["flags"] = seenMembers(s), strings.Join(s.Flags, ",")
	plan.Steps = append(plan.Steps, step)
}

// used are the values that the OSDs use now, each once.
func used(s *ceph.Snapshot, who, name string) string {
	all := map[string]bool{}
	for _, o := range up(s) {
		if o.Daemon != nil && o.Daemon.Config[name] != "" && (who == "osd" || who == "osd."+strconv.Itoa(o.ID)) {
			all[o.Daemon.Config[name]] = true
		}
	}
	return strings.Join(slices.Sorted(maps.Keys(all)), " ")
}

// inDatabase is the value that stands for who, "osd" or "osd.N". What is set
// for a part of the OSDs would outrank what is set for all, so it is refused.
func inDatabase(s *ceph.Snapshot, who, name string) (was, why string) {
	if slices.ContainsFunc(s.Unseen, func(u ceph.Unseen) bool {
		return u.Source == "config_dump" || strings.Contains(u.Source, "config dump")
	}) {
		return "", "`config dump` was not seen: what stood before could not be put back"
	}
	for _, e := range s.Config {
		section, mask, _ := strings.Cut(e.Section, "/")
		mask += e.Mask
		switch {
		case e.Name != name || !strings.HasPrefix(section, "osd"):
		case section == who && mask == "":
			was = e.Value
		case who == "osd":
			return "", fmt.Sprintf("%s of %s %s is set for itself (%s), and outranks what is set for all: remove it first", name, e.Section, e.Mask, e.Value)
		}
	}
	return was, ""
}

// confirm ends a plan, or its group, with a second look.
func confirm(plan *stackmend.Plan, group string, after time.Duration) {
	args, last := map[string]string{"after": after.String()}, 0
	for _, s := range plan.Steps {
		last = max(last, s.Stage)
		if s.Verb == VerbConfig || s.Verb == VerbInject {
			for _, k := range looksAt() {
				if v, ok := s.Args[k]; ok {
					args[k+"."+s.Target] = v
				}
			}
		}
	}
	if len(args) == 1 {
		return
	}
	if group == "" {
		last++
	}
	plan.Steps = append(plan.Steps, stackmend.Step{
		Verb: VerbConfirm, Target: plan.Subject, Args: args, Group: group, Stage: last, Undo: "nothing was changed by looking",
		Reason: "OSDs under mClock and cephadm's tuner take back what they do not like, some time later", Timeout: after + 2*time.Minute,
		Assumes: map[string]string{"fsid": plan.Subject},
	})
}

// looksAt are the arguments of a setting that say what its OSDs must use.
func looksAt() []string { return []string{"value", "left", "used", "by"} }
