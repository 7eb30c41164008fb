package mtu

import "time"

// A SegmentReport is what became of single TCP segments.
type SegmentReport struct {
	Segments []Segments
	MSS      int // bytes of payload in the largest segment that the kernel would send
}

// Segments is one size of segment. The IP packet has 20 (IPv6: 40) bytes of
// IP and at least 20 of TCP header more.
type Segments struct {
	Size  int
	Acked bool
	Took  time.Duration
}

// Hangs reports that small segments are acknowledged and larger ones are not:
// the connection on which ls works and ps aux hangs.
func (r SegmentReport) Hangs() bool {
	n := len(r.Segments)
	return n > 1 && r.Segments[0].Acked && !r.Segments[n-1].Acked
}

// segmentSizes grows to the largest in the steps of what usually makes the
// difference: a tunnel, two tags, one tag.
func segmentSizes(mss int) []int {
	var out []int
	for _, n := range []int{64, mss / 2, mss - 100, mss - 50, mss - 8, mss - 4, mss} {
		if n > 0 && (len(out) == 0 || n > out[len(out)-1]) {
			out = append(out, n)
		}
	}
	return out
}

// Report is the probe's result in the form of the others, with the payload of
// segments in place of packets.
func (r SegmentReport) Report(target string) Report {
	out := Report{Target: target, Method: "tcp", Verdict: Fits}
	for _, s := range r.Segments {
		c := SizeCount{Size: s.Size, Sent: 1}
		if s.Acked {
			c.Heard, out.Largest = 1, s.Size
		} else {
			out.Lost = s.Size
		}
		out.Sent, out.Heard = out.Sent+1, out.Heard+c.Heard
		out.Sizes = append(out.Sizes, c)
	}
	switch {
	case r.Hangs():
		out.Verdict = BlackHole
	case out.Heard == 0:
		out.Verdict = NoAnswer
	}
	return out
}
