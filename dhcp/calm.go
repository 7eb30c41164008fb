package dhcp

import "time"

// calm reports whether the events are requests and their answers in turn, each
// request in its time: what spells finds no trouble in. Nearly all clients are
// so, and this looks at no more of them than it must.
func (c *chain) calm(s *store, r rhythm) bool {
	var next *kept // the event after this one, and the request after that
	var later, longest int64
	shortest := int64(untimely)
	for n, i := c.n, c.last; n > 0; {
		b := s.chunks.at(i)
		first := (n - 1) / chunkLen * chunkLen
		for ; n > first; n-- {
			e := &b[n-1-first]
			if e.at == untold || e.extra != 0 || e.kind != Request && e.kind != Ack || next != nil && next.kind == e.kind {
				return false
			}
			if e.kind == Request {
				if later != 0 {
					longest, shortest = max(longest, later-e.at), min(shortest, later-e.at)
				}
				later = e.at
			}
			next = e
		}
		i = *s.before.at(i)
	}
	return shortest >= int64(r.soonest(time.Duration(longest)))
}

// untimely is longer than any time between two events.
const untimely = 1<<63 - 1

// keepNewest drops all but the newest n events, which have no extras; both are
// whole chunks.
func (c *chain) keepNewest(s *store, n uint32) {
	first := c.last
	for range n/chunkLen - 1 {
		first = *s.before.at(first)
	}
	before := s.before.at(first)
	for i := *before; i != 0; i = *s.before.at(i) {
		s.freeChunks = append(s.freeChunks, i)
	}
	*before = 0
	c.n = n
}
