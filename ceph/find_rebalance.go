package ceph

import (
	"fmt"
	"slices"

	"github.com/stackmend/stackmend"
)

// findRebalance: moving data about for tidiness takes the bandwidth, the
// memory and the backfill places that missing copies need.
func findRebalance(o Observed, _ Policy) []stackmend.Finding {
	s := o.Cluster
	if s.degraded() == 0 {
		return nil
	}
	growing := slices.DeleteFunc(slices.Clone(s.Pools), func(p Pool) bool { return p.PGs == p.PGsTarget && p.Placement == p.PGs })
	fresh := empty(s)
	if s.misplaced() == 0 && len(growing) == 0 {
		return nil
	}
	f := finding(stackmend.Warn, "recovery", "%d object copies are moved for balance while %d are missing", s.misplaced(), s.degraded())
	if s.misplaced() > s.degraded() {
		f.Status = stackmend.Fail
	}
	f.Evidence = []stackmend.Evidence{seen("status", "%s", s.progress())}
	f.Fix = "let recovery go first: `ceph osd set norebalance`, and unset it when nothing is degraded"
	if len(growing) > 0 {
		f.Evidence = append(f.Evidence, seen("osd dump", "pg_num is on its way in %s", names(growing)))
		f.Fix += "; `ceph osd pool set POOL pg_autoscale_mode off` stops the splitting"
	}
	if len(fresh) > 0 {
		f.Evidence = append(f.Evidence, seen("osd df", "new disks fill up: %s hold less than half of what their like hold", osdNames(fresh)))
		f.Fix += "; add no more disks before"
	}
	if s.Balancer != nil && s.Balancer.Active {
		f.Evidence = append(f.Evidence, against("balancer status", "active (%s), but it makes no new moves while objects are degraded", s.Balancer.Mode))
	}
	if s.Has("norebalance") {
		f.Status = stackmend.OK
		f.Message = fmt.Sprintf("%d object copies are out of place while %d are missing, and norebalance holds them back", s.misplaced(), s.degraded())
		f.Fix = "unset norebalance when nothing is degraded"
	}
	return []stackmend.Finding{f}
}

// empty are OSDs that hold less than half of the median of their class.
func empty(s *Snapshot) []int {
	byClass := map[string][]float64{}
	for _, o := range s.OSDs {
		if o.Up && o.In && o.Size > 0 && o.CrushWeight > 0 {
			byClass[o.Class] = append(byClass[o.Class], o.Utilisation)
		}
	}
	var out []int
	for _, o := range s.OSDs {
		like := byClass[o.Class]
		if o.Up && o.In && o.Size > 0 && o.CrushWeight > 0 && len(like) >= 4 && o.Utilisation < median(like)/2 {
			out = append(out, o.ID)
		}
	}
	return out
}
