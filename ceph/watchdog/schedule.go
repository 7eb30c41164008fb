package watchdog

import (
	"cmp"
	"slices"
	"time"
)

// A Wish is an OSD, of any host, that will need a restart.
type Wish struct {
	OSD   int           `json:"osd"`
	Left  time.Duration `json:"left_ns"`  // until its limit is met
	Stop  time.Duration `json:"stop_ns"`  // how long its stop takes
	Cycle time.Duration `json:"cycle_ns"` // until the next one may go
}

// A Turn is when a Wish has to begin, from now.
type Turn struct {
	Wish
	Begin time.Duration // at the latest; below zero: late already
	Alone time.Duration // the same if there were no others
}

// Schedule orders wishes so that each OSD is stopped before its limit is met
// although one has to wait for the other: the nearest limit first, and each
// early enough for the cycle that the next one waits for. It is what staggers
// the marks by rank: the first of k begins at a headroom of its stop and
// (k-1) cycles.
func Schedule(wishes []Wish, margin time.Duration) []Turn {
	turns := make([]Turn, len(wishes))
	for i, w := range wishes {
		alone := w.Left - w.Stop - margin
		if w.Left == Never {
			alone = Never
		}
		turns[i] = Turn{w, alone, alone}
	}
	slices.SortFunc(turns, func(a, b Turn) int { return cmp.Or(cmp.Compare(a.Alone, b.Alone), cmp.Compare(a.OSD, b.OSD)) })
	for i := len(turns) - 2; i >= 0; i-- {
		if next := turns[i+1].Begin; next != Never {
			turns[i].Begin = min(turns[i].Begin, next-turns[i].Cycle)
		}
	}
	return turns
}

// Mine reports whether an OSD is to begin now: it is the first and its time has
// come, or the time that it would have alone has come, whoever is before it.
func Mine(turns []Turn, osd int) bool {
	for i, t := range turns {
		if t.OSD == osd {
			return i == 0 && t.Begin <= 0 || t.Alone <= 0
		}
	}
	return false
}
