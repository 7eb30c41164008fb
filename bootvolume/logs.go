package bootvolume

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"regexp"
	"time"

	"github.com/stackmend/stackmend/internal/logtail"
)

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
	clock := &logtail.Clock{Now: o.Now, Zone: o.Zone}
	read := l.oslo
	if o.Source == HAProxy {
		read = l.haproxy
	}
	for line := range r.Lines() {
		if line.Dropped > 0 || line.Partial {
			l.Cut++
		}
		if !line.Partial {
			read(clock, line.Text, o)
		}
	}
	return r.Err()
}

func (l *Logs) oslo(clock *logtail.Clock, text []byte, o Log) {
	stamp, rest, ok := clock.Stamp(text)
	if !ok {
		return // what follows a header: a traceback's lines without one
	}
	e, known, ok := parseOslo(string(plain(rest)))
	l.cover(o.Source, stamp.Time)
	if o.Source == API {
		if l.APIs == nil {
			l.APIs = make(map[string]Span)
		}
		l.APIs[o.Host] = l.APIs[o.Host].with(stamp.Time)
	}
	if !known || !ok || stamp.Time.Before(o.Since) {
		return
	}
	e.At, e.Host = stamp.Time, o.Host
	l.Events = append(l.Events, e)
}

func (l *Logs) haproxy(clock *logtail.Clock, text []byte, o Log) {
	r, at, ok := parseHAProxy(string(text))
	if !ok {
		l.Unread++
		return
	}
	stamp, _, ok := clock.Stamp([]byte(at))
	if !ok {
		l.Unread++
		return
	}
	// The line is written when the request ends, and has the time at which it
	// began: the log was written at both.
	l.cover(o.Source, stamp.Time)
	l.cover(o.Source, stamp.Time.Add(max(r.Total, 0)))
	if stamp.Time.Before(o.Since) {
		return
	}
	r.At, r.Host = stamp.Time, o.Host
	l.Requests = append(l.Requests, r)
}

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

func (l *Logs) cover(s Source, t time.Time) {
	if l.Spans == nil {
		l.Spans = make(map[Source]Span)
	}
	l.Spans[s] = l.Spans[s].with(t)
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
