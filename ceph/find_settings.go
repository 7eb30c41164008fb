package ceph

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/stackmend/stackmend"
)

// pressure are the settings that say how hard recovery presses.
var pressure = [...]string{
	"osd_op_queue", "osd_mclock_profile", "osd_max_backfills", "osd_recovery_max_active", "osd_recovery_max_active_hdd",
	"osd_recovery_max_active_ssd", "osd_recovery_sleep", "osd_recovery_sleep_hdd", "osd_recovery_sleep_ssd", "osd_recovery_op_priority",
}

// findSettings compares what was set with what is in effect.
func findSettings(o Observed, _ Policy) []stackmend.Finding {
	var out []stackmend.Finding
	for _, name := range pressure {
		out = append(out, notInEffect(o.Cluster, name)...)
		out = append(out, unlike(o.Cluster, name)...)
	}
	out = append(out, removedSettings(o)...)
	return append(out, capacities(o.Cluster)...)
}

// removedSetting is what an OSD under mClock says in the cluster log when it
// takes a recovery setting out of the monitors' database again
// (OSD::maybe_override_options_for_qos in src/osd/OSD.cc at v19.2.2).
var removedSetting = regexp.MustCompile(`Change to (osd_\w{1,64}) on (osd\.\d{1,9}) did not take effect`)

// removedSettings finds what was set, is nowhere to be seen any more, and was
// never in effect. Of what has been set since, notInEffect tells.
func removedSettings(o Observed) []stackmend.Finding {
	by := map[string][]LogLine{}
	for _, l := range o.log() {
		if m := removedSetting.FindStringSubmatch(l.Text); m != nil && !o.Cluster.stores(m[1]) {
			by[m[1]] = append(by[m[1]], l)
		}
	}
	var out []stackmend.Finding
	for _, name := range sorted(by) {
		last := by[name][len(by[name])-1]
		f := finding(stackmend.Warn, name, "it was set under mClock, and the OSDs have removed it from the database: it never took effect")
		f.Evidence = []stackmend.Evidence{{Source: "cluster log", Value: fmt.Sprintf("%s; %s", last.Text, timesText(len(by[name]))), At: last.At}}
		f.Fix = "choose osd_mclock_profile (high_recovery_ops); or set osd_mclock_override_recovery_settings to true and then set it again"
		out = append(out, f)
	}
	return out
}

// stores reports whether the monitors' database holds a setting for OSDs.
func (s *Snapshot) stores(name string) bool {
	return slices.ContainsFunc(s.Config, func(e Setting) bool { return e.Name == name })
}

// notInEffect: the database says one thing and the daemons do another.
func notInEffect(s *Snapshot, name string) []stackmend.Finding {
	var ids []int
	var want, have string
	mclock := false
	for _, o := range s.OSDs {
		w, ok := s.wanted(o.ID, name)
		if !ok || o.Daemon == nil || o.Daemon.Config[name] == "" || same(w, o.Daemon.Config[name]) {
			continue
		}
		ids = append(ids, o.ID)
		want, have, mclock = w, o.Daemon.Config[name], mclock || o.Daemon.mclock()
	}
	if len(ids) == 0 {
		return nil
	}
	f := finding(stackmend.Warn, name, "the database says %s, %d OSDs use something else (osd.%d: %s)", want, len(ids), ids[len(ids)-1], have)
	f.Evidence = []stackmend.Evidence{seen("config dump", "%s = %s", name, want), seen("config show", "%s: %s", osdNames(ids), have)}
	f.Fix = "something stronger overrides it: ceph.conf or injectargs; `ceph tell osd.N config diff` names it"
	switch {
	case name == "osd_op_queue":
		f.Fix = "it takes effect at the next start of the OSD"
	case mclock:
		f.Fix = "mClock decides: choose osd_mclock_profile, or set osd_mclock_override_recovery_settings to true first; without it the OSDs remove your value from the database"
	}
	return []stackmend.Finding{f}
}

// unlike: OSDs of one class that differ in how hard they press.
func unlike(s *Snapshot, name string) []stackmend.Finding {
	byClass := map[string]map[string][]int{}
	for _, o := range s.OSDs {
		if o.Daemon == nil || o.Daemon.Config[name] == "" {
			continue
		}
		if byClass[o.Class] == nil {
			byClass[o.Class] = map[string][]int{}
		}
		v := o.Daemon.Config[name]
		byClass[o.Class][v] = append(byClass[o.Class][v], o.ID)
	}
	var out []stackmend.Finding
	for _, class := range sorted(byClass) {
		values := byClass[class]
		if len(values) < 2 {
			continue
		}
		f := finding(stackmend.Warn, name, "the OSDs of class %q do not agree", class)
		f.Fix = "set it for all of them in the database, and remove what is set for single ones"
		for _, v := range sorted(values) {
			f.Evidence = append(f.Evidence, seen("config show", "%s: %s", v, osdNames(values[v])))
		}
		out = append(out, f)
	}
	return out
}

// capacities finds OSDs whose mClock believes in a disk that cannot be: the
// benchmark at the first start was disturbed, or a cache answered it. The
// borders are upstream's own (osd_mclock_iops_capacity_threshold_* and
// _low_threshold_*, osd.yaml.in).
func capacities(s *Snapshot) []stackmend.Finding {
	var words []string
	var ids []int
	for _, o := range s.OSDs {
		if !o.Daemon.mclock() || !o.Version.known() {
			continue
		}
		name, low, high := "osd_mclock_max_capacity_iops_ssd", 1000.0, 80000.0
		if o.Rotational {
			name, low, high = "osd_mclock_max_capacity_iops_hdd", 50, 500
		}
		if n := o.Daemon.number(name); n >= 0 && (n < low || n > high) {
			ids = append(ids, o.ID)
			words = append(words, fmt.Sprintf("osd.%d %s %.0f", o.ID, name, n))
		}
	}
	if len(ids) == 0 {
		return nil
	}
	f := finding(stackmend.Warn, "osd_mclock_max_capacity_iops", "%d OSDs take their disks for something that they cannot be, and divide recovery and clients by it", len(ids))
	f.Evidence = []stackmend.Evidence{seen("config show", "%s", some(words, shown))}
	f.Fix = "measure again (`ceph tell osd.N bench 12288000 4096 4194304 100`) on a quiet OSD, and set the value for it"
	slices.Sort(ids)
	return []stackmend.Finding{f}
}
