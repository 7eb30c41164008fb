package logtail

import (
	"context"
	"errors"
	"io"
	"iter"
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
	// again after the next Line, and from the next line with a word on. A
	// line may be longer than MaxLine.
	Take func(text []byte, before int64) (n int, lines int64)
	// Swap, if set, says before each reading which buffer to read to: the last
	// one, or another that is not smaller, and then what Take took of the last
	// one stays as it is.
	Swap func(last []byte) []byte
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
	ctx  context.Context
	in   inputs
	cur  *input
	errs []error
	done bool

	scanner // whose buf[whole:end] is the beginning of a line
	swap    func([]byte) []byte
	end     int  // of buf
	ended   bool // the current input has no more
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
	r := &Reader{ctx: ctx, in: in, scanner: newScanner(o), swap: o.Swap}
	r.buf = make([]byte, max(4*r.max, 256<<10))
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
