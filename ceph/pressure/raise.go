package pressure

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph"
)

// A Climb says how PlanRaise is to raise recovery. Zero values take the
// defaults that stand beside them.
type Climb struct {
	Levels    int   // 7: steps up at most, of one backfill each (mClock: one profile each)
	LatencyMS int64 // of commits, at which clients suffer; 0: three times what it is now, at least 50, if that is no more than 100
}

// suffering is a latency, in ms, that no default is made of: clients may suffer
// already.
const suffering = 100

// PlanRaise plans to raise recovery step by step for as long as the cluster
// stays healthy, until every placement group is clean, and then to put back
// what stood before. Everything that any level sets stands in the plan. Level 0
// is what the OSDs use now, so ease first.
//
// It is one long step. A look is healthy if nine in ten OSDs commit within the
// latency, no OSD went up or down since the look before (for some more looks after that
// recovery is held where it is), and none of those
// asked uses more than its osd_memory_target by half; a Controller turns looks
// into levels.
func PlanRaise(c Climb, s *ceph.Snapshot, p Policy) *stackmend.Plan {
	plan := p.newPlan("raise", s)
	ofKnownRelease(s, plan)
	queue, why := scheduler(s)
	if why != "" {
		plan.Refusals = append(plan.Refusals, why)
		return plan
	}
	levels := countLevels(c, s, plan)
	if queue == mClock && !overrides(s) {
		levels = profileLevels(s, plan)
	}
	if s.Recovery.Seen && s.Recovery.PGs > 0 && allClean(s.Recovery) {
		keep(plan, s.FSID, "every placement group is clean: there is nothing to recover")
		return plan
	}
	if len(levels) == 0 {
		keep(plan, s.FSID, "recovery is at the highest level already")
		return plan
	}
	plan.Steps = append(plan.Steps, stackmend.Step{
		Verb: VerbRaise, Target: s.FSID, Group: "raise", Args: raiseArgs(c, levels, s, plan),
		Reason: "clients have room, and the sooner every copy is there the better",
		Undo:   "each setting is put back to what it was", Timeout: climbTimeout,
		Assumes: map[string]string{"fsid": s.FSID},
	})
	return plan
}

// raiseArgs writes the levels into the step, and what stood before.
func raiseArgs(c Climb, levels []map[string]string, s *ceph.Snapshot, plan *stackmend.Plan) map[string]string {
	now := latency(s)
	if c.LatencyMS == 0 && now > suffering {
		refuse(plan, "one in ten OSDs takes %d ms or more for a commit now: ease first, or say what clients bear", now)
	}
	args := map[string]string{"latency_ms": strconv.FormatInt(cmp.Or(c.LatencyMS, max(50, 3*now)), 10)}
	if injected(s) {
		args["by"] = byInjection
	}
	for i, settings := range levels {
		for name, v := range settings {
			was, why := stood(s, "osd", name)
			if why != "" && !slices.Contains(plan.Refusals, why) {
				plan.Refusals = append(plan.Refusals, why)
			}
			args["0 "+name], args["used "+name], args[strconv.Itoa(i+1)+" "+name] = was, used(s, "osd", name), v
		}
	}
	return args
}

// countLevels add one backfill and one recovery each, and halve the sleep where
// there is one. Zero means the sleep for the kind of disk, which is left alone;
// mClock does not sleep.
func countLevels(c Climb, s *ceph.Snapshot, plan *stackmend.Plan) []map[string]string {
	n := cmp.Or(c.Levels, 7)
	if n < 1 || n > 64 {
		refuse(plan, "%d levels: 1 to 64", n)
		return nil
	}
	backfills, active, sleep := most(s, "osd_max_backfills", 1), most(s, "osd_recovery_max_active", 3), shortest(s)
	var out []map[string]string
	for l := 1; l <= n; l++ {
		settings := map[string]string{
			"osd_max_backfills":       strconv.Itoa(backfills + l),
			"osd_recovery_max_active": strconv.Itoa(active + l),
		}
		if sleep > 0 {
			settings["osd_recovery_sleep"] = strconv.FormatFloat(max(0.001, sleep/float64(int(1)<<min(l, 20))), 'f', 4, 64)
		}
		out = append(out, settings)
	}
	return out
}

// shortest is the shortest sleep between recoveries that an OSD has; 0 where
// one has none of its own, or schedules by mClock.
func shortest(s *ceph.Snapshot) float64 {
	least := 3600.0
	for _, o := range up(s) {
		v, err := strconv.ParseFloat(o.Daemon.Config["osd_recovery_sleep"], 64)
		if err != nil || o.Daemon.Config["osd_op_queue"] == mClock {
			v = 0
		}
		least = min(least, v)
	}
	return least
}

// most is the largest value that an OSD uses. Zero means that the value for its
// kind of disk counts.
func most(s *ceph.Snapshot, name string, zero int) (n int) {
	for _, o := range up(s) {
		v, err := strconv.Atoi(o.Daemon.Config[name])
		if err != nil || v == 0 {
			v = zero
		}
		n = max(n, v)
	}
	return n
}

