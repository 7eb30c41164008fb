package dhcp

import (
	"math/bits"
	"slices"
	"time"
)

// equalXID compares transactions in both notations: some logs print the bytes
// of the wire as a number of the host.
func equalXID(a, b uint32) bool { return a == b || a == bits.ReverseBytes32(b) }

// A pair is one message that both sides may have seen.
type pair struct {
	ahead time.Duration // of the reference's clock
	ask   bool
	sure  bool   // the transactions are told and equal
	of    [2]int // which of the messages of either side
}

// window is how far pairs of one offset lie apart: stamps of seconds on both
// sides, and the way of the message.
const window = 2500 * time.Millisecond

// align finds by how much the reference's clock is ahead, from the messages
// that both sides saw. A request is seen by the client's side first, an answer
// by the server's: between the two lies the offset.
func align(ref, events []Event) (offset, doubt time.Duration, told bool) {
	pairs := pairs(few(ref), few(events))
	slices.SortFunc(pairs, func(a, b pair) int { return int(min(max(a.ahead-b.ahead, -1), 1)) })
	best := elect(pairs)
	if len(best) == 0 {
		return 0, 0, false
	}
	low, high := bounds(best)
	doubt = (high-low).Abs()/2 + resolution(ref) + resolution(events)
	offset = (low + high) / 2
	if offset.Abs() <= doubt {
		offset = 0
	}
	return offset, doubt, true
}

// few are the events by which clocks are aligned.
func few(events []Event) []Event {
	const half = 24
	if len(events) <= 2*half {
		return events
	}
	return append(slices.Clone(events[:half]), events[len(events)-half:]...)
}

func pairs(ref, events []Event) (out []pair) {
	for i, a := range events {
		if a.Time.IsZero() || !a.Kind.Asks() && !a.Kind.Answers() {
			continue
		}
		for j, b := range ref {
			if b.Time.IsZero() || a.Kind != b.Kind || a.Addr != b.Addr && a.Addr != (IPv4{}) && b.Addr != (IPv4{}) && a.Kind != Discover {
				continue
			}
			told := a.XID != 0 && b.XID != 0
			if told && !equalXID(a.XID, b.XID) {
				continue
			}
			out = append(out, pair{b.Time.Sub(a.Time), a.Kind.Asks(), told, [2]int{i, j}})
		}
	}
	return out
}

// elect returns the pairs of the offset at which most messages of both sides
// fall together; of several the smallest. A client that asks again and again
// near one message of the server makes many pairs and one message. One is
// enough where transactions are told, or where the clocks agree.
func elect(pairs []pair) []pair {
	var best []pair
	most := 0
	together := [2]map[int]int{{}, {}}
	for i, j := 0, 0; i < len(pairs); i++ {
		for ; j < len(pairs) && pairs[j].ahead-pairs[i].ahead <= window; j++ {
			together[0][pairs[j].of[0]]++
			together[1][pairs[j].of[1]]++
		}
		w, n := pairs[i:j], min(len(together[0]), len(together[1]))
		if n > most || n == most && w[0].ahead.Abs() < best[0].ahead.Abs() {
			best, most = w, n
		}
		for side, of := range pairs[i].of {
			if together[side][of]--; together[side][of] == 0 {
				delete(together[side], of)
			}
		}
	}
	if most == 1 && !slices.ContainsFunc(best, func(p pair) bool { return p.sure }) && best[0].ahead.Abs() > window {
		return nil
	}
	return best
}

// bounds are the least and the greatest offset that the pairs allow.
func bounds(pairs []pair) (low, high time.Duration) {
	var asks, answers []time.Duration
	for _, p := range pairs {
		if p.ask {
			asks = append(asks, p.ahead)
		} else {
			answers = append(answers, p.ahead)
		}
	}
	switch {
	case len(asks) == 0:
		return slices.Max(answers), slices.Max(answers)
	case len(answers) == 0:
		return slices.Min(asks), slices.Min(asks)
	}
	return slices.Max(answers), slices.Min(asks)
}

// resolution is how exact the stamps are: whole seconds, or exact.
func resolution(events []Event) time.Duration {
	for _, e := range events {
		if !e.Time.IsZero() && e.Time.Nanosecond() != 0 {
			return 0
		}
	}
	return time.Second
}
