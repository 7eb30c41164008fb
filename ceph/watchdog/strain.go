package watchdog

import "time"

// strainWindow is over how long stalls and events are counted: long enough
// that one slow reclaim is not a trend, short enough to end with its cause.
const strainWindow = 3 * time.Second

// A strain follows what the kernel counts while it reclaims under one limit:
// the time in which everything stalled (PSI full) and how often the limit was
// met (memory.events). Counters that go back, as those of a group that was made
// anew, begin again.
type strain struct {
	begun        bool
	at           time.Duration
	full, events int64
	stalled      float64 // share of the last window
	met          int64   // events in the last window
}

// add takes the counters of a pass in; None is a counter that was not seen.
func (s *strain) add(at time.Duration, full, events int64) {
	past := at - s.at
	if s.begun && past >= 0 && past < strainWindow {
		return
	}
	s.stalled, s.met = 0, 0
	if s.begun && past >= strainWindow {
		if s.full >= 0 && full > s.full {
			s.stalled = min(1, float64(full-s.full)/float64(past.Microseconds()))
		}
		if s.events >= 0 && events > s.events {
			s.met = events - s.events
		}
	}
	s.begun, s.at, s.full, s.events = true, at, full, events
}
