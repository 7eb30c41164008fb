package ceph

import (
	"slices"
	"strings"

	"github.com/stackmend/stackmend"
)

// effect of a flag, and whether it stops what keeps data safe.
type effect struct {
	flag, does string
	severe     bool
}

// flagEffects are the flags that operators set (src/osd/OSDMap.cc,
// get_flag_string). Those that describe the cluster are not among them.
func flagEffects() []effect {
	return []effect{
		{"pauserd", "clients cannot read", true},
		{"pausewr", "clients cannot write", true},
		{"pause", "clients can neither read nor write", true},
		{"full", "clients cannot write", true},
		{"norecover", "nothing is recovered", true},
		{"nobackfill", "nothing is backfilled", true},
		{"noup", "OSDs that start are not marked up", true},
		{"nodown", "dead OSDs stay up and clients wait for them; restarts are not safe", true},
		{"noin", "OSDs that come back are not used", false},
		{"noout", "OSDs that are down are not replaced", false},
		{"norebalance", "data is not moved unless copies are missing", false},
		{"nosnaptrim", "snapshots are not trimmed and use space", false},
		{"noscrub", "nothing is scrubbed", false},
		{"nodeep-scrub", "nothing is scrubbed deeply", false},
		{"notieragent", "cache tiers are not flushed", false},
	}
}

func findFlags(o Observed, _ Policy) []stackmend.Finding {
	s := o.Cluster
	var out []stackmend.Finding
	for _, e := range flagEffects() {
		if s.Has(e.flag) {
			f := finding(stackmend.Warn, e.flag, "the flag %s is set: %s", e.flag, e.does)
			if e.severe && (s.degraded() > 0 || e.flag != "norecover" && e.flag != "nobackfill") {
				f.Status = stackmend.Fail
			}
			f.Fix = "ask who set it and why; then `ceph osd unset " + e.flag + "`"
			f.Evidence = []stackmend.Evidence{seen("osd dump", "flags %s", strings.Join(s.Flags, ","))}
			out = append(out, f)
		}
		if ids := s.flagged(e.flag); len(ids) > 0 {
			f := finding(stackmend.Warn, e.flag, "the flag %s is set on %d OSDs: %s", e.flag, len(ids), e.does)
			f.Fix = "ask who set it and why; then `ceph osd unset-group " + e.flag + " OSD..`"
			f.Evidence = []stackmend.Evidence{seen("osd dump", "%s", osdNames(ids))}
			out = append(out, f)
		}
	}
	return out
}

// flagged are the OSDs that have a flag of their own.
func (s *Snapshot) flagged(flag string) []int {
	var ids []int
	for _, o := range s.OSDs {
		if slices.Contains(o.State, flag) {
			ids = append(ids, o.ID)
		}
	}
	return ids
}
