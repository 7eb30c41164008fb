package dhcp

import (
	"time"

	"github.com/stackmend/stackmend"
)

// stopped: the server's own log says that it ended, and not that it started
// again before the trouble.
func (f *facts) stopped(v *Verdict) bool {
	end := f.ended()
	if end == nil {
		return false
	}
	sure := stackmend.Medium
	if s := f.asked(); s != nil {
		sure = stackmend.High
	}
	if s := f.serverCap; s != nil && s.asks() > 0 && s.answers() == 0 {
		sure = stackmend.High
	}
	return v.is(ServerSilent, sure, "the server stopped at %s and did not start again", instant(end.Time))
}

// ended returns the end of the server that came before the trouble, or before
// the next renewal where no trouble was seen.
func (f *facts) ended() *Event {
	s := f.serverLog
	if s == nil {
		return nil
	}
	var end *Event
	for i, e := range s.Trace.Daemon {
		switch e.Kind {
		case Began:
			end = nil
		case Ended:
			end = &s.Trace.Daemon[i]
		}
	}
	if end == nil {
		return nil
	}
	at := end.Time.Add(s.Offset)
	if !f.since.IsZero() && at.After(f.since.Add(2*time.Second)) || f.since.IsZero() && len(f.clients()) > 0 {
		return nil
	}
	return end
}

// silent: requests arrive at the server, which says nothing.
func (f *facts) silent(v *Verdict) bool {
	for _, s := range f.all() {
		if s.unreachable > 0 && s.answers() == 0 {
			return v.is(ServerSilent, stackmend.High, "nobody listens at the server: it answers with ICMP port unreachable, %d times", s.unreachable)
		}
	}
	s := f.arrived()
	if s == nil || s.awaited < 2 || s.answers() > 0 || s.noAddress > 0 {
		return false
	}
	sure := stackmend.Medium
	if f.asked() != nil || len(f.servers()) > 1 {
		sure = stackmend.High
	}
	if s.requests == 0 && f.serverLog == nil { // it may have nothing to offer, which its log alone tells
		if at := f.servedAt(s); at.After(f.since) {
			return f.leftOut(v, s, at)
		}
		sure, v.Could = stackmend.Medium, []string{ServerSilent, PoolExhausted}
	}
	v.Capture = append(v.Capture, "read the server's log: whether it runs, and whether it has an address for this client")
	return v.is(ServerSilent, sure, "%d requests arrived at the server, which answered none", s.awaited)
}

// servedAt is when the view last has an answer to any client; zero: none, or
// not known.
func (f *facts) servedAt(s *seen) time.Time {
	if f.served == nil {
		return time.Time{}
	}
	return f.served(s.Trace).Add(s.Offset)
}

// leftOut: the server answers others, and not this client's broadcasts for any
// address at all.
func (f *facts) leftOut(v *Verdict, s *seen, at time.Time) bool {
	v.Could = []string{PoolExhausted, ServerRefuses}
	v.Capture = []string{"read the server's log: whether it has an address for this client, or does not serve it"}
	v.Evidence = append(v.Evidence, stackmend.Evidence{Source: s.Trace.Name, Value: "the server answered another client", At: at})
	return v.is(PoolExhausted, stackmend.Medium, "the server answers others, at %s as well, and none of this client's %d requests for an address: it has none for it", instant(at), s.awaited)
}

// lostRequests: the client sends, and nothing arrives.
func (f *facts) lostRequests(v *Verdict) bool {
	at, sent := f.arrived(), f.asked()
	if f.tap != nil && f.tap.asks() > 0 {
		sent = f.tap
	}
	if at == nil || at.asks() > 0 || sent == nil {
		return false
	}
	if f.stoppedFirst(v) {
		return true
	}
	n := f.meanwhile(sent, at)
	if n < 2 { // one may be lost, and what nobody listened to says nothing
		v.Could = []string{ServerSilent, RequestsLost, RepliesLost, TrafficStoppedFirst}
		v.Capture = []string{"the server's side of " + instant(f.since) + " and after; or tell until when this one was being written"}
		return v.is(RequestsLost, stackmend.Low, "the client sent %d requests, %d of them while the server's side is known to have been written, and none is in it", sent.asks(), n)
	}
	if sent == f.tap {
		return v.is(RequestsLost, stackmend.High, "%d requests left the instance by its tap, none arrived at the server", n)
	}
	sure := stackmend.High
	switch {
	case sent.Point == ClientCapture && !f.hears():
		sure = stackmend.Medium
		v.Could = []string{RequestsLost, TrafficStoppedFirst}
		v.Capture = []string{"tcpdump on the instance's tap: whether anything comes out of it"}
	case sent.Point == ClientLog:
		sure = stackmend.Low
		v.Could = []string{RequestsLost, TrafficStoppedFirst}
		v.Capture = []string{"tcpdump on the instance's tap: whether its requests, and other traffic, come out of it"}
	}
	return v.is(RequestsLost, sure, "the client sent %d requests, none arrived at the server", n)
}

