package ceph

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/stackmend/stackmend"
)

// findLongLogs: PGs whose logs are past the limit, and OSDs whose logs take
// too much of their memory.
func findLongLogs(o Observed, p Policy) []stackmend.Finding {
	s := o.Cluster
	var out []stackmend.Finding
	if long := s.tooLong(); len(long) > 0 {
		limit, _ := s.limitOf(long[0])
		f := finding(stackmend.Warn, "PG logs", "at least %d PGs have logs longer than their limit; the longest is %s with %d entries of %d", max(len(long), s.PGs.longer(limit+limit/10+100)), long[0].ID, long[0].Log, limit)
		f.Fix = "see online-trim-unavailable for whether they trim by themselves; offline trimming is for PGs that take no writes, after pressure and memory are in hand"
		for _, pg := range long[:min(len(long), 5)] {
			f.Evidence = append(f.Evidence, seen("pg dump", "%s %s: %d entries, about %s on each of osd %v", pg.ID, pg.State, pg.Log, bytesText(pg.Log*entryBytes), pg.Acting))
		}
		out = append(out, f)
	}
	return append(out, heavyLogs(o, p)...)
}

// heavyLogs are OSDs whose logs take a large part of their memory target.
func heavyLogs(o Observed, p Policy) []stackmend.Finding {
	var heavy []osdMemory
	for _, m := range o.memories() {
		if m.Target > 0 && float64(m.PGLog) > p.LogShare*float64(m.Target) {
			heavy = append(heavy, m)
		}
	}
	if len(heavy) == 0 {
		return nil
	}
	slices.SortFunc(heavy, func(a, b osdMemory) int { return cmp.Compare(b.PGLog, a.PGLog) })
	worst := heavy[0]
	f := finding(stackmend.Warn, "OSD memory", "the PG logs of %d OSDs take more than %.0f%% of osd_memory_target; the most on osd.%d: %s", len(heavy), 100*p.LogShare, worst.osd.ID, bytesText(worst.PGLog))
	if 2*worst.PGLog > worst.Target {
		f.Status = stackmend.Fail
	}
	f.Fix = "fewer PGs on an OSD, or shorter logs; a restart does not help, the log is read again"
	for _, m := range heavy[:min(len(heavy), 5)] {
		f.Evidence = append(f.Evidence, seen("dump_mempools", "osd.%d: osd_pglog %s; %d PGs with %d entries", m.osd.ID, bytesText(m.PGLog), m.osd.Load.PGs, m.osd.Load.LogEntries))
	}
	return []stackmend.Finding{f}
}

// findDups: the bug of tracker 53729 piles up dups that nothing trims.
func findDups(o Observed, _ Policy) []stackmend.Finding {
	s := o.Cluster
	l, ok := s.limits(nil)
	if !ok {
		return nil
	}
	if s.PGs.DupsSeen {
		return countedDups(s, l)
	}
	return estimatedDups(o, l)
}

// dupsFix is what helps against dups on this version.
func dupsFix(v Version) string {
	switch {
	case dupsOnline(v):
		return fmt.Sprintf("%s trims them by itself when the PG is written to; for PGs without writes `ceph-objectstore-tool --op trim-pg-log-dups`, the OSD stopped", v)
	case dupsOffline(v):
		return fmt.Sprintf("%s trims them only offline: `ceph-objectstore-tool --op trim-pg-log-dups`, the OSD stopped, one failure domain at a time; turn the autoscaler off before, for splits make it worse", v)
	}
	return fmt.Sprintf("%s cannot trim them: update to 16.2.11, 17.2.4 or 15.2.17 first; turn the autoscaler off, for splits make it worse", v)
}

func countedDups(s *Snapshot, l PGLogLimits) []stackmend.Finding {
	var many []PG
	for _, p := range s.PGs.ManyDups.Top {
		if p.Dups > 2*int64(l.Dups) {
			many = append(many, p)
		}
	}
	if len(many) == 0 {
		return nil
	}
	f := finding(stackmend.Fail, "PG logs", "%d PGs or more have over twice the %d dups that are tracked; the most: %s with %d, about %s on each of its OSDs", len(many), l.Dups, many[0].ID, many[0].Dups, bytesText(many[0].Dups*dupBytes))
	f.Confidence = stackmend.High
	f.Fix = dupsFix(s.Lowest())
	f.Evidence = []stackmend.Evidence{seen("pg dump log_dups_size", "%s", pgNames(many)), seen("pg dump", "%d dups in all PGs", s.PGs.Dups)}
	return []stackmend.Finding{f}
}

// estimatedDups: before Quincy nobody counts dups; the memory that the
// entries do not explain points to them.
func estimatedDups(o Observed, l PGLogLimits) []stackmend.Finding {
	var out []stackmend.Finding
	for _, m := range o.memories() {
		expected := int64(m.osd.Load.PGs) * int64(l.Dups) * dupBytes
		if m.osd.Load.PGs == 0 || m.Dups <= 2*expected || m.Dups < 512<<20 || len(out) >= shown {
			continue
		}
		f := finding(stackmend.Warn, osdName(m.osd.ID), "its PG logs use %s more than their entries explain, %s would be usual: dups may have piled up", bytesText(m.Dups), bytesText(expected))
		f.Confidence = stackmend.Low
		f.Fix = "look into its log for \"num of dups exceeded\"; " + dupsFix(m.osd.Version)
		f.Evidence = []stackmend.Evidence{seen("dump_mempools", "%s", m.Memory)}
		out = append(out, f)
	}
	return out
}
