package dhcp

import (
	"bytes"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"
)

// A recorder gathers the tracks of one trace, in bounded memory.
type recorder struct {
	trace   *Trace
	o       ReadOptions
	clients pages[station]
	known   table               // their numbers
	named   map[string]*station // those whose MAC is not told, by host and interface
	last    *station
	full    int64 // events of clients beyond the limit
	words   map[string]uint16
	names   []string // the words, by their numbers
	texts   texts
	rests   pages[rest]
	minute  minute
	events  *store
	thick   []Event      // of the client that is thinned
	clean   []byte       // the last name
	beside  func(*Track) // tells what else is known of a client; nil: nothing
}

func newRecorder(name string, at Point, o ReadOptions) *recorder {
	if o.MaxClients <= 0 {
		o.MaxClients = DefaultMaxClients
	}
	return &recorder{trace: &Trace{Name: name, Point: at}, o: o,
		events: &store{}, named: map[string]*station{}, words: map[string]uint16{}}
}

// client returns the client of a MAC; nil when there are too many.
func (r *recorder) client(m MAC) *station {
	if r.last == nil || r.last.mac != m {
		r.last = r.knownClient(m)
	}
	if r.last == nil { // what is told of this client is not the last one's
		if r.last = r.newClient(m); r.last != nil {
			r.known.put(m).client = r.clients.n
		}
	}
	return r.last
}

// knownClient returns the client of a MAC; nil: there is none.
func (r *recorder) knownClient(m MAC) *station {
	if n := r.known.get(m).client; n != 0 {
		return r.clients.at(n)
	}
	return nil
}

// clientAt returns the client that is known by its host's name.
func (r *recorder) clientAt(host string) *station {
	c := r.named[host]
	if c == nil {
		if c = r.newClient(r.o.MAC); c != nil {
			r.named[host] = c
		}
	}
	return c
}

// add appends an event to those of a client.
func (r *recorder) add(c *station, e Event) {
	if !e.Time.IsZero() {
		if e.Time.Before(r.o.Since) {
			return
		}
		r.see(e.Time)
	}
	c.add(r.events, &e)
	r.bound(c, e.Time)
}

// bound drops events of a client that has too many; the last is of this time.
func (r *recorder) bound(c *station, at time.Time) {
	limit := MaxEvents
	if int(r.clients.n)-len(r.named) > manyTracks {
		limit = FewEvents
	}
	if int(c.n) >= limit {
		r.thin(c, limit, rhythmOf(r.trace.Point, c.lastLease(), at))
	}
}

// manyTracks is from where on each keeps less.
const manyTracks = 10_000

// daemon notes what is not of one client. Of many starts and ends the last
// ones matter.
func (r *recorder) daemon(e Event) {
	if e.Time.Before(r.o.Since) && !e.Time.IsZero() {
		return
	}
	r.see(e.Time)
	r.trace.Daemon = append(r.trace.Daemon, e)
	if n := len(r.trace.Daemon); n > 2*MaxEvents {
		r.trace.Daemon = slices.Delete(r.trace.Daemon, 0, n-MaxEvents)
	}
}

// see widens the time that the trace covers.
func (r *recorder) see(at time.Time) {
	if at.IsZero() {
		return
	}
	if r.trace.From.IsZero() || at.Before(r.trace.From) {
		r.trace.From = at
	}
	if at.After(r.trace.Until) {
		r.trace.Until = at
	}
}

// word returns a string for bytes that come again and again.
func (r *recorder) word(b []byte) string {
	b = bytes.TrimSpace(b)
	if len(b) == 0 {
		return ""
	}
	if n, ok := r.words[string(b)]; ok {
		return r.names[n-1]
	}
	s := string(bytes.ToValidUTF8(b[:min(len(b), maxWord)], []byte("\ufffd")))
	if _, ok := r.words[s]; !ok && len(r.names) < maxWords {
		r.names = append(r.names, s)
		r.words[s] = uint16(len(r.names))
	}
	return s
}

// appendClean appends what word makes a string of.
func appendClean(to, b []byte) []byte {
	b = bytes.TrimSpace(b)
	b = b[:min(len(b), maxWord)]
	if !utf8.Valid(b) {
		b = bytes.ToValidUTF8(b, []byte("\ufffd"))
	}
	return append(to, b...)
}

const (
	maxWord  = 200   // bytes of a name or reason
	maxWords = 4_096 // that are remembered
)

// thin drops events of a client that has limit of them: it keeps those around
// the beginning of the last trouble, and the newest.
func (r *recorder) thin(c *station, limit int, rh rhythm) {
	if n := int(c.n); n == limit && c.calm(r.events, rh) {
		c.keepNewest(r.events, uint32(limit/2))
		c.left += int64(n) - int64(c.n)
		return
	}
	r.thick = c.appendTo(r.thick[:0], r.events)
	n := len(r.thick)
	from, to := 0, 0
	if s := lastSpell(spells(r.thick, rh)); s != nil {
		from = max(0, s.from-limit/8)
		to = min(n, s.from+limit/4)
	}
	rest := max(to, n-limit/2)
	if from == 0 && rest == to {
		rest = min(n, to+limit/4) // the trouble is all there is: its middle goes
	}
	c.clear(r.events)
	for i := range r.thick {
		if i >= from && i < to || i >= rest {
			c.add(r.events, &r.thick[i])
		}
	}
	c.left += int64(n) - int64(c.n)
}

// finish returns the trace as it is now; events are not copied.
func (r *recorder) finish() *Trace {
	now := *r.trace
	t := &now
	t.Daemon, t.Unseen, t.Server.Ranges = slices.Clone(t.Daemon), slices.Clone(t.Unseen), slices.Clone(t.Server.Ranges)
	t.Tracks = r.makeTracks()
	t.Rate = r.minute.rate()
	if r.full > 0 {
		t.Unseen = append(t.Unseen, fmt.Sprintf("%s: %d events of clients beyond the first %d", t.Name, r.full, r.o.MaxClients))
	}
	return t
}
