package pressure

import (
	"fmt"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph"
)

const whyEase = "recovery leaves no room for clients"

// easeByCount are the limits that both schedulers heed, mClock only with
// osd_mclock_override_recovery_settings.
func easeByCount() []wanted {
	return []wanted{
		{"osd_max_backfills", "1", atMost(1)},
		{"osd_recovery_max_active", "1", atMost(1)},
	}
}

func easeByWeight() []wanted {
	return []wanted{
		{"osd_recovery_op_priority", "1", atMost(1)},
		{"osd_recovery_sleep", "0.1", atLeast(0.1)},
	}
}

// PlanEase plans to lower recovery and backfill: under wpq one backfill, one
// recovery, lowest priority and a tenth of a second of sleep for each OSD;
// under mClock the profile high_client_ops, and the counts where the OSDs
// permit it. The settings are one group that ends in a second look at every
// OSD. It refuses what it cannot judge: an absent manager, a moving map, OSDs
// that did not tell their settings, OSDs with different schedulers, and
// settings that single OSDs have for themselves. A setting that presses no
// harder already is kept.
func PlanEase(s *ceph.Snapshot, p Policy) *stackmend.Plan {
	plan := p.newPlan("ease", s)
	ofKnownRelease(s, plan)
	queue, why := scheduler(s)
	switch {
	case why != "":
		plan.Refusals = append(plan.Refusals, why)
		return plan
	case queue != mClock:
		addWanted(s, plan, "ease", whyEase, append(easeByCount(), easeByWeight()...)...)
	case easeProfile(s, plan) && overrides(s):
		addWanted(s, plan, "ease", whyEase, easeByCount()...)
	}
	confirm(plan, "ease", p.settle())
	return plan
}

const mClock = "mclock_scheduler"

// scheduler is the one that all OSDs that are up use.
func scheduler(s *ceph.Snapshot) (queue, why string) {
	for _, o := range up(s) {
		if o.Daemon == nil || o.Daemon.Config["osd_op_queue"] == "" {
			return "", fmt.Sprintf("osd.%d did not tell its settings: what it has now could not be put back by knowledge", o.ID)
		}
		q := o.Daemon.Config["osd_op_queue"]
		if queue != "" && q != queue {
			return "", fmt.Sprintf("OSDs schedule by %s and by %s: there is no common way to change both", queue, q)
		}
		queue = q
	}
	switch queue {
	case "":
		return "", "no OSD is up"
	case "wpq", mClock:
		return queue, ""
	}
	return "", fmt.Sprintf("OSDs schedule by %s, which this package does not know", queue)
}

// overrides reports whether every OSD lets its counts be set under mClock. The
// others delete such a setting from the monitors' database.
func overrides(s *ceph.Snapshot) bool {
	for _, o := range up(s) {
		if o.Daemon.Config["osd_mclock_override_recovery_settings"] != "true" {
			return false
		}
	}
	return true
}

// easeProfile adds the profile that favours clients. It reports whether there
// is more that may be set.
func easeProfile(s *ceph.Snapshot, plan *stackmend.Plan) bool {
	const name, value = "osd_mclock_profile", "high_client_ops"
	different := false
	for _, o := range up(s) {
		switch o.Daemon.Config[name] {
		case value:
		case "custom", "":
			refuse(plan, "osd.%d has the mClock profile %q: its reservations are somebody's own, choose a profile first", o.ID, o.Daemon.Config[name])
			return false
		default:
			different = true
		}
	}
	if different {
		addConfig(s, plan, "ease", "osd", name, value, whyEase)
	} else {
		keep(plan, "osd "+name, "every OSD has %s already", value)
	}
	return true
}
