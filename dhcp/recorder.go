package dhcp

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"
)

// A recorder gathers the tracks of one trace, in bounded memory.
type recorder struct {
	trace  *Trace
	o      ReadOptions
	tracks table[Track]
	named  map[string]*Track // clients whose MAC is not told, by host and interface
	last   *Track
	full   int64 // events of clients beyond the limit
	words  map[string]string
	minute minute
	events *store
	fresh  []Track // allocated together
	thick  []Event // of the track that is thinned
}

func newRecorder(name string, at Point, o ReadOptions) *recorder {
	if o.MaxClients <= 0 {
		o.MaxClients = DefaultMaxClients
	}
	return &recorder{trace: &Trace{Name: name, Point: at}, o: o,
		events: &store{}, named: map[string]*Track{}, words: map[string]string{}}
}

// track returns the track of a client; nil when there are too many.
func (r *recorder) track(m MAC) *Track {
	if r.last != nil && r.last.MAC == m {
		return r.last
	}
	t := r.tracks.get(m)
	if t == nil {
		if len(r.tracks.all)+len(r.named) >= r.o.MaxClients {
			r.last = nil // what is told of this client is not the last one's
			return nil
		}
		t = r.newTrack()
		t.MAC = m
		r.tracks.put(m, t)
	}
	r.last = t
	return t
}

// newTrack makes a track, of many clients several at once.
func (r *recorder) newTrack() *Track {
	if len(r.fresh) == 0 {
		r.fresh = make([]Track, min(len(r.tracks.all)/8+1, pageLen))
	}
	t := &r.fresh[0]
	r.fresh = r.fresh[1:]
	t.Events.in = r.events
	return t
}

// client returns the track of a client that is known by its host's name.
func (r *recorder) client(host string) *Track {
	t := r.named[host]
	if t == nil {
		if len(r.tracks.all)+len(r.named) >= r.o.MaxClients {
			return nil
		}
		t = r.newTrack()
		t.Host, t.MAC = host, r.o.MAC
		r.named[host] = t
	}
	return t
}

// add appends an event to a track, or to those of the daemon where t is nil.
func (r *recorder) add(t *Track, e Event) {
	if !e.Time.IsZero() {
		if e.Time.Before(r.o.Since) {
			return
		}
		r.see(e.Time)
	}
	t.Events.add(&e)
	r.bound(t, e.Time)
}

// bound drops events of a track that has too many; the last is of this time.
func (r *recorder) bound(t *Track, at time.Time) {
	limit := MaxEvents
	if len(r.tracks.all) > manyTracks {
		limit = FewEvents
	}
	if t.Events.n >= limit {
		r.thin(t, limit, rhythmOf(r.trace.Point, t.Lease, at))
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
	if s, ok := r.words[string(b)]; ok {
		return s
	}
	s := string(bytes.ToValidUTF8(b[:min(len(b), maxWord)], []byte("\ufffd")))
	if len(r.words) < maxWords {
		r.words[s] = s
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

// who notes a name or client identifier of a track, and returns its number.
func (r *recorder) who(list *[]string, name []byte) uint8 {
	if len(name) == 0 {
		return 0
	}
	for i, known := range *list {
		if known == string(name) {
			return uint8(i + 1)
		}
	}
	if len(*list) < maxNames {
		word := r.word(name)
		if i := slices.Index(*list, word); i >= 0 || word == "" {
			return uint8(i + 1)
		}
		*list = append(*list, word)
	}
	return uint8(len(*list))
}

// maxNames bounds the names of one MAC.
const maxNames = 8

// thin drops events of a track that has limit of them: it keeps those around
// the beginning of the last trouble, and the newest.
func (r *recorder) thin(t *Track, limit int, rh rhythm) {
	if n := t.Events.n; n == limit && t.Events.calm(rh) {
		t.Events.keepNewest(limit / 2)
		t.Left += int64(n - t.Events.n)
		return
	}
	r.thick = t.Events.appendTo(r.thick[:0])
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
	t.Events.clear()
	for i := range r.thick {
		if i >= from && i < to || i >= rest {
			t.Events.add(&r.thick[i])
		}
	}
	t.Left += int64(n - t.Events.n)
}

// finish returns the trace as it is now; the tracks are not copied.
func (r *recorder) finish() *Trace {
	now := *r.trace
	t := &now
	t.Daemon, t.Unseen, t.Server.Ranges = slices.Clone(t.Daemon), slices.Clone(t.Unseen), slices.Clone(t.Server.Ranges)
	t.Tracks = slices.Clone(r.tracks.all)
	for _, host := range r.named {
		t.Tracks = append(t.Tracks, host)
	}
	slices.SortFunc(t.Tracks, func(a, b *Track) int {
		if c := cmp.Compare(keyOf(a.MAC), keyOf(b.MAC)); c != 0 {
			return c
		}
		return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.Interface, b.Interface))
	})
	t.Rate = r.minute.rate()
	if r.full > 0 {
		t.Unseen = append(t.Unseen, fmt.Sprintf("%s: %d events of clients beyond the first %d", t.Name, r.full, r.o.MaxClients))
	}
	return t
}
