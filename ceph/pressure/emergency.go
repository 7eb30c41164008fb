package pressure

import (
	"cmp"
	"maps"
	"slices"
	"strconv"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph"
)

// PlanTimeouts plans to raise the times after which an operation's thread is
// called hung, and after which the OSD ends itself for it: an OSD that ends
// itself in a storm makes the storm worse. Where a release has such times for
// recovery (before Nautilus) they are raised too. A release may read them at
// its start alone; every daemon is asked for the value, and that value may
// wait for a restart.
func PlanTimeouts(s *ceph.Snapshot, p Policy) *stackmend.Plan {
	plan := p.newPlan("timeouts", s)
	ofKnownRelease(s, plan)
	list := []wanted{
		{"osd_op_thread_timeout", "60", atLeast(60)},
		{"osd_op_thread_suicide_timeout", "600", atLeast(600)},
	}
	for _, w := range []wanted{{"osd_recovery_thread_timeout", "120", atLeast(120)}, {"osd_recovery_thread_suicide_timeout", "1200", atLeast(1200)}} {
		if slices.ContainsFunc(up(s), func(o ceph.OSD) bool { return o.Daemon != nil && o.Daemon.Config[w.name] != "" }) {
			list = append(list, w)
		}
	}
	addWanted(s, plan, "timeouts", "OSDs that end themselves make a storm worse", list...)
	confirm(plan, "timeouts", p.settle())
	return plan
}

// A SnapTrim says how hard snapshots are trimmed. Zero values take the
// defaults that stand beside them.
type SnapTrim struct {
	Priority   int // 20, of 1 to 63; the daemons' default is 5
	Concurrent int // 4 at a time in a placement group; the daemons' default is 2
}

// PlanSnapTrim plans to trim snapshots harder. To pause it use the flag
// nosnaptrim (PlanFlags, "pause-snaptrim"): a concurrency of 0 clears the
// queue, and what was in it is trimmed no more (tracker 54396), so it is
// refused.
func PlanSnapTrim(t SnapTrim, s *ceph.Snapshot, p Policy) *stackmend.Plan {
	plan := p.newPlan("snaptrim", s)
	ofKnownRelease(s, plan)
	t.Priority, t.Concurrent = cmp.Or(t.Priority, 20), cmp.Or(t.Concurrent, 4)
	switch queue, why := scheduler(s); {
	case why != "":
		plan.Refusals = append(plan.Refusals, why)
		return plan
	case t.Priority < 1 || t.Priority > 63 || t.Concurrent < 1:
		refuse(plan, "a priority of %d and %d at a time: 1 to 63, and at least 1; to pause trimming set the flag nosnaptrim", t.Priority, t.Concurrent)
		return plan
	case queue == mClock:
		keep(plan, "osd osd_snap_trim_priority", "mClock does not heed it")
	default:
		n := strconv.Itoa(t.Priority)
		addWanted(s, plan, "snaptrim", "snapshots wait to be trimmed", wanted{"osd_snap_trim_priority", n, atLeast(float64(t.Priority))})
	}
	n := strconv.Itoa(t.Concurrent)
	addWanted(s, plan, "snaptrim", "snapshots wait to be trimmed", wanted{"osd_pg_max_concurrent_snap_trims", n, atLeast(float64(t.Concurrent))})
	if s.PGs.Seen && s.PGs.States["active+clean"] == 0 {
		refuse(plan, "no placement group is clean: snapshots are trimmed on clean ones only")
	}
	confirm(plan, "snaptrim", p.settle())
	return plan
}

// PlanPause plans to pause the balancer and the autoscaler of every pool: both
// move data that recovery would have to move again.
func PlanPause(s *ceph.Snapshot, p Policy) *stackmend.Plan {
	plan := p.newPlan("pause", s)
	add := func(verb, target, was string) {
		step := set(s, verb, target, was, "off", "it moves data that recovery may have to move again")
		step.Group = "pause"
		plan.Steps = append(plan.Steps, step)
	}
	switch now, why := balancer(s); {
	case why != "":
		plan.Refusals = append(plan.Refusals, why)
	case now == "off":
		keep(plan, "balancer", "is off already")
	default:
		add(VerbBalancer, "balancer", now)
	}
	for _, pool := range s.Pools {
		switch target := pool.Name + " pg_autoscale_mode"; pool.Autoscale {
		case "":
			keep(plan, target, "this release has no autoscaler")
		case "off":
			keep(plan, target, "is off already")
		default:
			add(VerbPool, target, pool.Autoscale)
		}
	}
	return plan
}

