package ceph

import (
	"cmp"
	"slices"

	"github.com/stackmend/stackmend"
)

// findFragmented: memory that is in no pool. Trimming logs does not help it.
func findFragmented(o Observed, p Policy) []stackmend.Finding {
	var out []stackmend.Finding
	var unseen []int
	for _, m := range o.memories() {
		if m.Total < 0 && m.Pools >= 0 {
			unseen = append(unseen, m.osd.ID)
		}
		if m.Unpooled > p.Unpooled && float64(m.Unpooled) > p.UnpooledShare*float64(m.Total) && len(out) < keep {
			out = append(out, fragmented(m))
		}
	}
	slices.SortStableFunc(out, func(a, b stackmend.Finding) int { return cmp.Compare(b.Status, a.Status) })
	if len(unseen) > 0 {
		f := finding(stackmend.Unknown, "cluster", "the size of %d processes was not seen", len(unseen))
		f.Evidence = []stackmend.Evidence{seen("perf dump", "%s: bluestore-pricache.mapped_bytes is 0: built without tcmalloc", osdNames(unseen))}
		f.Fix = "run with -host on the hosts of these OSDs: /proc tells the size"
		out = append(out, f)
	}
	return out
}

func fragmented(m osdMemory) stackmend.Finding {
	f := finding(stackmend.Warn, osdName(m.osd.ID), "%s of %s are in no pool: fragmentation or a leak", bytesText(m.Unpooled), bytesText(m.Total))
	f.Evidence = []stackmend.Evidence{seen(m.Source, "%s", m.Memory)}
	f.Confidence = stackmend.Medium
	f.Fix = "ask it `heap stats`; if the page heap's freelist is large `ceph tell osd.N heap release` gives it back; otherwise a restart, one failure domain at a time, and watch whether it grows again"
	if m.Freelist >= 0 {
		f.Evidence = append(f.Evidence, seen("heap stats", "%s free in the page heap", bytesText(m.Freelist)))
		if m.Freelist > m.Unpooled/2 {
			f.Confidence = stackmend.High
			f.Fix = "`ceph tell " + osdName(m.osd.ID) + " heap release` gives it back to the kernel; do not trim logs for this"
		}
	}
	f.Evidence = append(f.Evidence, knownLeaks(m.osd)...)
	return f
}

// knownLeaks are bugs of the OSD's release that look like this.
func knownLeaks(o OSD) []stackmend.Evidence {
	if !o.Version.known() || o.Version.Major >= pacific {
		return nil
	}
	e := seen("osd metadata", "%s may have tracker 46027 (buffers move to buffer_anon and are not counted where they belong): mended in Pacific (pull request 35584), in Octopus by 38429, in Nautilus by 39651; see the release notes of the next point release", o.Version)
	return []stackmend.Evidence{e}
}
