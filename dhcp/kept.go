package dhcp

import (
	"encoding/json"
	"math"
	"slices"
	"time"

	"github.com/stackmend/stackmend/internal/logtail"
)

// kept is an event as a store keeps it: 32 bytes without pointers, two of them
// in one line of a processor's cache.
type kept struct {
	at         int64  // nanoseconds since 1970; untold: no time
	number     uint32 // its lower bits
	xid        uint32
	addr       IPv4
	extra      uint32 // its extra, from 1; 0: none
	terms      uint16 // in store.terms, from 1; 0: none, or in its extra
	numberHigh uint8
	kind       Kind
	cast       Cast
	who        uint8
	flags      Flags
	doubt      uint8
}

// terms are what many events have in common.
type terms struct {
	server IPv4
	lease  uint32 // seconds
}

const untold = math.MinInt64

// An extra is what few events have.
type extra struct {
	reason string
	before Before
	terms  terms // where a store has no number for them
}

// A chunk is a few events of one track.
type chunk [chunkLen]kept

const (
	chunkLen = 4
	pageLen  = 128 // chunks or extras that are allocated together
)

// A store keeps the events of many tracks. What one does not keep any longer
// is used for others.
type store struct {
	chunks     pages[chunk]
	before     pages[uint32] // of each chunk, the one with the events before it; 0: none
	extras     pages[extra]
	terms      []terms
	numbers    map[terms]uint16 // of the terms, from 1
	last       terms            // that were looked for, and their number
	lastAt     uint16
	freeChunks []uint32
	freeExtras []uint32
}

// pages are a list that grows without being copied. Its items count from 1.
type pages[T any] struct {
	all [][]T
	n   uint32
}

func (p *pages[T]) at(i uint32) *T { return &p.all[(i-1)/pageLen][(i-1)%pageLen] }

func (p *pages[T]) grow() uint32 {
	if p.n%pageLen == 0 {
		p.all = append(p.all, make([]T, pageLen))
	}
	p.n++
	return p.n
}

func (p *pages[T]) clone() pages[T] {
	c := pages[T]{all: slices.Clone(p.all), n: p.n}
	for i := range c.all {
		c.all[i] = slices.Clone(c.all[i])
	}
	return c
}

// pop takes an item off a list of free ones; 0: there is none.
func pop(free *[]uint32) (i uint32) {
	if n := len(*free); n > 0 {
		i = (*free)[n-1]
		*free = (*free)[:n-1]
	}
	return i
}

// chunkAfter returns a free chunk for what follows the events of another.
func (s *store) chunkAfter(before uint32) uint32 {
	i := pop(&s.freeChunks)
	if i == 0 {
		i = s.chunks.grow()
		s.before.grow()
	}
	*s.before.at(i) = before
	return i
}

// clone returns a copy for those who only look at it.
func (s *store) clone() *store {
	return &store{chunks: s.chunks.clone(), before: s.before.clone(), extras: s.extras.clone(), terms: s.terms}
}

// number returns the number of terms; 0: there are too many.
func (s *store) number(t terms) uint16 {
	if t == s.last {
		return s.lastAt
	}
	n, ok := s.numbers[t]
	if !ok && len(s.terms) < math.MaxUint16 {
		if s.numbers == nil {
			s.numbers = map[terms]uint16{}
		}
		s.terms = append(s.terms, t)
		n = uint16(len(s.terms))
		s.numbers[t] = n
	}
	s.last, s.lastAt = t, n
	return n
}

// detail notes what is not in an event itself.
func (s *store) detail(k *kept, t terms, x extra) {
	if k.terms = 0; t != (terms{}) {
		if k.terms = s.number(t); k.terms == 0 {
			x.terms = t
		}
	}
	if k.extra == 0 {
		if x == (extra{}) {
			return
		}
		if k.extra = pop(&s.freeExtras); k.extra == 0 {
			k.extra = s.extras.grow()
		}
	}
	*s.extras.at(k.extra) = x
}

// detailOf returns what is not in an event itself.
func (s *store) detailOf(k *kept) (t terms, x extra) {
	if k.extra != 0 {
		x = *s.extras.at(k.extra)
		t = x.terms
	}
	if k.terms != 0 {
		t = s.terms[k.terms-1]
	}
	return t, x
}

// Events are those of one track, kept small. In JSON they are a list of Event.
type Events struct {
	in *store
	chain
}

// EventsOf keeps events that were not read by this package: leases in whole
// seconds, times in UTC.
func EventsOf(list []Event) Events {
	c := Events{in: &store{}}
	for i := range list {
		c.add(c.in, &list[i])
	}
	return c
}

