package dhcp

import (
	"cmp"
	"iter"
	"slices"
	"time"
)

// A Conversation is what all sides saw of one client, on one clock: that of
// the side nearest to the server.
type Conversation struct {
	MAC   MAC
	Addr  IPv4   // that it had or wanted last; may be zero
	Views []View // from the client to the server
	Lease Lease
	Until time.Time // the end of all that was observed of it
	Taken time.Time // when the sides were read; zero: not told, or Until was told for all of them
	Good  time.Time // the last answer that was taken before Break; zero: none seen
	Break time.Time // the first request that was not answered; zero: none
	Over  time.Time // when an answer was taken again; zero: not

	served func(*Trace) time.Time // when the point last saw an answer to any client
}

// A View is a track on the clock of the conversation.
type View struct {
	*Track
	Trace  *Trace
	Point  Point
	Offset time.Duration // what was added to its times
	Doubt  time.Duration // by how much that may be wrong
	Told   bool          // the offset follows from the conversation; else the clocks are taken as they are
	Events []Event       // with the offset added
	spell  *spell        // its last one

	written time.Time // up to when all sides were being written, if that was told
}

// from and until are what the view covers, by what is in it.
func (v *View) from() time.Time  { return v.Trace.From.Add(v.Offset) }
func (v *View) until() time.Time { return v.Trace.Until.Add(v.Offset) }

// end is up to when the view is known to have been written. That another side
// goes on says nothing of this one.
func (v *View) end() time.Time { return latest(v.until(), v.written) }

// covers reports whether the view was being written all that time.
func (v *View) covers(from, to time.Time) bool { return !v.from().After(from) && !v.end().Before(to) }

// pointOrder sorts views from the client to the server.
var pointOrder = map[Point]int{ClientLog: 0, ClientCapture: 1, TapCapture: 2, ServerCapture: 3, ServerLog: 4}

// Converse rebuilds the conversation of each client, in the order of MACs. A
// client's log that does not tell its MAC is joined to the one it must be of:
// by transactions, by addresses, or because there is no other.
func Converse(s *Snapshot) iter.Seq[Conversation] {
	return func(yield func(Conversation) bool) {
		served := servedBy()
		for of := range clientsOf(s.members()) {
			m := macOf(of[0].client)
			if len(s.Only) > 0 && !slices.Contains(s.Only, m) {
				continue
			}
			c := converse(m, s.views(of), s.Until)
			c.served = served
			if s.Until.IsZero() {
				c.Taken = s.Taken
			}
			if !yield(c) {
				return
			}
		}
	}
}

func (s *Snapshot) until() time.Time {
	end := s.Until
	for _, t := range s.Traces {
		if t.Until.After(end) {
			end = t.Until
		}
	}
	return end
}

// converse aligns the views of one client and finds its break. All were being
// written up to a time, unless it is zero.
func converse(m MAC, views []View, written time.Time) Conversation {
	slices.SortStableFunc(views, func(a, b View) int { return cmp.Compare(pointOrder[a.Point], pointOrder[b.Point]) })
	c := Conversation{MAC: m, Views: views, Until: written}
	ref := c.reference()
	for i := range views {
		v := &views[i]
		v.Events = v.Track.Events.List()
	}
	for i := range views {
		v := &views[i]
		if i != ref {
			v.align(&views[ref])
		}
		v.written = written
		v.spell = lastSpell(spells(v.Events, rhythmOf(v.Point, v.Lease, v.end())))
		c.Until = latest(c.Until, v.end())
	}
	c.lease()
	c.trouble()
	return c
}

// reference is the view whose clock is taken: frames near to the server are
// the best.
func (c *Conversation) reference() int {
	best := len(c.Views) - 1
	for i, v := range c.Views {
		if v.Point == ServerCapture {
			best = i
		}
	}
	return best
}

// align shifts the view to the clock of the reference.
func (v *View) align(ref *View) {
	v.Offset, v.Doubt, v.Told = align(ref.Events, v.Events)
	if v.Offset == 0 {
		return
	}
	for i := range v.Events {
		e := &v.Events[i]
		if !e.Time.IsZero() {
			e.Time = e.Time.Add(v.Offset)
		}
		for _, n := range []*int64{&e.Before.From, &e.Before.To, &e.Before.ARPSince} {
			if *n != 0 {
				*n += int64(v.Offset)
			}
		}
	}
}

// lease takes the newest lease that was told, with the usual T1 and T2 where
// they were not.
func (c *Conversation) lease() {
	for _, v := range c.Views {
		l := v.Lease
		l.At = l.At.Add(v.Offset)
		l.Time, l.T1, l.T2 = cmp.Or(l.Time, c.Lease.Time), cmp.Or(l.T1, c.Lease.T1), cmp.Or(l.T2, c.Lease.T2)
		if v.Lease.Addr != (IPv4{}) && (c.Lease.Addr == (IPv4{}) || l.At.After(c.Lease.At)) {
			c.Lease = l
		} else {
			c.Lease.Time, c.Lease.T1, c.Lease.T2 = cmp.Or(c.Lease.Time, l.Time), cmp.Or(c.Lease.T1, l.T1), cmp.Or(c.Lease.T2, l.T2)
		}
		for _, e := range v.Events {
			setAddr(&c.Addr, e.Addr)
		}
	}
	setAddr(&c.Addr, c.Lease.Addr)
	if c.Lease.T1 == 0 {
		c.Lease.T1 = c.Lease.Time / 2
	}
	if c.Lease.T2 == 0 {
		c.Lease.T2 = c.Lease.Time * 7 / 8
	}
}

// trouble finds the break: as the client's side tells it, else as the others.
func (c *Conversation) trouble() {
	v := c.witness()
	if v == nil {
		c.Good = c.lastGood(time.Time{})
		return
	}
	c.Break, c.Over = v.spell.since, v.spell.over
	c.Good = c.lastGood(c.Break)
}

// witness is the view whose spell counts: the client's own, for it alone knows
// what was taken.
func (c *Conversation) witness() *View {
	var found *View
	for i := range c.Views {
		v := &c.Views[i]
		if v.spell == nil || c.denied(v) {
			continue
		}
		if found == nil || later(v.spell, found.spell) {
			found = v
		}
	}
	return found
}

// later: another trouble, after the first was over.
func later(a, b *spell) bool { return !b.over.IsZero() && a.since.After(b.over.Add(patience)) }

// denied reports whether a client's own view, which was there at the time,
// knows nothing of the spell.
func (c *Conversation) denied(v *View) bool {
	if v.Point.Client() {
		return false
	}
	for i := range c.Views {
		o := &c.Views[i]
		if o.Point.Client() && o.Told && !o.from().After(v.spell.since) && o.until().After(v.spell.since.Add(patience)) {
			return true
		}
	}
	return false
}

// lastGood is when the last answer was taken before the break (zero: at all),
// as the nearest to the client tells it.
func (c *Conversation) lastGood(before time.Time) time.Time {
	for _, v := range c.Views {
		for _, e := range slices.Backward(v.Events) {
			if (e.Kind == Ack || e.Kind == Bound) && (before.IsZero() || e.Time.Before(before)) {
				return e.Time
			}
		}
	}
	return time.Time{}
}
