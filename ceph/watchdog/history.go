package watchdog

import (
	"time"
)

// A Restart is one that a watchdog of this host carried out, and what came of
// it. Zero durations were not measured, sizes that were not seen are None.
type Restart struct {
	OSD    int           `json:"osd"`
	At     time.Time     `json:"at"`
	Stop   time.Duration `json:"stop_ns"`      // from SIGTERM until the process was gone
	Cycle  time.Duration `json:"cycle_ns"`     // from SIGTERM until its placement groups were active
	Before int64         `json:"before"`       // what it used
	After  int64         `json:"after"`        // what it used once it had settled; 0: not yet
	Log    int64         `json:"pglog_before"` // its PG logs, before and after
	Loaded int64         `json:"pglog_after"`
	// Plan is what was planned because it did not help: what [Watch].OnUseless
	// has returned.
	Plan string `json:"plan,omitempty"`
	// Unclean is what spoke against a clean stop; empty: nothing is known
	// against it.
	Unclean string `json:"unclean,omitempty"`
}

// Settled reports whether it is known what the restart brought.
func (r Restart) Settled() bool { return r.After > 0 }

// Useless reports whether the memory came back at once.
func (r Restart) Useless(p Policy) bool {
	return r.Settled() && r.Before > 0 && float64(r.After) >= p.orDefaults().Useless*float64(r.Before)
}

// A History is the restarts of a host's OSDs, the oldest first.
type History []Restart

// keep is how many restarts are remembered.
const keep = 256

// Add adds a restart and forgets the oldest.
func (h *History) Add(r Restart) {
	*h = append(*h, r)
	if over := len(*h) - keep; over > 0 {
		*h = append(History(nil), (*h)[over:]...)
	}
}

// Sane is the history as a clock that says now can believe it: a restart in
// the future was stamped by a clock that was wrong, and counts as of now.
func (h History) Sane(now time.Time) History {
	out := append(History(nil), h...)
	out.clamp(now)
	return out
}

// clamp is Sane in place.
func (h History) clamp(now time.Time) {
	for i := range h {
		if h[i].At.After(now) {
			h[i].At = now
		}
	}
}

// Last is the latest restart of an OSD.
func (h History) Last(osd int) (r *Restart, ok bool) {
	for i := len(h) - 1; i >= 0; i-- {
		if h[i].OSD == osd {
			return &h[i], true
		}
	}
	return nil, false
}

// Times are how long a stop and a whole cycle of an OSD take: the longest of
// the last restarts of this OSD, or of any here; measured is false where the
// policy's assumption stands for the stop.
func (h History) Times(osd int, p Policy) (stop, cycle time.Duration, measured bool) {
	for _, any := range [...]bool{false, true} {
		stop, cycle = 0, 0
		for i, seen := len(h)-1, 0; i >= 0 && seen < 5; i-- {
			if r := &h[i]; r.Stop > 0 && (any || r.OSD == osd) {
				stop, cycle = max(stop, r.Stop), max(cycle, r.Cycle)
				seen++
			}
		}
		if stop > 0 {
			break
		}
	}
	if measured = stop > 0; !measured {
		stop = p.Stop
	}
	if cycle == 0 {
		cycle = p.Cycle
	}
	return stop, max(cycle, stop), measured
}

// since counts restarts of any OSD after a moment.
func (h History) since(t time.Time) (n int) {
	for _, r := range h {
		if r.At.After(t) {
			n++
		}
	}
	return n
}
