package dhcp

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stackmend/stackmend"
)

// A tally counts what a view has in the time of the trouble.
type tally struct {
	discovers, unicast, broadcast, requests int // requests: all of them
	offers, acks, naks                      int
	noAddress, ignored, unreachable         int
	wrong, partial                          int // answers by their checksum
	badSum, gaveUp, expired, died, unsent   int // as a client's log tells
	awaited                                 int // asks after which the view was written for long enough to have the answer
	first, last                             time.Time
	reason                                  string
}

func (t *tally) asks() int    { return t.discovers + t.requests }
func (t *tally) answers() int { return t.offers + t.acks }

func (t *tally) add(e Event) {
	if n := t.of(e.Kind); n != nil {
		*n++
	}
	if e.Kind == Request && e.Cast == Unicast {
		t.unicast++
	}
	if e.Kind == Request && e.Cast == Broadcast {
		t.broadcast++
	}
	if e.Kind.Answers() && e.Flags&WrongChecksum != 0 {
		t.wrong++
	}
	if e.Kind.Answers() && e.Flags&PartialChecksum != 0 {
		t.partial++
	}
	if e.Kind.Asks() {
		t.first = cmp.Or(t.first, e.Time)
		t.last = e.Time
	}
	switch e.Kind {
	case Nak, NoAddress, Ignored, BadChecksum:
		t.reason = cmp.Or(t.reason, e.Reason)
	}
}

// of is the count of a kind; nil: not counted.
func (t *tally) of(k Kind) *int {
	counts := [...]*int{Discover: &t.discovers, Request: &t.requests, Offer: &t.offers, Ack: &t.acks, Nak: &t.naks, NoAddress: &t.noAddress,
		Ignored: &t.ignored, Unreachable: &t.unreachable, BadChecksum: &t.badSum, GaveUp: &t.gaveUp, Expired: &t.expired, Died: &t.died, SendFailed: &t.unsent}
	if int(k) < len(counts) {
		return counts[k]
	}
	return nil
}

// A seen is a view with what it counts.
type seen struct {
	*View
	tally
	atBreak Before // of the first request of the trouble
}

// facts are what the rules of decide.go look at.
type facts struct {
	Conversation
	clientLog, clientCap, tap, serverCap, serverLog *seen
	since                                           time.Time // of the trouble: the break, or when a renewal was due
	vanished                                        bool      // no request came when one was due, and the lease ran out
}

func gather(c Conversation) *facts {
	f := &facts{Conversation: c, since: c.Break}
	if c.Break.IsZero() {
		f.vanish()
	}
	for i := range f.Views {
		f.place(f.see(&f.Views[i]))
	}
	return f
}

// vanish looks whether a renewal was due that no side has seen, though one was
// being written all that time: by T2 clients have asked, whatever they are.
func (f *facts) vanish() {
	if f.Good.IsZero() || f.Lease.longest() == 0 || !slices.ContainsFunc(f.Views, f.watched) {
		return
	}
	for _, v := range f.Views {
		for _, e := range v.Events {
			if e.Kind.Asks() && e.Time.After(f.Good.Add(patience)) {
				return
			}
		}
	}
	f.vanished, f.since = true, f.Good.Add(f.Lease.T1)
}

// watched: the view was being written from when a renewal was due until it was
// overdue.
func (f *facts) watched(v View) bool {
	by := f.Lease.longest()
	if f.Lease.T2 > 0 {
		by = min(by, f.Lease.T2)
	}
	return v.covers(f.Good.Add(f.Lease.T1), f.Good.Add(by+patience))
}

// place gives the view its place by its point; of two the one that has more.
func (f *facts) place(s *seen) {
	at := map[Point]**seen{ClientLog: &f.clientLog, ClientCapture: &f.clientCap, TapCapture: &f.tap, ServerCapture: &f.serverCap, ServerLog: &f.serverLog}[s.Point]
	if at != nil && (*at == nil || len((*at).Events) < len(s.Events)) {
		*at = s
	}
}

// see counts what a view has from the trouble on.
func (f *facts) see(v *View) *seen {
	s := &seen{View: v}
	if f.since.IsZero() {
		return s
	}
	from, to := f.span(v)
	found := false
	for _, e := range v.Events {
		if !e.Time.IsZero() && (e.Time.Before(from) || !to.IsZero() && e.Time.After(to)) {
			continue
		}
		if !found && e.Kind.Asks() {
			s.atBreak, found = e.Before, true
		}
		s.add(e)
		if e.Kind.Asks() && !s.end().Before(e.Time.Add(slowest)) {
			s.awaited++
		}
	}
	return s
}

// slowest is how long a server that runs takes to answer: dnsmasq and dhcpd
// look first whether the address is in use, for three seconds or one
// (https://thekelleys.org.uk/dnsmasq/docs/dnsmasq-man.html, --no-ping).
const slowest = 5 * time.Second

