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

// knownLeaks are bugs and habits of the OSD's release that look like this.
func knownLeaks(o OSD) []stackmend.Evidence {
	var out []stackmend.Evidence
	if miscounts(o.Version) {
		out = append(out, seen("osd metadata", "%s has tracker 46027: a buffer that is rebuilt loses its pool, and counts as buffer_anon; mended in 14.2.17, 15.2.9 and 16.2.0", o.Version))
	}
	if appendBuffers(o.Version) {
		out = append(out, seen("osd metadata", "in %s each bufferlist keeps a buffer of its own to append to; 14.2.0 dropped it (pull request 25077), and 12.2 and 13.2 never got that", o.Version))
	}
	return out
}
