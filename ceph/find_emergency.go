package ceph

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/stackmend/stackmend"
)

// A leftover is a setting that helps in an emergency and hurts after it.
type leftover struct {
	name string
	odd  func(value float64) bool
	why  string
}

func above(n float64) func(float64) bool { return func(v float64) bool { return v > n } }
func below(n float64) func(float64) bool { return func(v float64) bool { return v < n } }

// leftovers, with the bounds of what is usual (the defaults of v12.2 to v19.2
// lie within them).
func leftovers() []leftover {
	return []leftover{
		{"osd_max_backfills", above(4), "recovery takes what clients need"},
		{"osd_recovery_max_active", above(10), "recovery takes what clients need"},
		{"osd_recovery_max_active_hdd", above(5), "recovery takes what clients need"},
		{"osd_recovery_max_active_ssd", above(20), "recovery takes what clients need"},
		{"osd_min_pg_log_entries", below(250), "a short log turns recovery after a restart into backfill"},
		{"osd_max_pg_log_entries", below(1000), "a short log turns recovery after a restart into backfill"},
		{"osd_op_thread_timeout", above(15), "a hanging OSD is noticed late"},
		{"osd_op_thread_suicide_timeout", above(150), "a hanging OSD does not end itself"},
		{"osd_heartbeat_grace", above(20), "a dead OSD holds its clients for longer"},
		{"osd_max_markdown_count", above(5), "an OSD that flaps goes on flapping"},
		{"mon_osd_down_out_interval", above(3600), "lost OSDs are not replaced"},
		{"osd_snap_trim_priority", above(10), "trimming takes what clients need"},
	}
}

// findEmergency looks for them once the cluster is clean: while it is not,
// they are in use.
func findEmergency(o Observed, _ Policy) []stackmend.Finding {
	s := o.Cluster
	if !s.PGs.Seen && !s.Recovery.Seen || s.degraded() > 0 || s.inState("active") < s.total() {
		return nil
	}
	var words []stackmend.Evidence
	for _, l := range leftovers() {
		words = append(words, stored(s, l)...)
		words = append(words, injected(s, l)...)
	}
	var out []stackmend.Finding
	if len(words) > 0 {
		f := finding(stackmend.Warn, "settings", "%d settings look like leftovers of an emergency, and nothing is degraded any more", len(words))
		f.Confidence = stackmend.Medium
		f.Fix = "ask who set them; then `ceph config rm SECTION NAME`, and restart or inject where they came by injectargs"
		f.Evidence = words
		out = append(out, f)
	}
	return append(out, autotuned(s)...)
}

// stored are odd values in the database.
func stored(s *Snapshot, l leftover) []stackmend.Evidence {
	var out []stackmend.Evidence
	for _, e := range s.Config {
		v, err := strconv.ParseFloat(e.Value, 64)
		if e.Name == l.name && err == nil && l.odd(v) {
			out = append(out, seen("config dump", "%s %s = %s: %s", e.Section, e.Name, e.Value, l.why))
		}
	}
	return out
}

// injected are odd values in effect that the database knows nothing of: they
// came by injectargs, and go with the next restart, or stand in ceph.conf.
func injected(s *Snapshot, l leftover) []stackmend.Evidence {
	var ids []int
	var value string
	for _, o := range s.OSDs {
		if _, known := s.wanted(o.ID, l.name); known || o.Daemon == nil {
			continue
		}
		if v := o.Daemon.number(l.name); v >= 0 && l.odd(v) {
			ids = append(ids, o.ID)
			value = o.Daemon.Config[l.name]
		}
	}
	if len(ids) == 0 {
		return nil
	}
	return []stackmend.Evidence{seen("config show", "%s = %s on %s, not in the database (injectargs or ceph.conf): %s", l.name, value, osdNames(ids), l.why)}
}

// autotuned: cephadm computes osd_memory_target and removes what was set for
// single OSDs.
func autotuned(s *Snapshot) []stackmend.Finding {
	var sections []string
	for _, e := range s.Config {
		if e.Name == "osd_memory_target" && strings.HasPrefix(e.Section, "osd.") {
			sections = append(sections, e.Section)
		}
	}
	tuned := slices.ContainsFunc(s.OSDs, func(o OSD) bool {
		return o.Daemon != nil && o.Daemon.Config["osd_memory_target_autotune"] == "true"
	})
	if len(sections) == 0 || !tuned {
		return nil
	}
	f := finding(stackmend.Warn, "osd_memory_target", "it is set for %d OSDs by hand, and cephadm's autotuning will remove it", len(sections))
	f.Fix = "`ceph config set osd.N osd_memory_target_autotune false` for these, or leave it to the autotuner"
	f.Evidence = []stackmend.Evidence{seen("config dump", "%s", some(sections, shown)), seen("config show", "osd_memory_target_autotune = true")}
	return []stackmend.Finding{f}
}

// timesText says how often.
func timesText(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}
