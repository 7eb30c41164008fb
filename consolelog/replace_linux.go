package consolelog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/stackmend/stackmend"
	"golang.org/x/sys/unix"
)

// aside is the name of the copy, and after the exchange of the old file. It
// must not look like console.log.N, which nova would return.
func (b bound) aside() string { return ".stackmend-" + b.name }

// exchanged reports whether the old file lies aside: a run was killed before
// it could remove it.
func (b bound) exchanged() bool {
	var st unix.Stat_t
	err := unix.Lstat(filepath.Join(b.site.Instances, b.folder, b.aside()), &st)
	return err == nil && fileID{st.Dev, st.Ino}.String() == b.step.Assumes[seenFile]
}

// dropOld removes the old file. All that was to be archived of it is.
func (b bound) dropOld() error {
	path := filepath.Join(b.site.Instances, b.folder)
	if err := os.Remove(filepath.Join(path, b.aside())); err != nil {
		return fmt.Errorf("consolelog: %w", err)
	}
	return syncFolder(path)
}

// replace puts a copy of the log's end in its place. Nobody may have the log
// open: the kernel's write lease says so.
func (c *cutter) replace(ctx context.Context, log *os.File) error {
	c.f = log
	e, err := extentOf(log)
	if err != nil || e.held() <= c.limit {
		return err
	}
	end := (e.size - c.keep) / align * align
	var m *Manifest
	if c.archive {
		if m, err = c.archived(ctx, e.hole, end); err != nil {
			return err
		}
	}
	if err := c.w.Gate(ctx); err != nil {
		return err
	}
	if err := c.copyEnd(log, end); err != nil {
		return errors.Join(fmt.Errorf("consolelog: %s: %w", c.step.Target, err), unix.Unlinkat(int(c.dir.Fd()), c.aside(), 0))
	}
	c.w.Progress(c.done, 0, "bytes")
	if err := c.exchange(log, e.size); err != nil {
		if c.exchanged() { // and could not be put back: it is the log itself that lies aside
			return fmt.Errorf("%w: %w", stackmend.ErrUncertain, err)
		}
		return errors.Join(err, unix.Unlinkat(int(c.dir.Fd()), c.aside(), 0))
	}
	c.w.Progress(c.done, 0, "bytes")
	if m != nil {
		err = m.set(Removed)
	}
	return errors.Join(err, c.dropOld())
}

// archived archives a range, if a run that was killed has not.
func (c *cutter) archived(ctx context.Context, from, to int64) (*Manifest, error) {
	open, err := c.pending(c.f)
	if err != nil {
		return nil, err
	}
	for _, m := range open {
		still, err := m.still(c.f)
		if err != nil {
			return nil, err
		}
		if still && m.From == from && m.To == to {
			return m, nil
		}
		if err := m.set(Superseded); err != nil {
			return nil, err
		}
	}
	return c.store(ctx, from, to)
}

// copyEnd makes the copy, with the owner, mode and labels of the original.
func (c *cutter) copyEnd(log *os.File, from int64) error {
	dir := int(c.dir.Fd())
	if err := unix.Unlinkat(dir, c.aside(), 0); err != nil && !errors.Is(err, unix.ENOENT) {
		return err
	}
	fd, err := unix.Openat(dir, c.aside(), unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), c.aside())
	defer f.Close()
	if err := likeOwner(fd, int(log.Fd())); err != nil {
		return err
	}
	if _, err := io.Copy(f, io.NewSectionReader(log, from, 1<<62)); err != nil {
		return err
	}
	return f.Sync()
}

func likeOwner(fd, original int) error {
	var st unix.Stat_t
	if err := unix.Fstat(original, &st); err != nil {
		return err
	}
	if err := unix.Fchown(fd, int(st.Uid), int(st.Gid)); err != nil {
		return err
	}
	if err := unix.Fchmod(fd, st.Mode&0o7777); err != nil {
		return err
	}
	value := make([]byte, 64<<10)
	for _, name := range []string{"security.selinux", "system.posix_acl_access"} {
		n, err := unix.Fgetxattr(original, name, value)
		if errors.Is(err, unix.ENODATA) || errors.Is(err, unix.EOPNOTSUPP) {
			continue
		}
		if err == nil {
			err = unix.Fsetxattr(fd, name, value[:n], 0)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// exchange swaps the two names while a lease keeps everybody from opening the
// log. Whoever came to open it in that moment waits in the kernel with the
// old file in hand: the names are then put back.
func (c *cutter) exchange(log *os.File, size int64) error {
	stale := func(got string) error {
		return &stackmend.StaleError{Target: c.step.Target, Key: seenWriters, Want: c.step.Assumes[seenWriters], Got: got}
	}
	fd, dir := log.Fd(), int(c.dir.Fd())
	if _, err := unix.FcntlInt(fd, unix.F_SETLEASE, unix.F_WRLCK); err != nil {
		return stale("somebody has it open: " + err.Error())
	}
	defer unix.FcntlInt(fd, unix.F_SETLEASE, unix.F_UNLCK)
	if info, err := log.Stat(); err != nil || info.Size() != size {
		return errors.Join(stale("it was written just now"), err)
	}
	swap := func() error { return unix.Renameat2(dir, c.name, dir, c.aside(), unix.RENAME_EXCHANGE) }
	if err := swap(); err != nil {
		return fmt.Errorf("consolelog: %s: exchanging it with its copy: %w", c.step.Target, err)
	}
	if held, err := unix.FcntlInt(fd, unix.F_GETLEASE, 0); err != nil || held != unix.F_WRLCK {
		return errors.Join(stale("somebody came to open it"), err, swap())
	}
	return c.dir.Sync()
}
