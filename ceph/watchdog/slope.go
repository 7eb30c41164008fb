package watchdog

import (
	"math"
	"time"
)

// ringSize holds the longest window at the fastest pace of passes.
const ringSize = 256

// windows over which growth is measured. Growth of three seconds is believed
// at once, slower growth shows over the longer ones.
var windows = [...]time.Duration{3 * time.Second, 9 * time.Second, 27 * time.Second}

type point struct {
	at time.Duration
	v  float64
}

// A Series is the recent history of one number.
type Series struct {
	ring [ringSize]point
	n    int // points ever added
}

// Reset forgets everything.
func (s *Series) Reset() { s.n = 0 }

// Add adds a value. A time that is not after the last one is ignored.
func (s *Series) Add(at time.Duration, v int64) {
	if s.n > 0 && at <= s.back(0).at {
		return
	}
	s.ring[s.n%ringSize] = point{at, float64(v)}
	s.n++
}

func (s *Series) len() int { return min(s.n, ringSize) }

// back is the i-th point before the last.
func (s *Series) back(i int) *point { return &s.ring[(s.n-1-i)%ringSize] }

// Span is how much time the series covers.
func (s *Series) Span() time.Duration {
	if s.n == 0 {
		return 0
	}
	return s.back(0).at - s.back(s.len()-1).at
}

// Slope is the growth in bytes a second that can be relied on to go on: the
// fastest of the windows, 0 if the series does not grow; ok is false while
// there are too few points to say.
func (s *Series) Slope() (slope float64, ok bool) {
	for _, w := range windows {
		if g, seen := s.sustained(w); seen {
			ok, slope = true, max(slope, g)
		}
	}
	return slope, ok
}

// sustained is the growth over a window: the least of its slopes over the
// window's thirds and over the whole. A burst or a step grows in one third and
// counts for nothing; the teeth of a saw, each of which grows, count for as
// much as the whole does.
func (s *Series) sustained(w time.Duration) (slope float64, ok bool) {
	if s.n < 4 {
		return 0, false
	}
	third := w / 3
	var edge [4]int // indexes back from the last point, the oldest first
	for k := 1; k <= 3; k++ {
		want := s.back(0).at - time.Duration(k)*third
		i := s.nearest(want, edge[4-k])
		if off := s.back(i).at - want; off > third/2 || off < -third/2 || i == edge[4-k] {
			return 0, false // a hole: the loop stood still, or there is no history yet
		}
		edge[3-k] = i
	}
	slope = math.Inf(1)
	for _, e := range [...][2]int{{2, 3}, {1, 2}, {0, 1}, {0, 3}} { // the whole last: mostly it need not be looked at
		if slope = min(slope, s.fit(edge[e[0]], edge[e[1]])); slope <= 0 {
			return 0, true
		}
	}
	return slope, true
}

// nearest is the point nearest to a time, searched from one that is later.
func (s *Series) nearest(want time.Duration, i int) int {
	for i < s.len()-1 && s.back(i).at > want {
		i++
	}
	if i > 0 && s.back(i-1).at-want < want-s.back(i).at {
		i--
	}
	return i
}

// fit is the slope of the least squares line through the points from to to,
// counted back from the last.
func (s *Series) fit(from, to int) float64 {
	t0 := s.back(from).at
	var n, st, sv, stt, stv float64
	for i := to; i <= from; i++ {
		p := s.back(i)
		t := (p.at - t0).Seconds()
		n++
		st += t
		sv += p.v
		stt += t * t
		stv += t * p.v
	}
	d := n*stt - st*st
	if d <= 0 {
		return 0
	}
	return (n*stv - st*sv) / d
}
