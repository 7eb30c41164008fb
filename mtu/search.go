package mtu

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"
)

type flying struct {
	size int
	at   time.Time
}

// search is the state of a probe.
type search struct {
	p        Prober
	min, max int
	budget   int
	timeout  time.Duration
	longest  time.Duration // round trip
	sizes    map[int]*SizeCount
	flight   map[uint16]flying
	seq      uint16
	own      int
	told     int
	toldBy   string
	rounds   int
}

func newSearch(p Prober, o ProbeOptions) (*search, error) {
	s := &search{p: p, min: o.Min, max: o.Max, budget: o.Packets, timeout: o.Timeout,
		sizes: map[int]*SizeCount{}, flight: map[uint16]flying{}}
	if s.min == 0 {
		s.min = 68
	}
	if s.max == 0 {
		s.max = 9216
	}
	if s.budget == 0 {
		s.budget = 40
	}
	if s.timeout == 0 {
		s.timeout = time.Second
	}
	if s.min < 48 || s.max > math.MaxUint16 || s.min > s.max || s.budget < 10 || s.timeout < 0 {
		return nil, fmt.Errorf("mtu: probe from %d to %d bytes in %d packets, %v each: not possible", s.min, s.max, s.budget, s.timeout)
	}
	return s, nil
}

// first tries both ends twice and a few usual sizes.
func (s *search) first() []int {
	out := []int{s.min, s.min}
	for _, n := range []int{576, 1280, 1400, 1500, 9000} {
		if n > s.min && n < s.max {
			out = append(out, n)
		}
	}
	return append(out, s.max, s.max)
}

// round sends the sizes, and waits until all are answered or the time is
// over.
func (s *search) round(ctx context.Context, sizes []int) error {
	s.rounds++
	wait := s.timeout
	if s.longest > 0 {
		wait = min(wait, max(5*s.longest, 100*time.Millisecond))
	}
	for _, n := range sizes {
		if err := s.send(n); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	for len(s.flight) > 0 {
		a, err := s.p.Receive(ctx)
		if errors.Is(err, context.DeadlineExceeded) {
			break
		}
		if err != nil {
			return err
		}
		s.answer(a)
	}
	clear(s.flight) // what comes later is late: it counts as lost
	return context.Cause(parentOf(ctx))
}

// parentOf tells the end of the round from the end of the caller's patience.
func parentOf(ctx context.Context) context.Context {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return context.Background()
	}
	return ctx
}

func (s *search) send(size int) error {
	if s.budget == 0 || s.own > 0 && size > s.own {
		return nil
	}
	s.seq++
	err := s.p.Send(size, s.seq)
	if big := (*TooBigError)(nil); errors.As(err, &big) {
		s.own = size - 1
		if big.MTU > 0 && big.MTU < size {
			s.own = big.MTU
		}
		return nil
	}
	if err != nil {
		return err
	}
	s.budget--
	s.flight[s.seq] = flying{size, time.Now()}
	s.count(size).Sent++
	return nil
}

func (s *search) count(size int) *SizeCount {
	if s.sizes[size] == nil {
		s.sizes[size] = &SizeCount{Size: size}
	}
	return s.sizes[size]
}

func (s *search) answer(a Answer) {
	f, ok := s.flight[a.Seq]
	if a.NoSeq {
		ok = false
	}
	if a.TooBig > 0 {
		if s.told == 0 || a.TooBig < s.told {
			s.told, s.toldBy = a.TooBig, a.By
		}
		if ok {
			s.count(f.size).TooBig++
			delete(s.flight, a.Seq)
		}
		return
	}
	if !ok {
		return // late, or not ours
	}
	s.longest = max(s.longest, time.Since(f.at))
	s.count(f.size).Heard++
	delete(s.flight, a.Seq)
}

// bounds returns the largest size that was answered and the smallest larger
// one that was not.
func (s *search) bounds() (low, high int) {
	high = s.top() + 1
	for n, c := range s.sizes {
		if c.Heard > 0 {
			low = max(low, n)
		}
	}
	for n, c := range s.sizes {
		if n > low && c.Sent > 0 {
			high = min(high, n)
		}
	}
	return low, high
}

// top is the largest size that can be asked for.
func (s *search) top() int {
	if s.own > 0 {
		return min(s.max, s.own)
	}
	return s.max
}

// next chooses the sizes of the next round; none ends the search.
func (s *search) next() []int {
	low, high := s.bounds()
	switch {
	case s.budget <= 0, s.top() < s.min:
		return nil
	case low == 0:
		return s.again()
	case s.told > low && s.told < high-1 && s.told <= s.top() && s.sizes[s.told] == nil:
		return []int{s.told, s.told + 1}
	case high-low > 1:
		return s.between(low, high)
	}
	return s.confirm(low, high)
}

// again repeats the smallest size before saying that nothing answers.
func (s *search) again() []int {
	if s.count(s.min).Sent >= 5 {
		return nil
	}
	return []int{s.min, s.min, s.min}
}

// between splits what is left. Where packets are lost, the smallest size that
// vanished is sent once more: it may have been bad luck.
func (s *search) between(low, high int) []int {
	if s.budget <= 5 {
		return s.confirm(low, high)
	}
	var out []int
	k := min(perRound, high-low-1)
	for i := 1; i <= k; i++ {
		out = append(out, low+(high-low)*i/(k+1))
	}
	if s.loss().Lost > 0 && high <= s.top() && !s.vanished(high) {
		out = append(out, high)
	}
	return slices.Compact(out)
}

// confirm repeats what the verdict rests on.
func (s *search) confirm(low, high int) []int {
	var out []int
	for range 2 - s.sizes[low].Heard {
		if s.sizes[low].Sent < 6 {
			out = append(out, low)
		}
	}
	if high <= s.top() && !s.vanished(high) {
		for range s.needed() - s.silent(high) {
			out = append(out, high)
		}
	}
	if l := s.loss(); len(out) == 0 && l.Lost > 0 && l.Sent < 30 {
		return slices.Repeat([]int{low}, min(s.budget, 5)) // how much is lost?
	}
	return out
}

// silent counts the packets of a size that vanished without a word.
func (s *search) silent(size int) int {
	c := s.count(size)
	return c.Sent - c.Heard - c.TooBig
}

// vanished reports that a size is larger than what passes: a router said so,
// or its silence is no bad luck.
func (s *search) vanished(size int) bool {
	return s.count(size).TooBig > 0 || s.silent(size) >= s.needed()
}

// refused is the smallest size that is known not to pass: if it did, all the
// packets above low that are no larger, and vanished, would have been bad
// luck. 0: there is none.
func (s *search) refused(low int) int {
	silent := 0
	for _, n := range slices.Sorted(maps.Keys(s.sizes)) {
		if n <= low {
			continue
		}
		if silent += s.silent(n); s.count(n).TooBig > 0 || silent >= s.needed() {
			return n
		}
	}
	return 0
}

// needed is how many packets must vanish until that is less than one in a
// hundred likely with the loss that smaller packets have. Laplace's rule keeps
// the loss from being taken for none.
func (s *search) needed() int {
	l := s.loss()
	p := float64(l.Lost+1) / float64(l.Sent+2)
	return max(3, int(math.Ceil(math.Log(0.01)/math.Log(p))))
}

// loss counts packets that are known to fit.
func (s *search) loss() Loss {
	low, _ := s.bounds()
	var l Loss
	for n, c := range s.sizes {
		if n <= low {
			l.Sent += c.Sent
			l.Lost += c.Sent - c.Heard - c.TooBig
		}
	}
	return l
}
