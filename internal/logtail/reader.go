package logtail

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"strings"
)

// Options say how lines are read. Their zero value reads every line.
type Options struct {
	// MaxLine is the longest line, in bytes, that is returned whole; what is
	// longer is cut there. Zero: 64 KiB.
	MaxLine int
	// Match, if set, returns only lines that have one of these words in
	// their first MaxLine bytes. The comparison is of bytes, in this case.
	Match []string
	// Take, if set, is offered whole lines before they are looked for: text
	// begins with the line after line number before of its file and has every
	// line's end. Take returns how many bytes and lines of it, from its
	// beginning, are done; these are not returned. It is offered the rest
	// again after the next Line. A line may be longer than MaxLine.
	Take func(text []byte, before int64) (n int, lines int64)
}

// DefaultMaxLine is what a zero Options.MaxLine means, in bytes.
const DefaultMaxLine = 64 << 10

// A Line is one line of a log. Text belongs to the Reader and is overwritten
// by the next line.
type Line struct {
	Text    []byte // without its end: "\n" or "\r\n"; without NUL bytes before it
	Source  string // the file, or what New was told
	Number  int64  // from 1 in each file
	Dropped int64  // bytes by which the line was cut
	NUL     int64  // NUL bytes before it: a hole that a crash or copytruncate left
	Partial bool   // the file ended without an end of line
}

// An input is one file of what a Reader reads.
type input struct {
	name string
	io.Reader
	close func() error
}

// inputs hands out one input after the other, io.EOF after the last. An error
// of one input is given beside it or without it, and the next one follows.
type inputs interface {
	next(ctx context.Context) (*input, error)
	close() error
}

// A Reader reads lines.
type Reader struct {
	ctx   context.Context
	in    inputs
	cur   *input
	words [][]byte
	seek  []seeker
	offer func([]byte, int64) (int, int64)
	plain bool // no word has a byte that may not be of the line where it stands
	max   int
	line  Line
	errs  []error
	done  bool

	// buf[pos:whole] are unread lines with their ends, buf[whole:end] is the
	// beginning of one.
	buf             []byte
	pos, whole, end int
	found           []int // where each seeker found a word next in buf; less than pos: not looked
	ended           bool  // the current input has no more
	nul             int64 // NUL bytes left out before buf[whole]
}

// New returns a Reader of r, which may be compressed. The name is what lines
// give as their Source. The ctx is looked at before each read of r.
func New(ctx context.Context, r io.Reader, name string, o Options) *Reader {
	return newReader(ctx, &single{in: &input{name: name, Reader: r, close: func() error { return nil }}}, o)
}

// single is one input.
type single struct{ in *input }

func (s *single) next(context.Context) (*input, error) {
	if s.in == nil {
		return nil, io.EOF
	}
	in := s.in
	s.in = nil
	return decompress(in)
}

func (s *single) close() error { return nil }

func newReader(ctx context.Context, in inputs, o Options) *Reader {
	if o.MaxLine <= 0 {
		o.MaxLine = DefaultMaxLine
	}
	r := &Reader{ctx: ctx, in: in, max: o.MaxLine, offer: o.Take, buf: make([]byte, max(4*o.MaxLine, 256<<10))}
	r.plain = true
	for _, w := range o.Match {
		r.words = append(r.words, []byte(w))
		r.plain = r.plain && !strings.ContainsAny(w, "\x00\r\n")
	}
	r.seek = seekers(r.words, r.plain)
	r.found = make([]int, len(r.seek))
	return r
}

// Lines returns the lines that have not been read yet. It ends at the end of
// the last file, when the context ends, or at an error; Err tells which.
func (r *Reader) Lines() iter.Seq[Line] {
	return func(yield func(Line) bool) {
		for r.next() {
			if !yield(r.line) {
				return
			}
		}
	}
}

