package ceph

import (
	"fmt"

	"github.com/stackmend/stackmend"
)

// findSnapTrim: snapshots that wait, and whether the queue drains.
func findSnapTrim(o Observed, p Policy) []stackmend.Finding {
	s := o.Cluster
	var out []stackmend.Finding
	if n := s.inState("snaptrim_error"); n > 0 {
		f := finding(stackmend.Fail, "PGs snaptrim_error", "trimming snapshots failed in %d PGs", n)
		f.Fix = "look into the logs of their primaries; `ceph pg repair` after the cause is known"
		f.Evidence = []stackmend.Evidence{seen("pg dump", "%d PGs in snaptrim_error", n)}
		out = append(out, f)
	}
	if f, zero := zeroTrims(s); zero {
		out = append(out, f)
	}
	g := s.PGs
	if g.SnapQueue == 0 {
		return out
	}
	longest := g.SnapQueues.Top[0]
	drains, word := o.drains()
	if longest.SnapQueue < p.SnapQueue && drains != no {
		return out
	}
	f := finding(stackmend.Warn, "snapshots", "%d snapshots wait to be trimmed in %d PGs, the most in %s: %d; %s", g.SnapQueue, g.SnapQueues.Count, longest.ID, longest.SnapQueue, word)
	f.Evidence = []stackmend.Evidence{
		seen("pg dump", "snaptrim %d PGs, snaptrim_wait %d PGs", s.inState("snaptrim"), s.inState("snaptrim_wait")),
		seen("pg dump", "%s", pgNames(g.SnapQueues.Top)),
	}
	f.Fix = "trimming starts only on clean PGs; to pause it use the flag nosnaptrim, never osd_pg_max_concurrent_snap_trims=0"
	if s.Has("nosnaptrim") {
		f.Evidence = append(f.Evidence, seen("osd dump", "the flag nosnaptrim is set"))
		f.Fix = "`ceph osd unset nosnaptrim` when recovery permits"
	}
	return append(out, f)
}

type answer3 uint8

const (
	unsure answer3 = iota
	yes
	no
)

// drains says whether the queue becomes shorter.
func (o Observed) drains() (answer3, string) {
	s := o.Cluster
	switch {
	case s.Has("nosnaptrim"):
		return no, "nosnaptrim is set, so it does not drain"
	case o.Earlier == nil || !o.Earlier.PGs.Seen:
		return unsure, "one snapshot cannot tell whether it drains"
	}
	span := s.Taken.Sub(o.Earlier.Taken)
	gone := o.Earlier.PGs.SnapQueue - s.PGs.SnapQueue
	if gone <= 0 {
		return no, fmt.Sprintf("it grew by %d in %s", -gone, duration(span))
	}
	return yes, fmt.Sprintf("it shrank by %d in %s", gone, duration(span))
}

// zeroTrims: the setting that people take for a pause clears the queue.
func zeroTrims(s *Snapshot) (stackmend.Finding, bool) {
	var ids []int
	for _, o := range s.OSDs {
		if o.Daemon != nil && o.Daemon.Config["osd_pg_max_concurrent_snap_trims"] == "0" {
			ids = append(ids, o.ID)
		}
	}
	f := finding(stackmend.Fail, "osd_pg_max_concurrent_snap_trims", "it is 0 on %d OSDs, which clears the queue instead of pausing it (tracker 54396)", len(ids))
	f.Fix = "set it to 2 and use the flag nosnaptrim to pause"
	f.Evidence = []stackmend.Evidence{seen("config show", "%s", osdNames(ids))}
	return f, len(ids) > 0
}
