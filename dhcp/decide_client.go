package dhcp

import (
	"fmt"
	"time"

	"github.com/stackmend/stackmend"
)

// died: the client's end was told, before it was in any trouble.
func (f *facts) died(v *Verdict) bool {
	s := f.clientLog
	if s == nil || len(s.Events) == 0 {
		return false
	}
	last := s.Events[len(s.Events)-1]
	if last.Kind != Died || !f.Break.IsZero() {
		return false
	}
	return v.is(ClientDied, stackmend.High, "the client ended at %s%s, and none was started again", instant(last.Time), because(last.Reason))
}

// begunAnew: Kea's log has the client's request for the lease that it had
// before, and at once that it began anew, which is what refused clients do. That
// it refuses Kea tells at debug level 15 and higher alone.
func (f *facts) begunAnew(v *Verdict) bool {
	s := f.serverLog
	if s == nil || s.Trace.Format != Kea || !f.Break.IsZero() || f.vanished || len(f.clients()) > 0 {
		return false
	}
	for i := len(s.Events) - 2; i >= 0; i-- {
		ask, next := s.Events[i], s.Events[i+1]
		if ask.Kind != Request || next.Kind != Discover || next.XID == ask.XID || next.Time.Sub(ask.Time) > time.Second {
			continue
		}
		v.Break = ask.Time
		for _, e := range s.Events[i+1:] {
			if e.Kind == Ack {
				v.Recovered = e.Time
				break
			}
		}
		v.Evidence = append(v.Evidence, stackmend.Evidence{Source: s.Trace.Name, At: next.Time, Value: fmt.Sprintf("it began anew %v after it had asked for %s", next.Time.Sub(ask.Time).Round(time.Millisecond), ask.Addr)})
		return v.is(ServerRefuses, stackmend.Medium, "the client asked for %s, had no lease of it and began anew at once, as clients do that are refused", ask.Addr)
	}
	return false
}

// duplicate: two clients speak with one MAC. A client does not go back to a
// transaction that it has left for another.
func (f *facts) duplicate(v *Verdict) bool {
	for _, s := range f.all() {
		if turns := interleaved(s.Events); turns >= 2 {
			return v.is(DuplicateMAC, f.bothSidesOf(turns >= 3), "two clients speak with this MAC: their transactions take turns, %d times in %s", turns, s.Trace.Name)
		}
		what, all := "names", s.Names
		if len(all) < 2 {
			what, all = "client identifiers", s.ClientIDs
		}
		if alternating(s.Events) >= 3 && len(all) > 1 {
			return v.is(DuplicateMAC, stackmend.Medium, "two clients speak with this MAC, by the %s %s and %s in turns", what, all[0], all[1])
		}
	}
	return f.surplus(v)
}

// interleaved counts returns to a transaction after another one. Bounded, for
// a track keeps few events.
func interleaved(events []Event) (turns int) {
	seen := map[uint32]bool{}
	var now uint32
	for _, e := range events {
		if !e.Kind.Asks() || e.XID == 0 || e.XID == now {
			continue
		}
		if seen[e.XID] {
			turns++
		}
		seen[e.XID] = true
		now = e.XID
	}
	return turns
}

// alternating counts changes of the name, or of the identifier, that a client
// gives.
func alternating(events []Event) (turns int) {
	var now uint8
	for _, e := range events {
		if e.Who != 0 && e.Who != now {
			now = e.Who
			turns++
		}
	}
	return turns
}

// surplus: the server had requests that the client, which was well, never
// sent.
func (f *facts) surplus(v *Verdict) bool {
	c, s := f.clientLog, f.serverLog
	if f.clientCap != nil {
		c = f.clientCap
	}
	if f.serverCap != nil {
		s = f.serverCap
	}
	if c == nil || s == nil || !c.Told && !s.Told || c.Left+s.Left > 0 {
		return false
	}
	sent, came := 0, 0
	for _, e := range c.Events {
		if e.Kind == Request {
			sent++
		}
	}
	for _, e := range s.Events {
		if e.Kind == Request && !e.Time.Before(c.from().Add(-c.Doubt)) && !e.Time.After(c.until().Add(c.Doubt)) {
			came++
		}
	}
	if sent == 0 || came < sent+2 {
		return false
	}
	v.Evidence = append(v.Evidence, stackmend.Evidence{Source: s.Trace.Name, Value: fmt.Sprintf("%d requests arrived while the client sent %d", came, sent)})
	return v.is(DuplicateMAC, stackmend.Medium, "the server had %d requests of this MAC that its client did not send: another instance has the same MAC", came-sent)
}