// Memory says what PlanMemory is to do.
type Memory struct {
	Raise int64   // bytes of osd_memory_target, where there is headroom; 0: only lower
	Share float64 // 0.7: of a host's memory may be promised to its OSDs
}

// floor is the least osd_memory_target that is ever set.
const floor = 2 << 30

// PlanMemory plans to lower osd_memory_target where a host has promised its
// OSDs more than the share, not under 2 GiB, and to raise it to m.Raise, if
// that is not zero, where the host has headroom for all of its OSDs. On a short
// host raising it feeds the OOM killer. The target tunes caches alone: a log of
// placement groups or a leak goes past it.
func PlanMemory(m Memory, s *ceph.Snapshot, p Policy) *stackmend.Plan {
	plan := p.newPlan("memory", s)
	ofKnownRelease(s, plan)
	m.Share = cmp.Or(m.Share, 0.7)
	if !(m.Share > 0 && m.Share <= 1) || m.Raise < 0 || (m.Raise > 0 && m.Raise < floor) {
		refuse(plan, "a share of %v and %d bytes: a share is above 0 and at most 1, a target at least 2 GiB", m.Share, m.Raise)
		return plan
	}
	hosts, why := byHost(s)
	plan.Refusals = append(plan.Refusals, why...)
	for _, h := range slices.Sorted(maps.Keys(hosts)) {
		retarget(m, h, hosts[h], s, plan)
	}
	confirm(plan, "memory", p.settle())
	return plan
}

// byHost are the OSDs that are up, by the machine that they run on.
func byHost(s *ceph.Snapshot) (hosts map[string][]ceph.OSD, why []string) {
	hosts = map[string][]ceph.OSD{}
	for _, o := range s.OSDs {
		id := "osd." + strconv.Itoa(o.ID)
		switch {
		case !o.Up && o.Hostname == "":
			why = append(why, id+" is down and its host was not seen: what it will need when it comes back is not known")
		case o.Up && (o.Hostname == "" || o.MemTotal <= 0 || target(o) <= 0):
			why = append(why, id+": its host, that host's memory or its osd_memory_target was not seen")
		case o.Up && o.Daemon.Config["osd_memory_target_autotune"] == "true":
			why = append(why, id+" has osd_memory_target_autotune: cephadm would take a target back; turn that off first")
		default:
			hosts[o.Hostname] = append(hosts[o.Hostname], o)
		}
	}
	return hosts, why
}

func target(o ceph.OSD) int64 {
	if o.Daemon == nil {
		return -1
	}
	n, err := strconv.ParseInt(o.Daemon.Config["osd_memory_target"], 10, 64)
	if err != nil {
		return -1
	}
	return n
}

// retarget plans for one host. OSDs that are down count, for they come back.
func retarget(m Memory, host string, osds []ceph.OSD, s *ceph.Snapshot, plan *stackmend.Plan) {
	const mib = 1 << 20
	var promised, memory int64
	for _, o := range osds {
		memory = max(memory, o.MemTotal)
		promised += max(target(o), floor*boolInt(!o.Up))
	}
	budget := int64(m.Share * float64(memory))
	each := budget / int64(len(osds)) / mib * mib
	switch {
	case promised > budget && each < floor:
		refuse(plan, "%s has %d MiB for %d OSDs: less than 2 GiB for each; it needs fewer OSDs or more memory", host, memory/mib, len(osds))
	case promised > budget:
		for _, o := range osds {
			if o.Up && target(o) > each {
				addTarget(s, plan, o, each, host+" has promised its OSDs more than it has")
			}
		}
	case m.Raise == 0:
		keep(plan, host, "has %d MiB, and promised %d to its OSDs", memory/mib, promised/mib)
	case m.Raise*int64(len(osds)) > budget:
		keep(plan, host, "%d MiB for each of its %d OSDs is more than its share of %d MiB: raising it feeds the OOM killer", m.Raise/mib, len(osds), memory/mib)
	default:
		for _, o := range osds {
			if o.Up && target(o) < m.Raise {
				addTarget(s, plan, o, m.Raise, "its host has headroom for all of its OSDs")
			}
		}
	}
}

func boolInt(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

func addTarget(s *ceph.Snapshot, plan *stackmend.Plan, o ceph.OSD, bytes int64, reason string) {
	addConfig(s, plan, "memory", "osd."+strconv.Itoa(o.ID), "osd_memory_target", strconv.FormatInt(bytes, 10), reason)
}
