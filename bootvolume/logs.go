package bootvolume

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"regexp"
	"slices"
	"time"

	"github.com/stackmend/stackmend/internal/logtail"
)

// mostText is how much of a line of nova or cinder is kept: a failure may
// quote whole answers, and its beginning says what it is.
const mostText = 8 << 10

// A Log says what the lines of one log do not tell themselves.
type Log struct {
	Source Source
	Host   string
	Now    time.Time      // when it was read
	Zone   *time.Location // of times without one; nil: UTC
	Since  time.Time      // leave out what is older
}

// ReadFiles adds a log with its rotated files. The error is compatible with
// errors.Is(err, fs.ErrNotExist) if there is none.
func (l *Logs) ReadFiles(ctx context.Context, fsys fs.FS, name string, o Log) error {
	r, err := logtail.Open(ctx, fsys, name, logtail.Options{})
	if err != nil {
		return err
	}
	defer r.Close()
	return l.lines(r, o)
}

// Read adds a log.
func (l *Logs) Read(ctx context.Context, r io.Reader, name string, o Log) error {
	lines := logtail.New(ctx, r, name, logtail.Options{})
	defer lines.Close()
	return l.lines(lines, o)
}

func (l *Logs) lines(r *logtail.Reader, o Log) error {
	in := &reading{Logs: l, of: o, clock: &logtail.Clock{Now: o.Now, Zone: o.Zone}, once: map[string]string{}}
	read := in.oslo
	if o.Source == HAProxy {
		read = in.haproxy
	}
	for line := range r.Lines() {
		if line.Dropped > 0 || line.Partial {
			l.Cut++
		}
		if !line.Partial {
			in.name = line.Source
			read(line.Text)
		}
	}
	return r.Err()
}

// A reading is one log while it is read.
type reading struct {
	*Logs
	of    Log
	name  string // of the file
	clock *logtail.Clock
	last  [toSecond]byte    // the stamp that was read last, to its second
	after int               // where that line goes on after its stamp; 0: none yet
	once  map[string]string // texts that events repeat, each kept once
}

// toSecond is how much of a stamp tells the second, in the forms that matter.
const toSecond = len("2006-01-02 15:04:05")

// again reports whether a stamp is of the same second as the last one: many
// lines are, and reading a stamp costs more than all else does.
func (r *reading) again(stamp []byte) bool {
	return r.after > 0 && len(stamp) > toSecond && string(stamp[:toSecond]) == string(r.last[:])
}

func (r *reading) stamp(text []byte) (t time.Time, rest []byte, ok bool) {
	s, rest, ok := r.clock.Stamp(text)
	if ok {
		r.after = len(text) - len(rest)
		copy(r.last[:], text)
	}
	return s.Time, rest, ok
}

func (r *reading) oslo(text []byte) {
	if len(text) > 0 && text[0] == '{' {
		r.json(text)
		return
	}
	if r.again(text) && len(text) > r.after && text[r.after] == ' ' && isDigit(text[r.after-1]) && !mayMatter(text[r.after:]) {
		return
	}
	at, rest, ok := r.stamp(text)
	if !ok {
		return // what follows a header: a traceback's lines without one
	}
	r.cover(at)
	if at.Before(r.of.Since) || !mayMatter(rest) {
		return
	}
	rest = plain(rest)
	e, _, ok := parseOslo(string(rest[:min(len(rest), mostText)]))
	if !ok {
		return
	}
	r.keep(e, at)
}

func (r *reading) keep(e Event, at time.Time) {
	switch e.Kind { // of some, every service says so of whatever failed
	case "":
		return
	case Unmade:
		if r.of.Source != Volume {
			return
		}
	case Conflict, Uncounted:
		if r.of.Source != API {
			return
		}
	}
	e.At, e.Host = at, r.of.Host
	if len(r.Events) == cap(r.Events) { // append would copy a long list several times as often
		r.Events = slices.Grow(r.Events, len(r.Events)+1)
	}
	r.Events = append(r.Events, e.alone(r.once))
}

// haproxy keeps the requests that create volumes; of the others it takes when
// they were, for what a log does not have counts only while it was written.
func (r *reading) haproxy(text []byte) {
	begin := stampAt(text)
	if begin < 0 {
		r.Unread++
		return
	}
	posts := bytes.Contains(text[begin:], post)
	if !posts && r.again(text[begin:]) {
		return
	}
	at, _, ok := r.stamp(text[begin:])
	if !ok {
		r.Unread++
		return
	}
	r.cover(at)
	if posts {
		r.post(string(text), at)
	}
}

// post keeps a request that creates a volume.
func (r *reading) post(line string, at time.Time) {
	q, ok := parseHAProxy(line)
	if !ok {
		r.Unread++
		return
	}
	if !q.createsVolume() {
		return
	}
	// The line is written when the request ends, and has the time at which it
	// began: the log was written at both.
	r.cover(at.Add(max(q.Total, 0)))
	if at.Before(r.of.Since) {
		return
	}
	q.At, q.Host = at, r.of.Host
	r.Requests = append(r.Requests, q.alone())
}

var post = []byte(`"POST `)

// plain takes the colours away that oslo.log writes where it takes its output
// for a terminal, as some containers have it.
func plain(text []byte) []byte {
	if !bytes.Contains(text, escape) {
		return text
	}
	return colours.ReplaceAll(text, nil)
}

var (
	escape  = []byte{0x1b}
	colours = regexp.MustCompile("\x1b\\[[0-9;]*m")
)

// cover notes that the file was written at that time.
func (r *reading) cover(t time.Time) {
	is := func(f FileSpan) bool { return f.Source == r.of.Source && f.Host == r.of.Host && f.Name == r.name }
	if n := len(r.Files); n == 0 || !is(r.Files[n-1]) {
		r.Files = append(r.Files, FileSpan{Source: r.of.Source, Host: r.of.Host, Name: r.name})
	}
	f := &r.Files[len(r.Files)-1]
	f.Span = f.with(t)
}

// with is the span that covers a time, too.
func (s Span) with(t time.Time) Span {
	if s.First.IsZero() || t.Before(s.First) {
		s.First = t
	}
	if t.After(s.Last) {
		s.Last = t
	}
	return s
}
