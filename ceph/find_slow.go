package ceph

import (
	"cmp"
	"slices"

	"github.com/stackmend/stackmend"
)

// fewLike OSDs of a class are too few to say what is usual.
const fewLike = 5

// findSlow compares each OSD with its like: by device class, by distance from
// the median in units of the median absolute deviation. A fixed threshold
// would be wrong for either disks or flash.
func findSlow(o Observed, p Policy) []stackmend.Finding {
	byClass := map[string][]OSD{}
	for _, osd := range o.Cluster.up() {
		if osd.CommitMS >= 0 {
			byClass[osd.Class] = append(byClass[osd.Class], osd)
		}
	}
	var out []stackmend.Finding
	for _, class := range sorted(byClass) {
		if len(byClass[class]) >= fewLike {
			out = append(out, slowOf(class, byClass[class], p)...)
		}
	}
	return out
}

func slowOf(class string, osds []OSD, p Policy) []stackmend.Finding {
	values := make([]float64, 0, len(osds))
	for _, o := range osds {
		values = append(values, float64(max(o.CommitMS, o.ApplyMS)))
	}
	middle := median(values)
	// Ceph rounds to milliseconds: differences below one mean nothing.
	wide := max(spread(values), 1)
	slices.SortFunc(osds, func(a, b OSD) int { return cmp.Compare(max(b.CommitMS, b.ApplyMS), max(a.CommitMS, a.ApplyMS)) })
	var out []stackmend.Finding
	for _, o := range osds {
		ms := float64(max(o.CommitMS, o.ApplyMS))
		if (ms-middle)/wide < p.SlowScore || ms < p.SlowFactor*middle || len(out) >= shown {
			break
		}
		f := finding(stackmend.Warn, osdName(o.ID), "commits in %.0f ms where %d OSDs of class %s need %.0f ms (median)", ms, len(osds), cmp.Or(class, "none"), middle)
		f.Fix = "look at its disk (smartctl, iostat), at its host's load and interrupts, at its PGs; `ceph osd primary-affinity` takes reads off it meanwhile"
		f.Evidence = []stackmend.Evidence{
			seen("osd perf", "commit %d ms, apply %d ms", o.CommitMS, o.ApplyMS),
			seen("osd perf", "%.0f times the median absolute deviation (%.1f ms) from the median", (ms-middle)/wide, wide),
			seen("osd df", "host %s, %.1f%% used, %d PGs", cmp.Or(o.Host, "unknown"), o.Utilisation, o.Load.PGs),
		}
		out = append(out, f)
	}
	return out
}
