package pressure

import (
	"cmp"
	"strconv"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph"
)

// Limits are what PlanTrim sets. Zero values take the defaults that stand
// beside them.
type Limits struct {
	Entries   int // 500: osd_max_pg_log_entries, and the most that osd_min_pg_log_entries may be
	Threshold int // 100: osd_pg_log_trim_min, entries that must be too many before any goes
	AtOnce    int // 10000: osd_pg_log_trim_max
}

// PlanTrim plans to shorten the logs of placement groups while they serve.
// Logs shrink by new writes alone: a group without writes does not trim, and
// one that is not active does not either. Before 15.2 a group that is not clean
// keeps what its slowest member needs, whatever the limits; see PlanHardLimit.
func PlanTrim(l Limits, s *ceph.Snapshot, p Policy) *stackmend.Plan {
	plan := p.newPlan("trim", s)
	ofKnownRelease(s, plan)
	l.Entries, l.Threshold, l.AtOnce = cmp.Or(l.Entries, 500), cmp.Or(l.Threshold, 100), cmp.Or(l.AtOnce, 10000)
	if l.Entries < 100 || l.Threshold < 1 || l.AtOnce < l.Threshold {
		refuse(plan, "limits of %d entries, trimmed by %d to %d: at least 100 entries, and thresholds that fit", l.Entries, l.Threshold, l.AtOnce)
		return plan
	}
	n := float64(l.Entries)
	addWanted(s, plan, "trim", "logs of placement groups use the OSDs' memory",
		wanted{"osd_min_pg_log_entries", strconv.Itoa(min(l.Entries, 250)), atMost(n)},
		wanted{"osd_max_pg_log_entries", strconv.Itoa(l.Entries), atMost(n)},
		wanted{"osd_pg_log_trim_min", strconv.Itoa(l.Threshold), atMost(float64(l.Threshold))},
		wanted{"osd_pg_log_trim_max", strconv.Itoa(l.AtOnce), atLeast(float64(l.AtOnce))})
	confirm(plan, "trim", p.settle())
	return plan
}

const hardLimit = "pglog_hardlimit"

// PlanHardLimit plans to set the flag pglog_hardlimit, by which logs are
// trimmed past members that lag behind. It cannot be undone: no OSD without the
// feature may ever join again. What a member needs of a log that is gone is
// copied whole: the plan's cost is the number of placement groups and bytes
// whose recovery may become backfill.
//
// It comes after pressure and memory: the plan is refused unless recovery was
// eased, no OSD uses more than its osd_memory_target by half, and every OSD,
// down ones too, runs 12.2.11, 13.2.5 or newer. InHand is the operator's word
// for OSDs that do not tell, as before Octopus; it does not outweigh what was
// seen.
func PlanHardLimit(inHand bool, s *ceph.Snapshot, p Policy) *stackmend.Plan {
	plan := p.newPlan("hardlimit", s)
	if s.Has(hardLimit) {
		keep(plan, hardLimit, "is set already")
		return plan
	}
	qualify(s, plan)
	calm(inHand, s, plan)
	groups, bytes := turned(s)
	if !s.PGs.Seen {
		refuse(plan, "the placement groups were not seen: how many would turn to backfill is not known")
	}
	plan.Exists = stackmend.Cost{Instances: int64(s.PGs.Total), Bytes: s.Recovery.Bytes}
	plan.Steps = append(plan.Steps, stackmend.Step{
		Verb: VerbHardLimit, Target: hardLimit, Timeout: 0,
		Reason: "for ever: logs are trimmed past members that lag behind; the recovery of " + strconv.Itoa(groups) +
			" placement groups, about " + strconv.FormatInt(bytes, 10) + " bytes, may become backfill",
		Assumes: map[string]string{"fsid": s.FSID, "osds": seenMembers(s), "set": "false"},
		Cost:    stackmend.Cost{Instances: int64(groups), Bytes: bytes},
	})
	return plan
}

// qualify refuses for every OSD that could not join any more.
func qualify(s *ceph.Snapshot, plan *stackmend.Plan) {
	for _, o := range s.OSDs {
		v, first := o.Version, ceph.Version{Major: 12, Minor: 2, Patch: 11}
		if v.Major == 13 {
			first = ceph.Version{Major: 13, Minor: 2, Patch: 5}
		}
		if v.Compare(first) < 0 {
			refuse(plan, "osd.%d runs %v, or its version was not seen: it must have %v first, or leave the cluster for ever", o.ID, v, first)
		}
	}
	if len(s.OSDs) == 0 {
		refuse(plan, "no OSD was seen")
	}
}

// calm refuses while pressure and memory are not in hand.
func calm(word bool, s *ceph.Snapshot, plan *stackmend.Plan) {
	var o ceph.Observed
	for _, osd := range up(s) {
		m, ok := o.MemoryOf(&osd)
		switch {
		case !ok && word:
		case !ok:
			refuse(plan, "the memory of osd.%d was not seen: memory must be in hand first", osd.ID)
		case m.Target > 0 && max(m.Total, m.Pools) > m.Target+m.Target/2:
			refuse(plan, "osd.%d uses more than its osd_memory_target by half: memory must be in hand first", osd.ID)
		case osd.Daemon.Config["osd_op_queue"] != mClock && osd.Daemon.Config["osd_max_backfills"] != "1":
			refuse(plan, "osd.%d does %s backfills at a time: ease recovery first, for there will be more of it", osd.ID, osd.Daemon.Config["osd_max_backfills"])
		}
	}
}

// turned are the placement groups that are not clean, and an estimate of their
// bytes: their share of all data, by number.
func turned(s *ceph.Snapshot) (groups int, bytes int64) {
	if s.PGs.Total == 0 {
		return 0, 0
	}
	groups = s.PGs.Total
	for state, n := range s.PGs.States {
		if clean(state) {
			groups -= n
		}
	}
	return groups, int64(float64(s.Recovery.Bytes) * float64(groups) / float64(s.PGs.Total))
}