func profileLevels(s *ceph.Snapshot, plan *stackmend.Plan) []map[string]string {
	const name = "osd_mclock_profile"
	ladder, at := []string{"high_client_ops", "balanced", "high_recovery_ops"}, -1
	for _, o := range up(s) {
		i := slices.Index(ladder, o.Daemon.Config[name])
		if i < 0 || at >= 0 && i != at {
			refuse(plan, "osd.%d has the mClock profile %q, not one that all have and that can be raised", o.ID, o.Daemon.Config[name])
			return nil
		}
		at = i
	}
	var out []map[string]string
	for _, profile := range ladder[at+1:] {
		out = append(out, map[string]string{name: profile})
	}
	return out
}

// settingsOf are the settings of a level of a raise, as steps that set them.
// Level 0 is what stood before.
func settingsOf(s stackmend.Step, level int) []stackmend.Step {
	var out []stackmend.Step
	for _, k := range slices.Sorted(maps.Keys(s.Args)) {
		if name, ok := strings.CutPrefix(k, strconv.Itoa(level)+" "); ok {
			out = append(out, stackmend.Step{Verb: settingVerb(s.Args), Target: "osd " + name,
				Args: map[string]string{"value": s.Args[k], "used": s.Args["used "+name], "by": s.Args["by"]}, Assumes: s.Assumes})
		}
	}
	return out
}

// topLevel is the highest level that a raise has.
func topLevel(s stackmend.Step) (top int) {
	for top < 1000 && len(settingsOf(s, top+1)) > 0 {
		top++
	}
	return top
}

// restoreRaise puts back what a raise that was killed has left: a value that
// one of its levels sets.
func restoreRaise(step stackmend.Step, s *ceph.Snapshot, plan *stackmend.Plan) {
	for _, zero := range settingsOf(step, 0) {
		now, _ := current(zero.Verb, zero.Target, s)
		if left := leftBy(step, zero, now); left != "" {
			zero.Args["was"], zero.Args["value"] = zero.Args["value"], left
			restore(zero, s, plan)
			continue
		}
		keep(plan, zero.Target, "is %q, which no level of the raise sets", now)
	}
}

// leftBy is what of a value that stands now a raise has set; of daemons there
// may be several.
func leftBy(step, set stackmend.Step, now string) string {
	values := []string{now}
	if set.Verb == VerbInject {
		values = strings.Fields(now)
	}
	return strings.Join(slices.DeleteFunc(values, func(v string) bool { return !setsTo(step, set.Target, v) }), " ")
}

// setsTo reports whether a level of a raise sets a setting to the value.
func setsTo(step stackmend.Step, target, value string) bool {
	for l := topLevel(step); l > 0; l-- {
		for _, set := range settingsOf(step, l) {
			if set.Target == target && same(set.Args["value"], value) {
				return true
			}
		}
	}
	return false
}

// clean reports whether a state, such as active+clean+scrubbing, is of a
// placement group that has all that it should.
func clean(state string) bool {
	parts := strings.Split(state, "+")
	return slices.Contains(parts, "active") && slices.Contains(parts, "clean")
}

func allClean(r ceph.Recovery) bool {
	for state, n := range r.States {
		if n > 0 && !clean(state) {
			return false
		}
	}
	return r.Seen && r.PGs > 0
}

// latency is what nine in ten OSDs commit within, in milliseconds; -1: not
// seen.
func latency(s *ceph.Snapshot) int64 {
	var all []int64
	for _, o := range up(s) {
		if o.CommitMS >= 0 {
			all = append(all, o.CommitMS)
		}
	}
	if len(all) == 0 {
		return -1
	}
	slices.Sort(all)
	return all[(len(all)*9-1)/10]
}

// judge makes a sample of a look at the cluster and of the one before it. What
// was not seen is not health. It names the OSD that went up or down between
// them, if there is one, whatever else is seen.
func judge(before, now *ceph.Snapshot, limitMS int64) (s Sample, flap string) {
	flap = flapped(before, now)
	ms := latency(now)
	if !now.Mgr.Seen || !now.Mgr.Available || !now.Recovery.Seen || ms < 0 {
		return s, flap
	}
	s.Seen = true
	switch {
	case ms > limitMS:
		s.Trouble = fmt.Sprintf("one in ten OSDs takes %d ms or more for a commit, the limit is %d", ms, limitMS)
	case flap != "":
		s.Trouble = flap
	default:
		s.Trouble = bloated(now)
	}
	return s, flap
}

// bloated names an OSD that uses more than its osd_memory_target by half.
func bloated(s *ceph.Snapshot) string {
	for _, o := range s.OSDs {
		m, ok := ceph.Observed{}.MemoryOf(&o)
		if ok && m.Target > 0 && max(m.Total, m.Pools) > m.Target+m.Target/2 {
			return fmt.Sprintf("osd.%d uses %d MiB, its osd_memory_target is %d", o.ID, max(m.Total, m.Pools)>>20, m.Target>>20)
		}
	}
	return ""
}

// flapped names an OSD that went up or down between two looks.
func flapped(before, now *ceph.Snapshot) string {
	if before == nil {
		return ""
	}
	for _, o := range now.OSDs {
		if was := before.OSD(o.ID); was != nil && (was.Up != o.Up || was.UpFrom != o.UpFrom) {
			return fmt.Sprintf("osd.%d went up or down", o.ID)
		}
	}
	return ""
}
