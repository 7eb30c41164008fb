package mtu

import (
	"context"
	"fmt"
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

// perRound is how many sizes split the rest. Five make two thousand sizes
// five rounds.
const perRound = 5

func (s *search) report() Report {
	low, high := s.bounds()
	r := Report{Largest: low, Told: s.told, ToldBy: s.toldBy, Loss: s.loss()}
	if high <= s.top() {
		r.Lost = high
	}
	if x := s.refused(low); x > 0 {
		r.Lost = x
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
	case high <= s.top() && s.count(high).TooBig > 0:
		return TooBig
	case s.refused(low) > 0:
		return BlackHole
	}
	return Undecided
}