// span is when the trouble was, as a view has it; to is zero while it lasts.
func (f *facts) span(v *View) (from, to time.Time) {
	slack := v.Doubt + time.Second
	from = f.since.Add(-slack)
	if !f.Over.IsZero() {
		to = f.Over.Add(slack)
	}
	if v.spell != nil && v.spell.since.Sub(f.since).Abs() <= slack+time.Second {
		from = v.spell.since
		if !v.spell.over.IsZero() {
			to = v.spell.over
		}
	}
	return from, to
}

// clients and servers are the views of either side, captures first.
func (f *facts) clients() []*seen { return some(f.clientCap, f.clientLog) }
func (f *facts) servers() []*seen { return some(f.serverCap, f.serverLog) }
func (f *facts) all() []*seen {
	return some(f.clientLog, f.clientCap, f.tap, f.serverCap, f.serverLog)
}

func some(all ...*seen) []*seen {
	return slices.DeleteFunc(all, func(s *seen) bool { return s == nil })
}

// arrived is what came to the server, as the best of its views tells; nil
// without any that goes back to the trouble. One that was written meanwhile is
// better than one that was not.
func (f *facts) arrived() (best *seen) {
	for _, s := range f.servers() {
		if s.asks() > 0 {
			return s
		}
		if !s.from().After(f.since) && (s.Told || len(f.Views) == 1 || s.Offset == 0) && (best == nil || !f.covered(best) && f.covered(s)) {
			best = s
		}
	}
	return best
}

// asked is what the client sent, as the best of its views tells.
func (f *facts) asked() *seen {
	for _, s := range f.clients() {
		if s.asks() > 0 {
			return s
		}
	}
	return nil
}

// covered: the view was still being written when the trouble began.
func (f *facts) covered(s *seen) bool { return s.end().After(f.since) }

// meanwhile counts the requests of one view that were sent while another was
// being written.
func (f *facts) meanwhile(sent, at *seen) (n int) {
	from, to := f.span(sent.View)
	for _, e := range sent.Events {
		if e.Kind.Asks() && !e.Time.Before(from) && (to.IsZero() || !e.Time.After(to)) && e.Time.Before(at.end()) {
			n++
		}
	}
	return n
}

// text says what a view has, for evidence.
func (s *seen) text() string {
	var parts []string
	say := func(n int, what string) {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, what))
		}
	}
	say(s.discovers, "DHCPDISCOVER")
	say(s.requests, "DHCPREQUEST"+s.casts())
	say(s.offers, "DHCPOFFER")
	say(s.acks, "DHCPACK")
	say(s.naks, "DHCPNAK")
	say(s.noAddress, "times no address to give")
	say(s.ignored, "ignored")
	say(s.unreachable, "ICMP port unreachable")
	say(s.wrong, "answers with a wrong UDP checksum")
	say(s.badSum, "times answers dropped for their checksum")
	say(s.unsent, "failures to send")
	say(s.expired, "times the lease ran out")
	say(s.gaveUp, "times without any answer")
	if len(parts) == 0 {
		return "nothing of the client"
	}
	return strings.Join(parts, ", ")
}

func (s *seen) casts() string {
	if s.unicast+s.broadcast == 0 {
		return ""
	}
	return fmt.Sprintf(" (%d unicast, %d broadcast)", s.unicast, s.broadcast)
}

// evidence is what each view says.
func (f *facts) evidence() []stackmend.Evidence {
	var out []stackmend.Evidence
	for _, s := range f.all() {
		source := string(s.Point) + " " + s.Trace.Name
		if !f.since.IsZero() {
			out = append(out, stackmend.Evidence{Source: source, Value: "since then: " + s.text(), At: f.since})
		} else if !f.Good.IsZero() {
			out = append(out, stackmend.Evidence{Source: source, Value: "the last answer was taken", At: f.Good})
		}
		if s.Left > 0 {
			out = append(out, stackmend.Evidence{Source: source, Value: fmt.Sprintf("%d more events, which were not kept", s.Left)})
		}
	}
	return append(out, f.clocks()...)
}

// clocks says what was added to the times of each side.
func (f *facts) clocks() (out []stackmend.Evidence) {
	for _, s := range f.all() {
		switch {
		case s.Told && s.Offset != 0:
			out = append(out, stackmend.Evidence{Source: "clock of " + s.Trace.Name,
				Value: fmt.Sprintf("%v behind, give or take %v, by the messages that both sides saw; added", s.Offset, s.Doubt)})
		case !s.Told && s.View != &f.Views[f.reference()]:
			out = append(out, stackmend.Evidence{Source: "clock of " + s.Trace.Name, Against: true,
				Value: "no message was seen by both sides, so that the clocks could not be compared"})
		}
	}
	return out
}