// hears: the instance has answers to its ARP, or other traffic.
func (f *facts) hears() bool {
	return f.goesOn() != nil || f.clientCap != nil && f.clientCap.unicast > 0 && !f.arpUnanswered(f.clientCap)
}

// lostReplies: requests arrive and are answered, and the client takes no
// answer.
func (f *facts) lostReplies(v *Verdict) bool {
	s := f.arrived()
	if s == nil || s.asks() == 0 || s.answers() == 0 || f.Break.IsZero() {
		return false
	}
	if t := f.tap; t != nil && t.asks() > 0 && t.answers() == 0 {
		return v.is(RepliesLost, stackmend.High, "the server answered, and no answer reached the instance's tap")
	}
	switch f.unicastArrives(s) {
	case arrives:
		if f.stoppedFirst(v) {
			return true
		}
		sure := f.bothSides(stackmend.Medium)
		if len(some(f.clientCap, f.tap)) == 0 && !f.clientLog.tellsChecksums() {
			sure, v.Could = stackmend.Medium, []string{RepliesLost, WrongUDPChecksum}
			v.Capture = []string{"tcpdump -v at the instance's tap: whether the answers come, and whether their UDP checksums are right"}
		}
		return v.is(RepliesLost, sure, "%d requests arrived, unicasts as well, and %d were answered; the client took none: only the answers are lost", s.asks(), s.answers())
	case missing:
		if s.answers() < s.asks()/2 {
			return false
		}
		return v.is(InstanceDeaf, f.bothSides(stackmend.Medium), "only broadcasts arrived, which were answered, and the client took no answer: the instance still sends, and receives nothing, not even the answers to its ARP")
	}
	if f.stoppedFirst(v) {
		return true
	}
	v.Could = []string{RepliesLost, InstanceDeaf, WrongUDPChecksum}
	v.Capture = []string{"tcpdump at the server or on the instance's tap: whether its requests are unicasts, and whether it has answers to its ARP"}
	return v.is(Undetermined, stackmend.Low, "%d requests arrived and %d were answered, and the client took no answer; whether it receives anything else cannot be told from this", s.asks(), s.answers())
}

// bothSides is High when the client's own side was seen.
func (f *facts) bothSides(alone stackmend.Confidence) stackmend.Confidence {
	for _, s := range append(f.clients(), some(f.tap)...) {
		if s.asks() > 0 {
			return stackmend.High
		}
	}
	return alone
}

// arrival is whether the instance's unicasts reach the server, for which its
// ARP must have been answered.
type arrival int

const (
	cannotTell arrival = iota
	arrives
	missing
)

// unicastArrives tells whether the instance's unicasts reach the server. A
// server's log does not tell how a request came: then the client's own words
// are counted against it, and without these whether requests came before T2,
// from when on all clients broadcast, and for how long.
func (f *facts) unicastArrives(s *seen) arrival {
	if s.unicast+s.broadcast > 0 {
		return arrivalIf(s.unicast > 0)
	}
	for _, c := range f.clients() {
		if c.unicast > 0 && c.Told && c.requests == c.unicast+c.broadcast {
			return arrivalIf(s.requests > c.broadcast)
		}
	}
	if f.Good.IsZero() || f.Lease.T2 == 0 || s.first.IsZero() {
		return cannotTell
	}
	t1, t2 := f.Good.Add(f.Lease.T1), f.Good.Add(f.Lease.T2)
	switch {
	case s.requests == 0 || !s.first.Before(t1.Add(t2.Sub(t1)/2)):
		return missing
	case s.asksWithin(latest(f.Good.Add(arpReachable), s.first).Add(arpProbes), t2):
		return arrives
	}
	return cannotTell
}

// tellsChecksums reports whether the client would say that it drops answers
// for their checksum: udhcpc and networkd do not.
func (s *seen) tellsChecksums() bool {
	return s != nil && (s.Trace.Format == Dhclient || s.Trace.Format == Dhcpcd)
}

func arrivalIf(yes bool) arrival {
	if yes {
		return arrives
	}
	return missing
}

// An instance that receives nothing still sends to a server whose address it
// has learnt: Linux takes it as reachable for up to 45 seconds after the last
// sign of it, then asks for eight more (base_reachable_time, delay_first_probe_time,
// ucast_solicit:
// https://github.com/torvalds/linux/blob/v6.1/net/ipv4/arp.c).
const (
	arpReachable = 45 * time.Second
	arpProbes    = 10 * time.Second
)

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// asksWithin reports whether requests came in that time.
func (s *seen) asksWithin(from, to time.Time) bool {
	for _, e := range s.Events {
		if e.Kind == Request && e.Time.After(from) && e.Time.Before(to) {
			return true
		}
	}
	return false
}

