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

// The verbs of this package's steps.
const (
	VerbSetFlag = "set-flag"   // of the OSD map
	VerbUnset   = "unset-flag" // only by a restore
	VerbConfig  = "set-config" // for all OSDs, in the monitors' database
	VerbConfirm = "confirm"    // read everything again after a while
)

// A Policy says how a plan is made. The zero value takes the defaults that
// stand beside the fields.
type Policy struct {
	Settle  time.Duration // 1 min: when values are read from the daemons again
	Expires time.Duration // 15 min: how long the plan may be applied
}

func (p Policy) settle() time.Duration {
	if p.Settle > 0 {
		return p.Settle
	}
	return time.Minute
}

func (p Policy) newPlan(check string, s *ceph.Snapshot) *stackmend.Plan {
	life := p.Expires
	if life <= 0 {
		life = 15 * time.Minute
	}
	plan := &stackmend.Plan{Check: check, Subject: s.FSID, Created: s.Taken, Expires: s.Taken.Add(life)}
	for _, u := range s.Unseen {
		plan.Unseen = append(plan.Unseen, fmt.Sprint(u))
	}
	plan.Refusals = unfit(s)
	return plan
}

// unfit says why nothing may be changed in this cluster by what was seen.
func unfit(s *ceph.Snapshot) []string {
	var why []string
	if s.FSID == "" || s.Epoch <= 0 {
		why = append(why, "the cluster's fsid or the epoch of its OSD map was not seen: observe again")
	}
	if s.Epoch != s.EpochEnd {
		why = append(why, fmt.Sprintf("the OSD map moved from epoch %d to %d while it was looked at: observe again", s.Epoch, s.EpochEnd))
	}
	if !s.Mgr.Seen || !s.Mgr.Available {
		why = append(why, "no manager is available, and what it says of the PGs is old: bring it back first")
	}
	if lowest := s.Lowest(); lowest.Major < 13 {
		why = append(why, fmt.Sprintf("the lowest OSD runs %s: before Mimic (13) there is no database of settings, and an injected value is lost with a restart", lowest))
	}
	return why
}

// A setting and what ease makes of it. Less reports that a value presses less
// than, or as little as, the wanted one.
type wanted struct {
	name, value string
	enough      func(float64) bool
}

func atMost(limit float64) func(float64) bool {
	// Zero is not little: it means that the value for the kind of disk counts.
	return func(v float64) bool { return v > 0 && v <= limit }
}

func atLeast(limit float64) func(float64) bool { return func(v float64) bool { return v >= limit } }

var easeWPQ = []wanted{
	{"osd_max_backfills", "1", atMost(1)},
	{"osd_recovery_max_active", "1", atMost(1)},
	{"osd_recovery_op_priority", "1", atMost(1)},
	{"osd_recovery_sleep", "0.1", atLeast(0.1)},
}

// PlanEase plans to lower recovery and backfill: under wpq one backfill, one
// recovery, lowest priority and a tenth of a second of sleep for each OSD;
// under mClock the profile high_client_ops. The settings are one group that
// ends in a second look at every OSD. It refuses what it cannot judge: an
// absent manager, a moving map, OSDs that did not tell their settings, OSDs
// with different schedulers, and settings that single OSDs have for
// themselves. A setting that presses no harder already is kept.
func PlanEase(s *ceph.Snapshot, p Policy) *stackmend.Plan {
	plan := p.newPlan("ceph-pressure-ease", s)
	queue, why := scheduler(s)
	if why != "" {
		plan.Refusals = append(plan.Refusals, why)
		return plan
	}
	if queue == "mclock_scheduler" {
		easeMClock(s, plan)
	} else {
		easeByValues(s, plan)
	}
	confirm(plan, "ease", p.settle())
	return plan
}

// scheduler is the one that all OSDs that are up use.
func scheduler(s *ceph.Snapshot) (queue, why string) {
	for _, o := range s.OSDs {
		if !o.Up {
			continue
		}
		if o.Daemon == nil || o.Daemon.Config["osd_op_queue"] == "" {
			return "", fmt.Sprintf("osd.%d did not tell its settings: what it has now could not be put back by knowledge", o.ID)
		}
		q := o.Daemon.Config["osd_op_queue"]
		if queue != "" && q != queue {
			return "", fmt.Sprintf("OSDs schedule by %s and by %s: there is no common way to ease both", queue, q)
		}
		queue = q
	}
	switch queue {
	case "":
		return "", "no OSD is up"
	case "wpq", "mclock_scheduler":
		return queue, ""
	}
	return "", fmt.Sprintf("OSDs schedule by %s, which this package does not know", queue)
}

func easeByValues(s *ceph.Snapshot, plan *stackmend.Plan) {
	for _, w := range easeWPQ {
		if everywhere(s, w) {
			plan.Kept = append(plan.Kept, stackmend.Kept{Target: w.name, Reason: "every OSD presses no harder than " + w.value + " already"})
			continue
		}
		addConfig(s, plan, "ease", w.name, w.value)
	}
}

