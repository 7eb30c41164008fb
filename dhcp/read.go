package dhcp

import (
	"context"
	"fmt"
	"io"
	"io/fs"

	"github.com/stackmend/stackmend/internal/logtail"
)

// ReadLog reads a log of one client or of one server from r, plain or
// compressed. The error is of r, with what was read until then.
func ReadLog(ctx context.Context, r io.Reader, name string, f Format, o ReadOptions) (*Trace, error) {
	l := newLogReader(name, f, o)
	a := newAhead(l)
	err := a.collect(logtail.New(ctx, r, name, a.options()))
	return l.finish(), err
}

// ReadLogFiles reads a log with its rotated files, oldest first. The error is
// compatible with errors.Is and fs.ErrNotExist if there is none; files of the
// set that cannot be read are in Trace.Unseen.
func ReadLogFiles(ctx context.Context, fsys fs.FS, path string, f Format, o ReadOptions) (*Trace, error) {
	l := newLogReader(path, f, o)
	a := newAhead(l)
	r, err := logtail.Open(ctx, fsys, path, a.options())
	if err != nil {
		return nil, fmt.Errorf("dhcp: %w", err)
	}
	defer r.Close()
	err = a.collect(r)
	t := l.finish()
	if err != nil && ctx.Err() == nil {
		t.Unseen = append(t.Unseen, err.Error())
		err = nil
	}
	return t, err
}

// maxLine is longer than any line that is read here, in bytes; JSON of the
// journal is long.
const maxLine = 8 << 10

// options are those of a Reader whose lines are read one by one.
func (l *logReader) options() logtail.Options {
	return logtail.Options{MaxLine: maxLine, Match: l.look}
}
