package dhcp

import (
	"fmt"
	"time"

	"github.com/stackmend/stackmend"
)

// A quiet is how the traffic of an instance ended, as a capture has it.
type quiet struct {
	*seen
	last   time.Time     // the last frame that shows that the network worked
	every  time.Duration // how often such frames came before
	frames int64
}

// ended finds whether the instance's other traffic ended before the trouble
// began. Within the instance what comes to it tells, for it may go on sending;
// outside of it what comes from it.
func (f *facts) quiets() (out []quiet) {
	for _, s := range some(f.tap, f.serverCap, f.clientCap) {
		q := quiet{seen: s, last: nanos(s.atBreak.From), frames: s.traffic().From}
		now := s.traffic().LastFrom
		if s.Point.Client() {
			q.last, q.frames, now = nanos(s.atBreak.To), s.traffic().To, s.traffic().LastTo
		}
		if s.asks() == 0 { // it saw none of the trouble: what it heard at all
			q.last = now
		}
		if now.IsZero() {
			continue
		}
		now = now.Add(s.Offset)
		if s.asks() == 0 {
			q.last = now
		}
		if now.After(f.since.Add(time.Second)) || q.last.IsZero() {
			continue // it goes on
		}
		if q.frames > 1 {
			q.every = q.last.Sub(s.traffic().First.Add(s.Offset)) / time.Duration(q.frames-1)
		}
		out = append(out, q)
	}
	return out
}

// Traffic has ended when it is silent for several times as long as it used to
// be, and for a while at all.
const (
	silentFor   = 10 * time.Second
	silentTimes = 3
	fewFrames   = 3
	manyFrames  = 20
)

// stoppedFirst: the instance's other traffic ended before its first
// unanswered request.
func (f *facts) stoppedFirst(v *Verdict) bool {
	for _, q := range f.quiets() {
		gap := f.since.Sub(q.last)
		if q.frames < fewFrames || gap < silentFor || gap < silentTimes*q.every || !f.covered(q.seen) && q.asks() == 0 {
			continue
		}
		sure := stackmend.Medium
		if q.frames >= manyFrames && gap > 10*q.every || len(f.Views) > 1 {
			sure = stackmend.High
		}
		v.Evidence = append(v.Evidence, stackmend.Evidence{Source: string(q.Point) + " " + q.Trace.Name, At: q.last,
			Value: fmt.Sprintf("the last frame that was not DHCP, of %d that came every %v; then silence", q.frames, q.every.Round(time.Millisecond))})
		return v.is(TrafficStoppedFirst, sure, "the instance's other traffic ended at %s, %v before its first unanswered request: DHCP is the victim, not the cause", instant(q.last), gap.Round(time.Second))
	}
	return f.arpStopped(v)
}

// arpStopped: before its renewal was due, the instance asked by ARP in vain.
// Later its client does so itself, for it wants to send to the server.
func (f *facts) arpStopped(v *Verdict) bool {
	c := f.clientCap
	if c == nil || c.asks() == 0 || f.Good.IsZero() || f.Lease.T1 == 0 || c.traffic().ARPReplies > int64(c.atBreak.ARPReplies) {
		return false
	}
	since := nanos(c.atBreak.ARPSince)
	if since.IsZero() || !since.Before(f.Good.Add(f.Lease.T1*3/4)) {
		return false
	}
	return v.is(TrafficStoppedFirst, stackmend.Medium, "from %s on, before its renewal was due, the instance asked by ARP and was not answered: its network had stopped, DHCP is the victim", instant(since))
}

// arpUnanswered: from the trouble on the instance asks by ARP in vain.
func (f *facts) arpUnanswered(s *seen) bool {
	asked := s.traffic().ARPAsked - int64(s.atBreak.ARPAsked)
	return asked > 0 && s.traffic().ARPReplies == int64(s.atBreak.ARPReplies)
}

