package mtu

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
)

// A Prober sends packets of given sizes and hears what comes back. Packets
// must have DF set and must not be cut by this host. ListenProbe makes one.
type Prober interface {
	// Send sends one packet of size bytes, IP header and all. An error
	// compatible with errors.As and *TooBigError says that this host's own
	// link does not take it; nothing was sent then.
	Send(size int, seq uint16) error
	// Receive waits for the next answer, or for the end of ctx, whose error
	// it returns.
	Receive(ctx context.Context) (Answer, error)
}

// A TooBigError is this host's refusal to send a packet.
type TooBigError struct{ MTU int } // of the route; 0: not told

func (e *TooBigError) Error() string {
	return fmt.Sprintf("mtu: packet too big for this host's own link (MTU %d)", e.MTU)
}

// An Answer is what came back.
type Answer struct {
	Seq    uint16
	NoSeq  bool   // the message does not say to which packet it belongs
	TooBig int    // a router said that packets may have this many bytes; 0: this is the reply
	By     string // who said so
}

// ProbeOptions bound a probe. The zero value is 68 to 9216 bytes in at most
// 40 packets.
type ProbeOptions struct {
	Min, Max int // bytes of IP packet; 0: 68 (IPv6: give 1280 or less) and 9216
	Packets  int // at most; 0: 40
	// Timeout is how long the first packets are waited for, and at most any.
	// 0: one second. Later ones get five of the longest round trips.
	Timeout time.Duration
}

// A Verdict is what a probe found out. The zero value is that it could not
// tell.
type Verdict string

// The verdicts.
const (
	Undecided Verdict = ""
	Fits      Verdict = "fits"         // the largest size asked for, or that this host can send, is answered
	TooBig    Verdict = "too-big-told" // a router says which size it takes, and that size is answered
	BlackHole Verdict = "black-hole"   // larger packets vanish and nobody says so
	Lossy     Verdict = "lossy"        // packets of any size are lost
	NoAnswer  Verdict = "no-answer"    // nothing is answered: filtered, or nobody there
)

// A Report is what a probe found out, and on what it rests.
type Report struct {
	Target  string
	Method  string // icmp, udp, tcp
	Verdict Verdict
	// Largest is the largest packet, in bytes, that was answered; Lost the
	// smallest larger one that was not, or was told too big. 0: none.
	Largest, Lost int
	Told          int    // the MTU that a router told; 0: nobody did
	ToldBy        string // who
	Own           int    // what this host's own link takes, where it was the limit
	Sent, Heard   int    // packets
	Loss          Loss   // of packets that are known to fit
	Sizes         []SizeCount
}

// Loss counts packets that are no larger than one that was answered.
type Loss struct{ Sent, Lost int }

// SizeCount is what became of the packets of one size.
type SizeCount struct{ Size, Sent, Heard, TooBig int }

// Probe searches for the largest packet that is answered. Several sizes are
// in flight at once; a size counts as lost only when the packets of it that
// vanished are, with the loss of smaller packets, less than one in a hundred
// likely; and as passing only when it did so twice. It is RFC 8899's search
// with RFC 1191's messages as hints that are tried, not believed.
//
// An error means that packets could not be sent or heard; a path that does
// not answer is a Verdict.
func Probe(ctx context.Context, p Prober, o ProbeOptions) (Report, error) {
	s, err := newSearch(p, o)
	if err != nil {
		return Report{}, err
	}
	for sizes := s.first(); len(sizes) > 0; sizes = s.next() {
		if err := s.round(ctx, sizes); err != nil {
			return s.report(), err
		}
	}
	return s.report(), nil
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

type flying struct {
	size int
	at   time.Time
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

// perRound is how many sizes split the rest. Five make two thousand sizes
// five rounds.
const perRound = 5

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

// needed is how many packets must vanish until that is less than one in a
// hundred likely with the loss that smaller packets have. Laplace's rule keeps
// the loss from being taken for none.
func (s *search) needed() int {
	l := s.loss()
	p := float64(l.Lost+1) / float64(l.Sent+2)
	return max(2, int(math.Ceil(math.Log(0.01)/math.Log(p))))
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

func (s *search) report() Report {
	low, high := s.bounds()
	r := Report{Largest: low, Told: s.told, ToldBy: s.toldBy, Loss: s.loss()}
	if high <= s.top() {
		r.Lost = high
	}
	if s.own > 0 && s.own < s.max {
		r.Own = s.own
	}
	for _, c := range s.sizes {
		if c.Sent > 0 {
			r.Sizes = append(r.Sizes, *c)
			r.Sent += c.Sent
			r.Heard += c.Heard
		}
	}
	slices.SortFunc(r.Sizes, func(a, b SizeCount) int { return a.Size - b.Size })
	r.Verdict = s.verdict(low, high)
	return r
}

func (s *search) verdict(low, high int) Verdict {
	l := s.loss()
	switch {
	case low == 0 && s.told > 0:
		return Undecided
	case low == 0 && s.count(s.min).Sent >= 4:
		return NoAnswer
	case low == 0 || s.sizes[low].Heard < 2:
		return Undecided
	case low == s.top() && l.Lost >= 2:
		return Lossy
	case low == s.top():
		return Fits
	case s.count(high).TooBig > 0:
		return TooBig
	case s.vanished(high):
		return BlackHole
	}
	return Undecided
}
