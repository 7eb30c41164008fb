package consolelog

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/stackmend/stackmend"
	"golang.org/x/sys/unix"
)

// rounds is how often a log is cut anew because it was filled up to its limit
// while it was cut.
const rounds = 8

// do bounds the log.
func (b bound) do(ctx context.Context, w *stackmend.Work) error {
	if b.method == Rename && b.exchanged() {
		return b.dropOld()
	}
	dir, lock, err := b.open(unix.O_RDONLY)
	if err != nil {
		return b.opened(err)
	}
	defer dir.Close()
	defer lock.Close()
	if err := b.holds(ctx, lock, true); err != nil {
		return err
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return refuse(b.step, "another run is at this log: "+err.Error())
	}
	c := &cutter{bound: b, dir: dir, w: w}
	if b.method == Rename {
		return c.replace(ctx, lock)
	}
	fd, err := unix.Openat(int(dir.Fd()), b.name, unix.O_RDWR|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return b.opened(err)
	}
	c.f = os.NewFile(uintptr(fd), b.step.Target)
	defer c.f.Close()
	return c.shorten(ctx)
}

// cutter is one Do at work.
type cutter struct {
	bound
	dir  *os.File // the instance's folder
	f    *os.File // the log, open for writing
	w    *stackmend.Work
	done int64 // bytes removed
}

// shorten cuts until the log is within its limit.
func (c *cutter) shorten(ctx context.Context) error {
	if err := c.settle(ctx); err != nil {
		return err
	}
	for range rounds {
		e, err := extentOf(c.f)
		if err != nil {
			return err
		}
		if e.held() <= c.limit {
			c.applier.leave(c.step.Target, e)
			return nil
		}
		if err := c.cut(ctx, e); err != nil {
			return err
		}
		if err := c.collapse(ctx); err != nil {
			return err
		}
	}
	return fmt.Errorf("consolelog: %s is filled faster than it can be bounded", c.step.Target)
}

// settle completes what a run that was killed left: bytes that are archived
// and still there, a hole that was to be collapsed.
func (c *cutter) settle(ctx context.Context) error {
	if c.archive {
		if err := c.settleArchive(ctx); err != nil {
			return err
		}
	}
	return c.collapse(ctx)
}

// stretchBytes is how much becomes a hole between two looks at the writers:
// that takes a fraction of a second, and a look goes through all open files of
// the host.
const stretchBytes = 1 << 30

// cut removes what is before the end that is kept, stretch by stretch.
func (c *cutter) cut(ctx context.Context, e extent) error {
	end, step := (e.size-c.keep)/align*align, int64(stretchBytes)
	if c.archive {
		step = c.site.Archive.Segment
	}
	for from := e.hole; from < end; {
		to := min(end, (from+step)/align*align)
		if err := c.w.Gate(ctx); err != nil {
			return err
		}
		if err := c.holds(ctx, c.f, false); err != nil {
			return err
		}
		if err := c.stretch(ctx, from, to); err != nil {
			return err
		}
		c.done += to - from
		c.w.Progress(c.done, end-e.hole, "bytes")
		from = to
	}
	return nil
}

// stretch archives one range, if asked, and makes a hole of it.
func (c *cutter) stretch(ctx context.Context, from, to int64) error {
	if !c.archive {
		return c.punch(from, to)
	}
	m, err := c.store(ctx, from, to)
	if err != nil {
		return err
	}
	return c.remove(m)
}

// pieceBytes is how much becomes a hole in one call. The kernel lets nobody
// write to the file meanwhile, and a guest whose console cannot be written
// stands still: this much takes a few milliseconds.
const pieceBytes = 16 << 20

// punch makes a hole. The size stays.
func (c *cutter) punch(from, to int64) error {
	for at := from; at < to; at += pieceBytes {
		err := fallocate(c.f, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, at, min(pieceBytes, to-at))
		if err != nil {
			return fmt.Errorf("consolelog: %s: making a hole: %w", c.step.Target, err)
		}
	}
	return nil
}

// collapse takes the hole at the beginning out of the file. There is nothing
// in it that could be lost.
func (c *cutter) collapse(ctx context.Context) error {
	if c.method != Collapse {
		return nil
	}
	e, err := extentOf(c.f)
	if err != nil || e.hole <= align {
		return err
	}
	c.w.Progress(c.done, 0, "bytes")
	if err := c.holds(ctx, c.f, false); err != nil {
		return err
	}
	n := min(e.hole, e.size-1) / align * align
	if err := fallocate(c.f, unix.FALLOC_FL_COLLAPSE_RANGE, 0, n); err != nil {
		return fmt.Errorf("consolelog: %s: its head is a hole and takes no space, but the hole of %d bytes cannot be collapsed: %w", c.step.Target, n, err)
	}
	c.w.Progress(c.done, 0, "bytes")
	return nil
}

func fallocate(f *os.File, mode uint32, at, n int64) error {
	for {
		err := unix.Fallocate(int(f.Fd()), mode, at, n)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
