package consolelog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/stackmend/stackmend"
	"golang.org/x/sys/unix"
)

// open opens the log below Site.Instances without following any symbolic link
// there. It returns the folder as well.
func (b bound) open(flags int) (dir, f *os.File, err error) {
	top, err := os.Open(b.site.Instances)
	if err != nil {
		return nil, nil, err
	}
	defer top.Close()
	fd, err := unix.Openat(int(top.Fd()), b.folder, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, nil, &os.PathError{Op: "open", Path: b.step.Target, Err: err}
	}
	dir = os.NewFile(uintptr(fd), b.folder)
	fd, err = unix.Openat(fd, b.name, flags|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		dir.Close()
		return nil, nil, &os.PathError{Op: "open", Path: b.step.Target, Err: err}
	}
	return dir, os.NewFile(uintptr(fd), b.step.Target), nil
}

// absent reports whether an open failed for what stands in the log's place.
func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ENXIO)
}

// recheck compares what the step assumes with what is there.
func (b bound) recheck(ctx context.Context) error {
	if b.method == Rename && b.exchanged() {
		return nil // done but for the old file, which is still there
	}
	dir, f, err := b.open(unix.O_RDONLY)
	if err != nil {
		return b.opened(err)
	}
	defer dir.Close()
	defer f.Close()
	return b.holds(ctx, f, true)
}

// opened turns the failure of an open into what it says about the step.
func (b bound) opened(err error) error {
	if absent(err) {
		return b.step.Holds(map[string]string{seenFile: "not there: " + err.Error()})
	}
	return fmt.Errorf("consolelog: %w", err)
}

// holds looks at the open log and its writers. With lease it also asks the
// kernel for writers that /proc does not show; f must then be the only
// descriptor that we have of it.
func (b bound) holds(ctx context.Context, f *os.File, lease bool) error {
	l, err := b.look(ctx, f, lease)
	if err != nil {
		return fmt.Errorf("consolelog: %s: %w", b.step.Target, err)
	}
	seen := map[string]string{seenFile: fileID{l.Dev, l.Ino}.String(), seenWriters: describe(l.Writers)}
	if !l.Mode.IsRegular() || l.Links != 1 {
		seen[seenFile] = fmt.Sprintf("%v with %d names", l.Mode.Type(), l.Links)
	}
	if l.Looked == Hidden {
		seen[seenWriters] = "somebody who is not seen in /proc"
	}
	if err := b.step.Holds(seen); err != nil {
		return err
	}
	return b.fits(l)
}

// fits asks the policy once more: the plan may come from anywhere.
func (b bound) fits(l Log) error {
	f, err := readFilesystem(b.site.Instances + "/" + b.folder)
	if err != nil {
		return fmt.Errorf("consolelog: %w", err)
	}
	l.Filesystem = f.ID
	method, why := Policy{Writers: b.site.Writers}.method(&Snapshot{Filesystems: []Filesystem{f}}, l)
	if why != "" {
		return refuse(b.step, why)
	}
	if method != b.method {
		return &stackmend.StaleError{Target: b.step.Target, Key: argMethod, Want: b.method, Got: method}
	}
	return nil
}

// look is what Observe would see of this one log.
func (b bound) look(ctx context.Context, f *os.File, lease bool) (Log, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return Log{}, err
	}
	sc := scanner{root: b.site.Instances}
	l := sc.log(b.folder, b.name, &st)
	if !l.Mode.IsRegular() {
		return l, nil
	}
	id := fileID{l.Dev, l.Ino}
	seen, err := readProcesses(ctx, b.site.Proc, map[fileID]bool{id: true})
	if err != nil {
		return l, err
	}
	l.Looked, l.Writers = Complete, seen.writers[id]
	if seen.hidden > 0 {
		l.Looked = Unreadable
	}
	if lease && len(l.Writers) == 0 && l.Looked == Complete {
		written, err := openForWriting(int(f.Fd()))
		if err != nil {
			return l, err
		}
		if written {
			l.Looked = Hidden
		}
	}
	return l, nil
}

// verify looks whether the log is within its limit.
func (b bound) verify() error {
	dir, f, err := b.open(unix.O_RDONLY)
	if err != nil {
		return errors.Join(stackmend.ErrNotDone, err)
	}
	defer dir.Close()
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return err
	}
	same := fileID{st.Dev, st.Ino}.String() == b.step.Assumes[seenFile]
	if same == (b.method == Rename) || st.Mode&unix.S_IFMT != unix.S_IFREG || b.method == Rename && b.exchanged() {
		return fmt.Errorf("%w: another file is there, or the same where it was to be replaced", stackmend.ErrNotDone)
	}
	e, err := extentOf(f)
	if err != nil {
		return err
	}
	full := e.held() > b.limit && !b.applier.grew(b.step.Target, e)
	if full || b.method == Collapse && e.hole > align {
		return fmt.Errorf("%w: it holds %d bytes, after a hole of %d", stackmend.ErrNotDone, e.held(), e.hole)
	}
	return b.noted(f)
}

// noted says whether the archive knows of all that was removed.
func (b bound) noted(f *os.File) error {
	if !b.archive || b.method == Rename {
		return nil
	}
	open, err := b.pending(f)
	if err == nil && len(open) > 0 {
		return fmt.Errorf("%w: %s is archived, and it is not noted that it was removed", stackmend.ErrNotDone, open[0].Archive())
	}
	return err
}

func extentOf(f *os.File) (extent, error) {
	info, err := f.Stat()
	if err != nil {
		return extent{}, err
	}
	hole, err := leadingHole(f)
	return extent{min(hole, info.Size()), info.Size()}, err
}