// Len is how many there are.
func (c *Events) Len() int { return int(c.n) }

// List returns them in the order of the log or capture. The list is the
// caller's.
func (c *Events) List() []Event { return c.appendTo(nil, c.in) }

// MarshalJSON writes a list of Event.
func (c Events) MarshalJSON() ([]byte, error) { return json.Marshal(c.List()) }

// UnmarshalJSON reads what MarshalJSON writes.
func (c *Events) UnmarshalJSON(b []byte) error {
	var list []Event
	err := json.Unmarshal(b, &list)
	*c = EventsOf(list)
	return err
}

// A chain is the events of one client in a store.
type chain struct {
	last uint32 // its last chunk
	n    uint32
}

// fromEnd returns the nth event from the end, from 0.
func (c *chain) fromEnd(s *store, nth int) *kept {
	at := int(c.n) - 1 - nth
	i := c.last
	for n := (int(c.n) - 1) / chunkLen; n > at/chunkLen; n-- {
		i = *s.before.at(i)
	}
	return &s.chunks.at(i)[at%chunkLen]
}

func (c *chain) add(s *store, e *Event) { s.pack(c.next(s), e) }

// next returns the place of one more.
func (c *chain) next(s *store) *kept {
	slot := c.n % chunkLen
	if slot == 0 {
		c.last = s.chunkAfter(c.last)
	}
	c.n++
	return &s.chunks.at(c.last)[slot]
}

// clear gives back all of them.
func (c *chain) clear(s *store) {
	for n := c.n; n > 0; {
		b := s.chunks.at(c.last)
		used := (n-1)%chunkLen + 1
		for _, e := range b[:used] {
			if e.extra != 0 {
				*s.extras.at(e.extra) = extra{}
				s.freeExtras = append(s.freeExtras, e.extra)
			}
		}
		s.freeChunks = append(s.freeChunks, c.last)
		c.last = *s.before.at(c.last)
		n -= used
	}
	c.n = 0
}

// appendTo appends the events to a list.
func (c *chain) appendTo(list []Event, s *store) []Event {
	if c.n == 0 {
		return list
	}
	at := len(list)
	list = slices.Grow(list, int(c.n))[:at+int(c.n)]
	for n, i := int(c.n), c.last; n > 0; {
		b := s.chunks.at(i)
		used := (n-1)%chunkLen + 1
		n -= used
		for j := range used {
			s.unpack(&list[at+n+j], &b[j])
		}
		i = *s.before.at(i)
	}
	return list
}

func (s *store) pack(k *kept, e *Event) {
	*k = kept{at: keptTime(e.Time), number: uint32(e.Number), numberHigh: uint8(e.Number >> 32), xid: e.XID, addr: e.Addr,
		kind: e.Kind, cast: e.Cast, who: e.Who, flags: e.Flags, doubt: uint8(e.Doubt)}
	s.detail(k, terms{e.Server, wholeSeconds(e.Lease)}, extra{reason: e.Reason, before: e.Before})
}

func (s *store) unpack(e *Event, k *kept) {
	t, x := s.detailOf(k)
	*e = Event{Time: k.time(), Lease: inSeconds(t.lease), Number: int64(k.numberHigh)<<32 | int64(k.number), XID: k.xid, Addr: k.addr, Server: t.server,
		Kind: k.kind, Cast: k.cast, Flags: k.flags, Doubt: logtail.Doubt(k.doubt), Who: k.who, Reason: x.reason, Before: x.before}
}

func (k *kept) time() time.Time { return keptAt(k.at) }

// keptAt is the time that is kept as this.
func keptAt(at int64) time.Time {
	if at == untold {
		return time.Time{}
	}
	return time.Unix(0, at).UTC()
}

func keptTime(t time.Time) int64 {
	if t.IsZero() {
		return untold
	}
	return sinceEpoch(t)
}

// sinceEpoch is in nanoseconds. Hostile stamps lie beyond what 64 bits hold.
func sinceEpoch(t time.Time) int64 {
	const end = math.MaxInt64/int64(time.Second) - 1
	if sec := t.Unix(); sec > -end && sec < end {
		return t.UnixNano()
	} else if sec < 0 {
		return untold + 1
	}
	return math.MaxInt64
}

// wholeSeconds of a lease; longer than 136 years is as long.
func wholeSeconds(d time.Duration) uint32 {
	return uint32(min(max(d/time.Second, 0), math.MaxUint32))
}
