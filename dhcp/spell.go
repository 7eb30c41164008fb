package dhcp

import "time"

// A spell is a time in which a client asked and took no answer.
type spell struct {
	from, to int       // its first and last event
	asks     int       // that were not satisfied
	since    time.Time // of the first of them
	over     time.Time // of the answer that was taken at last; zero: none
}

// lastSpell returns the newest spell, nil if there is none.
func lastSpell(all []spell) *spell {
	if len(all) == 0 {
		return nil
	}
	return &all[len(all)-1]
}

// spells finds the spells of a track. That an answer went by does not mean
// that it was taken: a client which asks again long before it must has not
// taken it.
func spells(events []Event, r rhythm) []spell {
	var all []spell
	var open *spell
	soon := r.early(events)
	for i := 0; i < len(events); i++ {
		e := &events[i]
		switch {
		case e.Kind.Asks() && satisfied(events, i, soon):
			if open != nil && e.Kind == Request && r.taken(events, i) {
				open.over = answerTime(events, i)
				all, open = append(all, *open), nil
			}
		case e.Kind.Asks():
			if open == nil {
				open = &spell{from: i, since: e.Time}
			}
			open.to = i
			open.asks++
		case e.Kind.trouble():
			if open == nil {
				open = &spell{from: i, since: e.Time}
			}
			open.to = i
		case e.Kind == Bound && open != nil:
			open.over = e.Time
			all, open = append(all, *open), nil
		}
	}
	if open != nil {
		all = append(all, *open)
	}
	return drop(all, events)
}

// drop leaves out what is no trouble: requests that were asked again at once,
// and then answered.
func drop(all []spell, events []Event) []spell {
	kept := all[:0]
	for _, s := range all {
		if s.asks > 1 && !s.brief() || s.over.IsZero() && s.lasts(events) || s.tells(events) {
			kept = append(kept, s)
		}
	}
	return kept
}

// patience is how long a client waits for an answer at least.
const patience = 10 * time.Second

// brief: a client asked again, and soon had its answer.
func (s spell) brief() bool {
	return !s.over.IsZero() && !s.since.IsZero() && s.over.Sub(s.since) < patience
}

func (s spell) lasts(events []Event) bool {
	last := events[len(events)-1].Time
	return !last.IsZero() && last.Sub(s.since) >= patience
}

// tells: a log said so itself.
func (s spell) tells(events []Event) bool {
	for _, e := range events[s.from : s.to+1] {
		if e.Kind.trouble() {
			return true
		}
	}
	return false
}

// trouble reports whether the event alone says that something is wrong.
func (k Kind) trouble() bool {
	switch k {
	case Nak, Expired, GaveUp, NoAddress, Ignored, BadChecksum, Unreachable, SendFailed:
		return true
	}
	return false
}

// A rhythm is how a client with a lease asks.
type rhythm struct {
	soon  time.Duration // a client that has its lease does not ask again so early
	guess bool          // its time of renewal was not told
	lease time.Duration // zero: not known
	until time.Time     // how far the track was observed
}

// rhythmOf is that of a track. Clients renew after half of the lease, dhclient
// after 0.4 of it at times, and ask again sooner when they have no answer. What
// a client's own log calls an answer was taken.
func rhythmOf(p Point, l Lease, until time.Time) rhythm {
	r := rhythm{soon: 3 * l.Time / 10, guess: true, lease: l.Time, until: until}
	switch {
	case p == ClientLog:
		r.soon = 0
	case l.T1 > 0: // told by the server; some take up to an eighth off
		r.soon, r.guess = 6*l.T1/10, false
	case l.Time <= 0:
		r.soon = 30 * time.Second
	}
	return r
}

// early is what counts as too early in these events. Where the time of renewal
// was not told (a server may give any) it is what the client itself once kept:
// one that renews in even steps takes its answers.
func (r rhythm) early(events []Event) time.Duration {
	if !r.guess || r.soon == 0 {
		return r.soon
	}
	var longest time.Duration
	var last time.Time
	for _, e := range events {
		if e.Kind != Request || e.Time.IsZero() {
			continue
		}
		if !last.IsZero() {
			longest = max(longest, e.Time.Sub(last))
		}
		last = e.Time
	}
	return r.soonest(longest)
}

// soonest is the same by the longest time between two requests.
func (r rhythm) soonest(longest time.Duration) time.Duration {
	if !r.guess || r.soon == 0 {
		return r.soon
	}
	return min(r.soon, 6*longest/10)
}

// taken reports whether the answer to the satisfied request at i ends a spell:
// the client then renewed in its time, or had taken the offer before, or is
// content since long enough.
func (r rhythm) taken(events []Event, i int) bool {
	if r.soon == 0 || i > 0 && events[i-1].Kind == Offer {
		return true
	}
	for _, e := range events[i+1:] {
		if e.Kind.Asks() || e.Kind == Bound {
			return true
		}
	}
	content := r.until.Sub(answerTime(events, i))
	return content >= r.soon && (r.lease == 0 || content < r.lease)
}

// satisfied reports whether the ask at i had an answer that was taken, as far
// as the track shows.
func satisfied(events []Event, i int, soon time.Duration) bool {
	ask := events[i]
	answered := false
	for _, e := range events[i+1:] {
		switch {
		case e.Kind == Bound || e.Kind == Ack && ask.Kind == Request || e.Kind == Offer && ask.Kind == Discover:
			if e.Kind == Bound {
				return true
			}
			answered = true
		case e.Kind == Nak:
			return false
		case e.Kind == Request && ask.Kind == Discover:
			return answered
		case e.Kind.Asks():
			return answered && ask.Kind == Request && !early(ask, e, soon)
		}
	}
	return answered && (ask.Kind == Request || i+2 >= len(events))
}

// early reports whether next comes so soon after ask that its answer cannot
// have been taken.
func early(ask, next Event, soon time.Duration) bool {
	return !ask.Time.IsZero() && next.Time.Sub(ask.Time) < soon
}

func answerTime(events []Event, i int) time.Time {
	for _, e := range events[i+1:] {
		if e.Kind == Ack || e.Kind == Bound {
			return e.Time
		}
	}
	return events[i].Time
}
