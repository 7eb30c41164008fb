package ceph

import (
	"fmt"
	"slices"

	"github.com/stackmend/stackmend"
)

// findTrimUnavailable says for long logs whether they will trim by themselves.
func findTrimUnavailable(o Observed, _ Policy) []stackmend.Finding {
	by := map[string][]PG{}
	for _, p := range o.Cluster.tooLong() {
		if why := o.whyNoTrim(p); why != "" {
			by[why] = append(by[why], p)
		}
	}
	var out []stackmend.Finding
	for _, why := range sorted(by) {
		f := finding(stackmend.Warn, "PG logs", "%d PGs with long logs do not trim by themselves: %s", len(by[why]), why)
		f.Evidence = []stackmend.Evidence{seen("pg dump", "%s", pgNames(by[why])), o.Cluster.hardlimit()}
		f.Fix = trimFix(o.Cluster, why)
		out = append(out, f)
	}
	return out
}

// The reasons why a log does not trim.
const (
	inactive = "the PG is not active"
	unclean  = "the PG is not clean, and this release trims such PGs only with the flag pglog_hardlimit"
	idle     = "no write came since the earlier snapshot, and trimming rides on writes"
)

// whyNoTrim: trimming happens with a write (PrimaryLogPG::calc_trim_to). Until
// Nautilus its target while a PG is not clean is the maximum, and bounded by
// the slowest member, unless pglog_hardlimit lets it be aggressive.
func (o Observed) whyNoTrim(p PG) string {
	s := o.Cluster
	v := s.Lowest()
	switch {
	case !p.In("active"):
		return inactive
	case !p.In("clean") && v.known() && v.Major < octopus && !s.Has("pglog_hardlimit"):
		return unclean
	case o.Earlier != nil && slices.ContainsFunc(o.Earlier.PGs.LongLogs.Top, func(q PG) bool {
		return q.ID == p.ID && q.LastUpdate == p.LastUpdate && q.LastUpdate != ""
	}):
		return idle
	}
	return ""
}

// hardlimit says how it stands with the flag.
func (s *Snapshot) hardlimit() stackmend.Evidence {
	if s.Has("pglog_hardlimit") {
		return seen("osd dump", "the flag pglog_hardlimit is set")
	}
	v := s.Lowest()
	can := "every OSD, those that are down too, must run 12.2.11 or 13.2.5 first"
	if v.known() && hardlimitPossible(v) {
		can = fmt.Sprintf("the OSDs that were seen can (lowest %s); those that are down must be able too", v)
	}
	return seen("osd dump", "the flag pglog_hardlimit is not set: %s", can)
}

func trimFix(s *Snapshot, why string) string {
	switch why {
	case inactive:
		return "let the PG become active first (see recovery-blocked)"
	case idle:
		return "a few writes trim it; offline trimming is for PGs that can take none"
	}
	fix := "let recovery come to its end, or trim offline, the OSD stopped"
	if hardlimitPossible(s.Lowest()) {
		fix += "; or `ceph osd set pglog_hardlimit`, which is irreversible and turns log recovery of slow members into backfill: only after pressure and memory are in hand"
	}
	return fix
}
