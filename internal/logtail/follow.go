package logtail

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

// FollowOptions say how a log is followed. Their zero value begins with the
// beginning of the log and looks twice a second.
type FollowOptions struct {
	Options
	// FromEnd begins with what is written after Follow was called.
	FromEnd bool
	// Poll is how often the log is looked at when nothing new is there.
	// Zero: half a second.
	Poll time.Duration
}

// DefaultPoll is what a zero FollowOptions.Poll means.
const DefaultPoll = 500 * time.Millisecond

// Follow returns a Reader of the log at path, whose Lines wait for what is
// appended until ctx ends. When the log is replaced by another file, the rest
// of the old one is read before the new one; when it is shorter than before,
// it was truncated and is read from its beginning. What is written and
// truncated away between two looks is not seen. A log that does not exist (any
// more) is waited for.
//
// It looks (stat) instead of being told (inotify), so that it works on network
// file systems too. A file system which is not the operating system's cannot
// tell one file from another: there only a shorter log is noticed.
func Follow(ctx context.Context, fsys fs.FS, name string, o FollowOptions) *Reader {
	if o.Poll <= 0 {
		o.Poll = DefaultPoll
	}
	f := &follower{fsys: fsys, name: name, poll: o.Poll}
	if o.FromEnd {
		f.skipExisting(ctx)
	}
	return newReader(ctx, f, o.Options)
}

// follower gives the files that stand at one path, one after the other.
type follower struct {
	fsys  fs.FS
	name  string
	poll  time.Duration
	ready *input // opened by skipExisting
}

func (f *follower) close() error {
	if f.ready == nil {
		return nil
	}
	return f.ready.close()
}

func (f *follower) skipExisting(ctx context.Context) {
	in, err := f.open(ctx)
	if err != nil {
		return // it is waited for, and all of it is new
	}
	g := in.Reader.(*growing)
	if s, ok := g.file.(io.Seeker); ok {
		if n, err := s.Seek(0, io.SeekEnd); err == nil {
			g.offset = n
		}
	} else {
		g.offset, _ = io.Copy(io.Discard, g.file)
	}
	f.ready = in
}

// next waits until there is a file.
func (f *follower) next(ctx context.Context) (*input, error) {
	if in := f.ready; in != nil {
		f.ready = nil
		return in, nil
	}
	for {
		in, err := f.open(ctx)
		if err == nil {
			return in, nil
		}
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
			return nil, errors.Join(err, pause(ctx, f.poll))
		}
		if err := pause(ctx, f.poll); err != nil {
			return nil, err
		}
	}
}

func (f *follower) open(ctx context.Context) (*input, error) {
	info, err := fs.Stat(f.fsys, f.name)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", f.name)
	}
	if err != nil {
		return nil, fmt.Errorf("logtail: %w", err)
	}
	file, err := f.fsys.Open(f.name)
	if err != nil {
		return nil, fmt.Errorf("logtail: %w", err)
	}
	return f.input(&growing{ctx: ctx, f: f, file: file}), nil
}

func (f *follower) input(g *growing) *input { return &input{f.name, g, g.Close} }

// pause waits, or returns why the context ended.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

// growing reads a file that is appended to. It ends when another file has
// taken its place, or when it was truncated.
type growing struct {
	ctx    context.Context
	f      *follower
	file   fs.File
	offset int64
	last   bool // nothing more will come after what is there
	again  bool // the file is handed to another growing, which reads it from its beginning
}

func (g *growing) Close() error {
	if g.again {
		return nil
	}
	return g.file.Close()
}

func (g *growing) Read(p []byte) (int, error) {
	for {
		n, err := g.file.Read(p)
		g.offset += int64(n)
		if n > 0 {
			return n, nil
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		if g.last || g.truncated() {
			return 0, io.EOF
		}
		if g.replaced() {
			g.last = true // read once more: it may have grown before it was replaced
			continue
		}
		if err := pause(g.ctx, g.f.poll); err != nil {
			return 0, err
		}
	}
}

// truncated looks whether the file has become shorter, and has it read anew.
func (g *growing) truncated() bool {
	mine, err := g.file.Stat()
	if err != nil || mine.Size() >= g.offset {
		return false
	}
	if s, ok := g.file.(io.Seeker); ok {
		if _, err := s.Seek(0, io.SeekStart); err == nil {
			g.again = true
			g.f.ready = g.f.input(&growing{ctx: g.ctx, f: g.f, file: g.file})
		}
	}
	return true
}

// replaced looks whether another file stands at the path. One that is missing
// for the moment is waited for.
func (g *growing) replaced() bool {
	mine, err := g.file.Stat()
	if err != nil {
		return true
	}
	now, err := fs.Stat(g.f.fsys, g.f.name)
	if err != nil {
		return false
	}
	id := sameFile(mine, now)
	return id == other || id == unsaid && now.Size() < g.offset
}

type identity int

const (
	unsaid identity = iota // the file system does not know
	same
	other
)

func sameFile(a, b fs.FileInfo) identity {
	switch {
	case a == nil || b == nil || !os.SameFile(a, a):
		return unsaid
	case os.SameFile(a, b):
		return same
	}
	return other
}
