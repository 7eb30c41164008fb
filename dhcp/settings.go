package dhcp

import "bytes"
import "slices"
import "time"

// Settings are what a server's log says of itself.
type Settings struct {
	Version string
	Ranges  []Range
}

// A Range is a pool of addresses. Static ones have no To.
type Range struct {
	From, To IPv4
	Lease    time.Duration
}

// maxRanges bounds the ranges that are kept.
const maxRanges = 10_000

func (s *Settings) add(r Range) {
	if len(s.Ranges) < maxRanges && !slices.Contains(s.Ranges, r) {
		s.Ranges = append(s.Ranges, r)
	}
}

// lend gives the lease time of their range to the tracks that were not told
// one. Where several ranges fit, with several times, there is none.
func (s *Settings) lend(tracks []*Track) {
	for _, t := range tracks {
		if t.Lease.Time == 0 {
			t.Lease.Time = s.leaseOf(t.Lease.Addr)
		}
	}
}

func (s *Settings) leaseOf(a IPv4) time.Duration {
	var lease time.Duration
	for _, r := range s.Ranges {
		inside := bytes.Compare(r.From[:], a[:]) <= 0 && bytes.Compare(a[:], r.To[:]) <= 0
		if r.To != (IPv4{}) && a != (IPv4{}) && !inside {
			continue
		}
		if lease != 0 && lease != r.Lease {
			return 0
		}
		lease = r.Lease
	}
	return lease
}
