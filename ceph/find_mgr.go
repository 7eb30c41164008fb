package ceph

import (
	"fmt"

	"github.com/stackmend/stackmend"
)

// findMgr: without a manager the numbers of PGs, use and latency are old or
// missing, and `osd ok-to-stop` does not answer.
func findMgr(o Observed, _ Policy) []stackmend.Finding {
	s := o.Cluster
	fix := "look at the manager first (`ceph mgr dump`, its log, `ceph mgr fail` if there is a standby); until it is back do not restart, stop or trim anything: nobody can say what is safe"
	var out []stackmend.Finding
	if u := s.unseen("osd_perf"); u != nil && u.Late {
		f := finding(stackmend.Fail, "mgr", "the manager does not answer, so what is known of PGs is old")
		f.Fix, f.Evidence = fix, []stackmend.Evidence{seen("osd perf", "%s", u.Reason)}
		if s.Mgr.Seen && s.Mgr.Available {
			f.Evidence = append(f.Evidence, against("mgr dump", "available is true: the monitors take a minute or so to see it"))
		}
		out = append(out, f)
	}
	if s.Mgr.Seen && !s.Mgr.Available {
		f := finding(stackmend.Fail, "mgr", "no manager is available, so what is known of PGs is old")
		f.Fix = fix
		f.Evidence = []stackmend.Evidence{seen("mgr dump", "available is false, active %q, %d standbys", s.Mgr.Name, s.Mgr.Standbys)}
		out = append(out, f)
	}
	if n := s.inState("unknown"); n > 0 {
		f := finding(stackmend.Unknown, "mgr", "the manager has not heard of %d of %d PGs", n, s.total())
		f.Fix = "wait a minute if the manager has just started; if it stays so, look for OSDs that are down and for the manager's log"
		f.Evidence = []stackmend.Evidence{seen("status", "%d PGs in state unknown", n)}
		out = append(out, f)
	}
	return out
}

// states are the PGs by state, from whichever source saw them.
func (s *Snapshot) states() map[string]int {
	if s.PGs.Seen {
		return s.PGs.States
	}
	return s.Recovery.States
}

func (s *Snapshot) total() int {
	if s.PGs.Seen {
		return s.PGs.Total
	}
	return s.Recovery.PGs
}

// inState counts the PGs that are in a state, whatever else they are in.
func (s *Snapshot) inState(state string) int {
	n := 0
	for combination, count := range s.states() {
		if in(combination, state) {
			n += count
		}
	}
	return n
}

// degraded and misplaced objects, by the newest source that saw them.
func (s *Snapshot) degraded() int64 {
	if s.Recovery.Seen {
		return s.Recovery.Degraded
	}
	return s.PGs.Degraded
}

func (s *Snapshot) misplaced() int64 {
	if s.Recovery.Seen {
		return s.Recovery.Misplaced
	}
	return s.PGs.Misplaced
}

func (s *Snapshot) progress() string {
	return fmt.Sprintf("%d object copies missing, %d misplaced, %.1f objects/s", s.degraded(), s.misplaced(), s.Recovery.ObjectsPerSecond)
}