// lives returns a view in which the instance is heard after its lease ran out,
// and which would have had its requests.
func (f *facts) lives() *seen {
	over := f.Good.Add(f.Lease.longest())
	for _, s := range some(f.clientCap, f.tap, f.serverCap) {
		if s.traffic().LastSent.Add(s.Offset).After(over) && f.watched(*s.View) {
			return s
		}
	}
	return nil
}

// against is what speaks against the verdict, or what it would need.
func (f *facts) against(v *Verdict) (out []stackmend.Evidence) {
	say := func(source, format string, args ...any) {
		out = append(out, stackmend.Evidence{Source: source, Value: fmt.Sprintf(format, args...), Against: true})
	}
	switch v.Code {
	case RepliesLost:
		if f.goesOn() == nil {
			say("other traffic", "that the instance receives anything else was not seen: it may be deaf altogether")
		}
	case InstanceDeaf, TrafficStoppedFirst:
		if s := f.goesOn(); s != nil {
			say(string(s.Point)+" "+s.Trace.Name, "other traffic of the instance went on until %s", instant(s.traffic().LastFrom.Add(s.Offset)))
		}
		if s := f.arrived(); s != nil && v.Code == TrafficStoppedFirst && s.asks() > 0 {
			say(string(s.Point)+" "+s.Trace.Name, "the instance's requests still arrived: it sends")
		}
	case RequestsLost:
		if s := f.arrived(); s != nil && !f.covered(s) {
			say(string(s.Point)+" "+s.Trace.Name, "it ends at %s, before the trouble; whether it was still being written is not known", instant(s.end()))
		}
	}
	return out
}

// goesOn returns a view in which the instance's other traffic goes on.
func (f *facts) goesOn() *seen {
	for _, s := range some(f.clientCap, f.tap, f.serverCap) {
		last := s.traffic().LastFrom
		if s.Point.Client() {
			last = s.traffic().LastTo
		}
		if last.Add(s.Offset).After(f.since.Add(patience)) {
			return s
		}
	}
	return nil
}

// trafficEvidence says how the instance's other traffic went, and looks at the
// hours before.
func (f *facts) trafficEvidence() (out []stackmend.Evidence) {
	for _, s := range some(f.clientCap, f.tap, f.serverCap) {
		source := string(s.Point) + " " + s.Trace.Name
		t := s.traffic()
		if t.From+t.To > 0 {
			out = append(out, stackmend.Evidence{Source: source, Value: fmt.Sprintf("other traffic: %d frames from the instance, %d to it; the last one from it", t.From, t.To), At: t.LastFrom.Add(s.Offset)})
		}
		if lack := t.ARPAsked - t.ARPReplies; lack > 0 && t.ARPAsked > 2 {
			out = append(out, stackmend.Evidence{Source: source, Value: fmt.Sprintf("%d ARP requests of the instance, %d replies to it", t.ARPAsked, t.ARPReplies)})
		}
		if e, heavy := f.heavy(s); heavy {
			e.Source = source
			out = append(out, e)
		}
	}
	return out
}

// heavyRate is from where on traffic is named heavy, in bytes a second.
const heavyRate = 10 << 20

// heavy finds the busiest while of the hours before the trouble: a backup.
func (f *facts) heavy(s *seen) (stackmend.Evidence, bool) {
	var top Load
	var all int64
	for _, l := range s.traffic().Load {
		all += l.Bytes
		if l.Bytes > top.Bytes && !f.since.IsZero() && l.Since.Add(s.Offset).Before(f.since) {
			top = l
		}
	}
	if top.Bytes == 0 {
		return stackmend.Evidence{}, false
	}
	rate := float64(top.Bytes) / top.For.Seconds()
	usual := float64(all-top.Bytes) / (float64(max(1, len(s.traffic().Load)-1)) * top.For.Seconds())
	if rate < heavyRate && (rate < 10*usual || rate < heavyRate/100) {
		return stackmend.Evidence{}, false
	}
	return stackmend.Evidence{At: top.Since.Add(s.Offset), Value: fmt.Sprintf("heavy traffic before: %.1f MB/s for %v, %.1f MB/s otherwise: look whether a backup ran", rate/1e6, top.For, usual/1e6)}, true
}