func everywhere(s *ceph.Snapshot, w wanted) bool {
	return !slices.ContainsFunc(s.OSDs, func(o ceph.OSD) bool {
		if !o.Up {
			return false
		}
		v, err := strconv.ParseFloat(o.Daemon.Config[w.name], 64)
		return err != nil || !w.enough(v)
	})
}

func easeMClock(s *ceph.Snapshot, plan *stackmend.Plan) {
	const name, value = "osd_mclock_profile", "high_client_ops"
	different := false
	for _, o := range s.OSDs {
		if !o.Up {
			continue
		}
		switch o.Daemon.Config[name] {
		case value:
		case "custom", "":
			plan.Refusals = append(plan.Refusals, fmt.Sprintf("osd.%d has the mClock profile %q: its reservations are somebody's own, choose a profile first", o.ID, o.Daemon.Config[name]))
			return
		default:
			different = true
		}
	}
	if !different {
		plan.Kept = append(plan.Kept, stackmend.Kept{Target: name, Reason: "every OSD has " + value + " already"})
		return
	}
	addConfig(s, plan, "ease", name, value)
}

// addConfig adds the step that gives all OSDs a value, or the refusal.
func addConfig(s *ceph.Snapshot, plan *stackmend.Plan, group, name, value string) {
	was, why := inDatabase(s, name)
	if why != "" {
		plan.Refusals = append(plan.Refusals, why)
		return
	}
	undo := "ceph config rm osd " + name
	if was != "" {
		undo = "ceph config set osd " + name + " " + was
	}
	plan.Steps = append(plan.Steps, stackmend.Step{
		Verb: VerbConfig, Target: name, Args: map[string]string{"value": value, "was": was},
		Reason: "recovery shall leave the disks to clients", Undo: undo, Group: group,
		Assumes: map[string]string{"fsid": s.FSID, "epoch": strconv.Itoa(s.Epoch), "value": was},
	})
}

// inDatabase is what the monitors' database has for all OSDs; empty: nothing.
func inDatabase(s *ceph.Snapshot, name string) (was, why string) {
	if slices.ContainsFunc(s.Unseen, func(u ceph.Unseen) bool { return strings.Contains(fmt.Sprint(u), "config dump") }) {
		return "", "`config dump` was not seen: what stood before could not be put back"
	}
	for _, e := range s.Config {
		switch {
		case e.Name != name || (e.Section == "global" && e.Mask == ""):
		case e.Section == "osd" && e.Mask == "":
			was = e.Value
		default:
			return "", fmt.Sprintf("%s of %s %s is set for itself (%s), and outranks what is set for all: remove it first", name, e.Section, e.Mask, e.Value)
		}
	}
	return was, ""
}

// confirm ends the group of a plan with a second look.
func confirm(plan *stackmend.Plan, group string, after time.Duration) {
	if len(plan.Steps) == 0 {
		return
	}
	args := map[string]string{"after": after.String()}
	for _, s := range plan.Steps {
		args["value."+s.Target] = s.Args["value"]
	}
	plan.Steps = append(plan.Steps, stackmend.Step{
		Verb: VerbConfirm, Target: plan.Subject, Args: args, Group: group, Undo: "nothing was changed by looking",
		Reason: "OSDs under mClock and cephadm's tuner take back what they do not like, some time later", Timeout: after + 2*time.Minute,
		Assumes: map[string]string{"fsid": plan.Subject},
	})
}

// PlanFlags plans to set flags, each NAME or NAME@HOST, as one group. A
// flag of the whole cluster that is set already belongs to somebody else: it is
// kept, and no restore of this plan unsets it. An empty selection is refused.
func PlanFlags(names []string, s *ceph.Snapshot, p Policy) *stackmend.Plan {
	plan := p.newPlan("ceph-pressure-flags", s)
	if len(names) == 0 {
		plan.Refusals = append(plan.Refusals, "no flag was named")
	}
	for _, n := range slices.Sorted(maps.Keys(set(names))) {
		if s.Has(n) {
			plan.Kept = append(plan.Kept, stackmend.Kept{Target: n, Reason: "is set already, by somebody else"})
			continue
		}
		plan.Steps = append(plan.Steps, stackmend.Step{
			Verb: VerbSetFlag, Target: n, Reason: "asked for", Undo: "unset it", Group: "flags",
			Assumes: map[string]string{"fsid": s.FSID, "set": "false"},
		})
	}
	return plan
}

func set(names []string) map[string]bool {
	m := map[string]bool{}
	for _, n := range names {
		m[n] = true
	}
	return m
}

// same compares values as Ceph writes them: 0.1 and 0.100000 are alike.
func same(a, b string) bool {
	x, err1 := strconv.ParseFloat(a, 64)
	y, err2 := strconv.ParseFloat(b, 64)
	return a == b || (err1 == nil && err2 == nil && x == y)
}
