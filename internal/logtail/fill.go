package logtail

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
)

// open goes on to the next input.
func (r *Reader) open() {
	if err := r.ctx.Err(); err != nil {
		r.stop(context.Cause(r.ctx))
		return
	}
	in, err := r.in.next(r.ctx)
	switch {
	case errors.Is(err, io.EOF):
		r.done = true
	case r.ctx.Err() != nil:
		r.stop(context.Cause(r.ctx))
	case err != nil:
		r.fail(err)
	}
	if in != nil {
		r.cur, r.ended, r.nul = in, false, 0
		r.line = Line{Source: in.name}
		r.pos, r.whole, r.end = 0, 0, 0
	}
}

// stop ends the reading.
func (r *Reader) stop(err error) {
	r.fail(err)
	r.done = true
}

// fail notes an error, and no more than a hundred: a set may have any number
// of files that cannot be read.
func (r *Reader) fail(err error) {
	if err != nil && len(r.errs) < 100 {
		r.errs = append(r.errs, err)
	}
}

// fill reads once. It reports whether that made a line that matches: one that
// is too long for the buffer.
func (r *Reader) fill() bool {
	last := r.buf
	if r.swap != nil {
		r.buf = r.swap(last)
	}
	r.end = copy(r.buf, last[r.whole:r.end])
	r.pos, r.whole = 0, 0
	if hole := leadingNUL(r.buf[:r.end]); hole > 0 {
		r.nul += int64(hole)
		r.end = copy(r.buf, r.buf[hole:r.end])
	}
	if r.end > r.max {
		return r.takeGiant()
	}
	r.read(r.end)
	return false
}

// read reads once to buf[at:] and finds where the last whole line ends.
func (r *Reader) read(at int) {
	n := r.readSome(r.buf[at:])
	r.end = at + n
	r.whole = 0
	if i := bytes.LastIndexByte(r.buf[at:r.end], '\n'); i >= 0 {
		r.whole = at + i + 1
	}
	r.forget()
}

// readSome reads at least one byte, or ends the input.
func (r *Reader) readSome(p []byte) int {
	for range 100 {
		if r.ctx.Err() != nil {
			r.ended = true
			r.stop(context.Cause(r.ctx))
			return 0
		}
		n, err := r.cur.Read(p)
		if err != nil {
			r.ended = true
			r.noteRead(err)
		}
		if n > 0 || err != nil {
			return n
		}
	}
	r.ended = true
	r.noteRead(io.ErrNoProgress)
	return 0
}

func (r *Reader) noteRead(err error) {
	switch {
	case errors.Is(err, io.EOF):
	case r.ctx.Err() != nil:
		r.stop(context.Cause(r.ctx))
	default:
		r.fail(fmt.Errorf("%s: %w", r.cur.name, err))
	}
}

// takeLast takes what stands between the last end of line and the end of the
// file.
func (r *Reader) takeLast() bool {
	text := r.buf[r.whole:r.end]
	r.pos, r.whole, r.end = 0, 0, 0
	r.fail(r.closeCurrent())
	if leadingNUL(text) == len(text) {
		return false
	}
	r.tell(text, 0, true)
	return r.matches(r.line.Text)
}

// takeGiant takes the line whose beginning fills buf[:max], and reads on to
// its end without keeping it.
func (r *Reader) takeGiant() bool {
	dropped := int64(r.end - r.max)
	for !r.ended {
		n := r.readSome(r.buf[r.max:])
		r.end = r.max + n
		i := bytes.IndexByte(r.buf[r.max:r.end], '\n')
		if i < 0 {
			dropped += int64(n)
			continue
		}
		r.pos = r.max + i + 1
		r.whole = r.max + bytes.LastIndexByte(r.buf[r.max:r.end], '\n') + 1
		r.forget()
		r.tell(r.buf[:r.max], dropped+int64(i), false)
		return r.matches(r.line.Text)
	}
	r.pos, r.whole, r.end = 0, 0, 0
	r.tell(r.buf[:r.max], dropped, true)
	return r.matches(r.line.Text)
}

func (r *Reader) closeCurrent() error {
	if r.cur == nil {
		return nil
	}
	err := r.cur.close()
	r.cur = nil
	return err
}
