package pressure

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/stackmend/stackmend/ceph"
)

// watched are the settings that Status tells.
func watched() []string {
	return []string{"osd_op_queue", "osd_mclock_profile", "osd_max_backfills", "osd_recovery_max_active", "osd_recovery_op_priority", "osd_recovery_sleep",
		"osd_op_thread_timeout", "osd_op_thread_suicide_timeout", "osd_memory_target", "osd_snap_trim_priority", "osd_pg_max_concurrent_snap_trims",
		"osd_min_pg_log_entries", "osd_max_pg_log_entries"}
}

// Status writes what presses on a cluster as text: the settings in effect, and
// which OSDs use which value; flags; placement groups.
func Status(s *ceph.Snapshot) string {
	var b strings.Builder
	fmt.Fprintf(&b, "flags %s\n", strings.Join(s.Flags, ","))
	for _, host := range slices.Sorted(maps.Keys(s.NodeFlags)) {
		fmt.Fprintf(&b, "flags of %s: %s\n", host, strings.Join(s.NodeFlags[host], ","))
	}
	if s.Balancer != nil {
		fmt.Fprintf(&b, "balancer %s\n", onOff(s.Balancer.Active))
	}
	for _, name := range watched() {
		by := map[string][]int{}
		for _, o := range up(s) {
			if o.Daemon != nil && o.Daemon.Config[name] != "" {
				by[o.Daemon.Config[name]] = append(by[o.Daemon.Config[name]], o.ID)
			}
		}
		for _, v := range slices.Sorted(maps.Keys(by)) {
			fmt.Fprintf(&b, "%-36s %-18s osd.%s\n", name, v, ranges(by[v]))
		}
	}
	for _, state := range slices.Sorted(maps.Keys(s.Recovery.States)) {
		fmt.Fprintf(&b, "%6d placement groups %s\n", s.Recovery.States[state], state)
	}
	fmt.Fprintf(&b, "%d copies missing, %d misplaced, %d objects unfound\n", s.Recovery.Degraded, s.Recovery.Misplaced, s.Recovery.Unfound)
	return b.String()
}
