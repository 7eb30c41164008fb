package pressure

import (
	"cmp"
	"fmt"
	"math"
	"strings"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph"
)

// PlanReweight plans one step of taking an outlier out of the way: its reweight
// lowered by step, of 0 to 1 (0: 0.1); what is left below a step goes at once,
// and 0 is out. The plan's cost is the data that moves. Observe and plan again for the
// next step: it is refused while data still moves, where a pool would have
// fewer hosts than copies, and where the others have no room below their
// backfillfull ratio. Placement groups are never removed.
func PlanReweight(id int, step float64, s *ceph.Snapshot, p Policy) *stackmend.Plan {
	plan := p.newPlan("reweight", s)
	step = cmp.Or(step, 0.1)
	o := s.OSD(id)
	switch {
	case o == nil || !o.In || o.Reweight <= 0:
		refuse(plan, "osd.%d does not exist, or is out already", id)
		return plan
	case !(step >= 0.01 && step <= 1):
		refuse(plan, "a step of %v: 0.01 to 1", step)
		return plan
	}
	settled(s, plan)
	next := math.Round(100*max(0, o.Reweight-step)) / 100
	if next < step {
		next = 0
	}
	moved := int64(float64(o.Used) * (o.Reweight - next) / o.Reweight)
	room(*o, moved, s, plan)
	r := set(s, VerbReweight, fmt.Sprintf("osd.%d", id), weight(o.Reweight), weight(next), fmt.Sprintf("an outlier; about %d bytes move to other OSDs", moved))
	r.Cost = stackmend.Cost{Bytes: moved}
	r.Assumes["osds"], r.Assumes["flags"] = seenMembers(s), strings.Join(s.Flags, ",")
	plan.Exists = stackmend.Cost{Bytes: used64(s)}
	plan.Steps = append(plan.Steps, r)
	return plan
}

// settled refuses while an earlier step still moves data.
func settled(s *ceph.Snapshot, plan *stackmend.Plan) {
	switch r := s.Recovery; {
	case !r.Seen || !s.PGs.Seen:
		refuse(plan, "whether data still moves was not seen")
	case r.Degraded > 0 || r.Misplaced > 0 || r.Unfound > 0:
		refuse(plan, "%d objects are degraded, %d misplaced, %d unfound: wait until the step before has come to its end", r.Degraded, r.Misplaced, r.Unfound)
	}
	if s.Has("norebalance") || s.Has("nobackfill") {
		refuse(plan, "norebalance or nobackfill is set: no data would move")
	}
}

// room refuses where the data has nowhere to go: on the OSDs of the same class
// that are up and in, by their weights, below the ratio at which backfill stops.
func room(o ceph.OSD, moved int64, s *ceph.Snapshot, plan *stackmend.Plan) {
	var others []ceph.OSD
	sum, hosts := 0.0, map[string]bool{}
	for _, x := range up(s) {
		if x.In && x.Class == o.Class && x.ID != o.ID {
			others, sum = append(others, x), sum+x.CrushWeight*x.Reweight
			hosts[x.Host] = true
		}
	}
	if sum <= 0 || s.Full.Backfill <= 0 || o.Size <= 0 {
		refuse(plan, "no other OSD of its class, or sizes and ratios were not seen")
		return
	}
	for _, pool := range s.Pools {
		if pool.Size > len(hosts) {
			refuse(plan, "pool %s wants %d hosts, and without osd.%d there are %d: copies would be missing", pool.Name, pool.Size, o.ID, len(hosts))
		}
	}
	for _, x := range others {
		gets := int64(float64(moved) * x.CrushWeight * x.Reweight / sum)
		if limit := int64(s.Full.Backfill * float64(x.Size)); x.Used+gets > limit {
			refuse(plan, "osd.%d has %d bytes of %d and would get %d more: past the ratio %.2f at which backfill stops", x.ID, x.Used, x.Size, gets, s.Full.Backfill)
		}
	}
}

func used64(s *ceph.Snapshot) (sum int64) {
	for _, o := range s.OSDs {
		sum += o.Used
	}
	return sum
}