// outside decides by the capture of the tap alone: what leaves the instance and
// what comes to it, but not what the server does.
func (f *facts) outside(v *Verdict) bool {
	t := f.tap
	if t == nil || t.asks() == 0 || f.Break.IsZero() {
		return false
	}
	switch {
	case t.answers() > 0 && t.unicast == 0:
		return v.is(InstanceDeaf, f.bothSidesOf(f.asked() != nil), "answers reach the instance's tap, and the instance goes on asking, by broadcast alone: it receives nothing")
	case t.answers() > 0:
		if f.stoppedFirst(v) {
			return true
		}
		return v.is(RepliesLost, stackmend.Medium, "answers reach the instance's tap, and the instance goes on asking: they are lost between the tap and its client")
	case f.stoppedFirst(v):
		return true
	}
	v.Could = []string{ServerSilent, RequestsLost, RepliesLost}
	if t.requests == 0 && f.Good.IsZero() {
		v.Could = append(v.Could, PoolExhausted)
	}
	v.Capture = []string{"tcpdump at the server, or its log: whether the requests arrive"}
	return v.is(Undetermined, stackmend.Low, "%d requests left the instance, and no answer came to its tap", t.asks())
}

func (f *facts) bothSidesOf(seen bool) stackmend.Confidence {
	if seen {
		return stackmend.High
	}
	return stackmend.Medium
}

// inside decides by what the client saw itself.
func (f *facts) inside(v *Verdict) bool {
	s := f.asked()
	if s == nil || f.Break.IsZero() {
		return false
	}
	if f.stoppedFirst(v) {
		return true
	}
	if s.answers() > 0 {
		v.Could = []string{RepliesLost, WrongUDPChecksum, ClientDied}
		v.Capture = []string{"the client's log, and the instance's own firewall: why it drops what arrives"}
		return v.is(Undetermined, stackmend.Low, "answers arrive in the instance, and its client goes on asking")
	}
	v.Could = []string{ServerSilent, RequestsLost, RepliesLost, InstanceDeaf, TrafficStoppedFirst}
	v.Capture = []string{"the server's log: whether the requests arrived", "tcpdump on the instance's tap: whether answers come, and whether other traffic goes on"}
	if c := f.clientCap; c != nil {
		switch {
		case c.unicast > 0: // its ARP was answered
			v.Could = []string{ServerSilent, RequestsLost, RepliesLost}
		case f.arpUnanswered(c):
			v.Could = []string{InstanceDeaf, TrafficStoppedFirst, RequestsLost}
		}
	}
	if s.discovers == s.asks() && f.Good.IsZero() {
		v.Could = append(v.Could, PoolExhausted)
	}
	return v.is(Undetermined, stackmend.Low, "the client asked %d times and had no answer", s.asks())
}

// gone: nobody saw a request when a renewal was due.
func (f *facts) gone(v *Verdict) bool {
	if !f.vanished {
		return false
	}
	if f.stoppedFirst(v) {
		return true
	}
	if t := f.lives(); t != nil {
		if t.Point == ServerCapture && t.traffic().ARPAsked > 0 {
			v.Could = []string{RequestsLost, ClientDied}
			v.Capture = []string{"tcpdump on the instance's tap: whether it asks"}
			return v.is(RequestsLost, stackmend.Low, "the instance is still heard, with ARP as a client sends it before it renews, and none of its requests arrived")
		}
		return v.is(ClientDied, f.bothSidesOf(t.Point.Client()), "the instance's traffic went on until %s, and it did not ask when its lease ran out: its client is gone", instant(t.traffic().LastFrom))
	}
	v.Could = []string{RequestsLost, TrafficStoppedFirst, ClientDied}
	v.Capture = []string{"whether the instance runs", "tcpdump on its tap: whether it asks, and whether other traffic goes on", "its console log"}
	return v.is(Undetermined, stackmend.Low, "no renewal was seen when it was due at %s", instant(f.since))
}

// unknown ends the rules.
func (f *facts) unknown(v *Verdict) bool {
	if f.Break.IsZero() {
		v.Capture = []string{"tcpdump on the instance's tap, over one lease time"}
		return v.is(Undetermined, stackmend.Low, "no whole exchange was seen")
	}
	v.Could = []string{ServerSilent, RequestsLost, RepliesLost}
	v.Capture = []string{"the log of the server and of the client", "tcpdump on the instance's tap"}
	return v.is(Undetermined, stackmend.Low, "requests went unanswered from %s on", instant(f.Break))
}