// Err returns what could not be read, nil if all was. A file of a set that is
// damaged or cannot be opened does not keep the others from being read: their
// errors are joined. After the context ended it is compatible with errors.Is
// and the context's cause.
func (r *Reader) Err() error { return errors.Join(r.errs...) }

// Close closes the files. It does not touch the io.Reader that New was given.
func (r *Reader) Close() error {
	r.done = true
	return errors.Join(r.closeCurrent(), r.in.close())
}

// next reads the next line that matches.
func (r *Reader) next() bool {
	for !r.done {
		switch {
		case r.pos < r.whole:
			if r.take() {
				return true
			}
		case r.cur == nil:
			r.open()
		case r.ended:
			if r.takeLast() {
				return true
			}
		default:
			if r.fill() {
				return true
			}
		}
	}
	return false
}

// take takes the next line of buf[pos:whole] that has a word. It reports
// whether there was one.
func (r *Reader) take() bool {
	if r.offer != nil && r.offered() {
		return false
	}
	if len(r.words) == 0 {
		n := bytes.IndexByte(r.buf[r.pos:r.whole], '\n')
		return r.takeLine(r.pos, n, false)
	}
	found := r.nextFound()
	at := r.pos
	n := bytes.IndexByte(r.buf[at:r.whole], '\n')
	if found > at+n { // not in the next line: skip to its own
		at = r.lineOf(found)
		r.line.Number += int64(bytes.Count(r.buf[r.pos:at], newline))
		r.nul = 0
		if r.pos = at; at == r.whole {
			return false
		}
		n = bytes.IndexByte(r.buf[at:r.whole], '\n')
	}
	return r.takeLine(at, n, r.plain && n <= r.max)
}

// offered offers the lines of buf[pos:whole]. It reports whether all of them
// are done.
func (r *Reader) offered() bool {
	n, lines := r.offer(r.buf[r.pos:r.whole], r.line.Number)
	if n > 0 {
		r.pos += n
		r.line.Number += lines
		r.nul = 0
	}
	return r.pos >= r.whole
}

// takeLine takes the line of n bytes at a place. Sure: a word was found in it.
func (r *Reader) takeLine(at, n int, sure bool) bool {
	r.pos = at + n + 1
	r.tell(r.buf[at:at+n], 0, false)
	return sure || r.matches(r.line.Text)
}

var newline = []byte{'\n'}

// lineOf returns where the line begins that position i is in.
func (r *Reader) lineOf(i int) int {
	if i >= r.whole {
		return r.whole
	}
	return r.pos + bytes.LastIndexByte(r.buf[r.pos:i], '\n') + 1
}

// nextFound returns where the first of the words stands at pos or after it.
func (r *Reader) nextFound() int {
	first := r.whole
	for i, s := range r.seek {
		if r.found[i] < r.pos {
			r.found[i] = r.whole
			if n := s.index(r.buf[r.pos:r.whole]); n >= 0 {
				r.found[i] = r.pos + n
			}
		}
		first = min(first, r.found[i])
	}
	return first
}

// tell makes text the current line.
func (r *Reader) tell(text []byte, dropped int64, partial bool) {
	nul := r.nul
	r.nul = 0
	r.line.Number++
	if len(text) > 0 && text[0] == 0 {
		hole := leadingNUL(text)
		nul += int64(hole)
		text = text[hole:]
	}
	if len(text) > r.max {
		dropped += int64(len(text) - r.max)
		text = text[:r.max]
	}
	if n := len(text); dropped == 0 && n > 0 && text[n-1] == '\r' {
		text = text[:n-1]
	}
	r.line.Text, r.line.Dropped, r.line.Partial, r.line.NUL = text, dropped, partial, nul
}

func leadingNUL(text []byte) int {
	for i, c := range text {
		if c != 0 {
			return i
		}
	}
	return len(text)
}

func (r *Reader) matches(text []byte) bool {
	for _, w := range r.words {
		if bytes.Contains(text, w) {
			return true
		}
	}
	return len(r.words) == 0
}
