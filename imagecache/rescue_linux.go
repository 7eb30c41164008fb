package imagecache

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/stackmend/stackmend"
	"golang.org/x/sys/unix"
)

// openHeld opens the deleted file that the step is about, if the process
// still has it: the same inode on the same filesystem, without a name.
func (p *place) openHeld(s stackmend.Step) (file, fileInfo, error) {
	for _, n := range []string{s.Args[argPID], s.Args[argFD]} {
		if _, err := strconv.ParseUint(n, 10, 31); err != nil {
			return file{-1}, fileInfo{}, refused("the step names process %q, file %q", s.Args[argPID], s.Args[argFD])
		}
	}
	dir := filepath.Join(p.site.proc(), s.Args[argPID])
	at := filepath.Join(dir, "fd", s.Args[argFD])
	link, err := os.Readlink(at)
	if err != nil {
		return file{-1}, fileInfo{}, err
	}
	if deletedBase(link, p.site.subdir()) != s.Target || writable(dir, s.Args[argFD]) {
		return file{-1}, fileInfo{}, stale(s, "file held by process "+s.Args[argPID], "deleted "+s.Target+", read only", link)
	}
	fd, err := openat(unix.AT_FDCWD, at, unix.O_RDONLY|unix.O_NONBLOCK)
	if err != nil {
		return file{-1}, fileInfo{}, &fs.PathError{Op: "open", Path: at, Err: err}
	}
	f := file{fd}
	i, err := f.stat()
	if err == nil && (!i.regular() || i.Links != 0 || i.Dev != p.dev) {
		err = stale(s, "file held by process "+s.Args[argPID], "deleted", fmt.Sprintf("%d names, device %d", i.Links, i.Dev))
	}
	if err != nil {
		f.Close()
		return file{-1}, i, err
	}
	return f, i, nil
}

func stale(s stackmend.Step, key, want, got string) error {
	return &stackmend.StaleError{Target: s.Target, Key: key, Want: want, Got: got}
}

func lookRescue(_ context.Context, p *place, s stackmend.Step) (map[string]string, error) {
	if !isBaseName(s.Target) {
		return nil, refused("%q is no name of a base image", s.Target)
	}
	f, i, err := p.openHeld(s)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	seen := facts(i)
	seen[seenTarget], err = target(p.base, s.Target)
	return seen, err
}

// doRescue copies the deleted file, proves the copy, and gives it the name.
func doRescue(ctx context.Context, p *place, s stackmend.Step, w *stackmend.Work) error {
	if err := verifyRescue(ctx, p, s); !errors.Is(err, stackmend.ErrNotDone) {
		return err
	}
	if err := p.holds(ctx, verb{look: lookRescue}, s); err != nil {
		return err
	}
	src, i, err := p.openHeld(s)
	if err != nil {
		return err
	}
	defer src.Close()
	tmp := fmt.Sprintf(".rescue-%d.part", i.Ino)
	dst, err := p.makeCopy(ctx, tmp, src, i, w)
	if err != nil {
		return err
	}
	defer dst.Close()
	return p.locked(ctx, s.Target, func() error {
		if err := p.holds(ctx, verb{look: lookRescue}, s); err != nil {
			return errors.Join(err, p.base.unlink(tmp))
		}
		return staleIfTaken(move(p.base, tmp, p.base, s.Target), s)
	})
}

// makeCopy makes the proven copy with owner, mode and label of the original.
func (p *place) makeCopy(ctx context.Context, tmp string, src file, i fileInfo, w *stackmend.Work) (*os.File, error) {
	if err := p.room(i.Bytes); err != nil {
		return nil, err
	}
	if err := p.base.unlink(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	fd, err := unix.Openat(p.base.fd, tmp, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, &fs.PathError{Op: "create", Path: tmp, Err: err}
	}
	dst := os.NewFile(uintptr(fd), tmp)
	err = fill(ctx, dst, src, i, w)
	if err == nil {
		err = likeness(file{fd}, src, i)
	}
	if err == nil {
		err = dst.Sync()
	}
	if err != nil {
		return nil, errors.Join(err, dst.Close(), p.base.unlink(tmp))
	}
	return dst, nil
}

// room refuses to fill the filesystem that all guests write to.
func (p *place) room(n int64) error {
	var st unix.Statfs_t
	if err := unix.Fstatfs(p.base.fd, &st); err != nil {
		return os.NewSyscallError("fstatfs", err)
	}
	if free := int64(st.Bavail) * st.Bsize; free < n {
		return refused("%s has %d bytes free, the image needs %d", p.site.baseDir(), free, n)
	}
	return nil
}

// fill copies and proves: the copy as read back, and the original as read
// again, have the content that was copied, and the original did not change.
func fill(ctx context.Context, dst *os.File, src file, i fileInfo, w *stackmend.Work) error {
	c := &copying{ctx: ctx, w: w, size: i.Size, total: 3 * i.Size}
	want, err := c.pass(src, dst)
	if err != nil {
		return err
	}
	if err := errors.Join(dst.Truncate(i.Size), dst.Sync()); err != nil {
		return err
	}
	// read from the disk, not from memory; where that cannot be asked for
	// the comparison still stands
	_ = unix.Fadvise(int(dst.Fd()), 0, 0, unix.FADV_DONTNEED)
	for name, r := range map[string]io.ReaderAt{"copy": dst, "original": src} {
		got, err := c.pass(r, nil)
		if err != nil {
			return err
		}
		if !bytes.Equal(got, want) {
			return fmt.Errorf("imagecache: rescue: the %s has another content than was copied", name)
		}
	}
	after, err := src.stat()
	if err == nil && (after.Size != i.Size || !after.ModTime.Equal(i.ModTime)) {
		err = fmt.Errorf("imagecache: rescue: the original changed while it was copied")
	}
	return err
}

const (
	copyChunk = 1 << 20
	gateEvery = 64 // chunks
)

type copying struct {
	ctx               context.Context
	w                 *stackmend.Work
	size, done, total int64
}

// pass reads all of r, writes it to dst if there is one, and returns the
// hash. Chunks of zeros become holes.
func (c *copying) pass(r io.ReaderAt, dst *os.File) ([]byte, error) {
	h := sha256.New()
	buf, zero := make([]byte, copyChunk), make([]byte, copyChunk)
	for off, n := int64(0), 0; off < c.size; n++ {
		b := buf[:min(copyChunk, c.size-off)]
		if got, err := r.ReadAt(b, off); got < len(b) {
			return nil, fmt.Errorf("imagecache: rescue: %d of %d bytes at %d: %w", got, len(b), off, readError(err))
		}
		h.Write(b)
		if dst != nil && !bytes.Equal(b, zero[:len(b)]) {
			if _, err := dst.WriteAt(b, off); err != nil {
				return nil, err
			}
		}
		off += int64(len(b))
		c.done += int64(len(b))
		if err := c.gate(n); err != nil {
			return nil, err
		}
	}
	return h.Sum(nil), nil
}

func (c *copying) gate(n int) error {
	if err := c.ctx.Err(); err != nil {
		return err
	}
	c.w.Progress(c.done, c.total, "bytes")
	if n%gateEvery != gateEvery-1 {
		return nil
	}
	return c.w.Gate(c.ctx)
}

// readError explains the one error that people will meet.
func readError(err error) error {
	if errors.Is(err, unix.ESTALE) {
		return fmt.Errorf("another NFS client deleted the file and the server has dropped it: nothing can be read any more: %w", err)
	}
	return err
}

// verifyRescue compares what lies under the name with what is still held.
func verifyRescue(ctx context.Context, p *place, s stackmend.Step) error {
	got, err := p.base.open(s.Target)
	if errors.Is(err, fs.ErrNotExist) {
		return stackmend.ErrNotDone
	}
	if err != nil {
		return err
	}
	defer got.Close()
	src, i, err := p.openHeld(s)
	if err != nil {
		return fmt.Errorf("imagecache: %s is there; whether it is what was deleted cannot be seen any more: %w", s.Target, err)
	}
	defer src.Close()
	if same, err := equal(ctx, got, src, i.Size); err != nil || same {
		return err
	}
	return stale(s, seenTarget, free, "taken by another file")
}

func equal(ctx context.Context, a, b file, size int64) (bool, error) {
	if i, err := a.stat(); err != nil || i.Size != size {
		return false, err
	}
	x, y := make([]byte, copyChunk), make([]byte, copyChunk)
	for off := int64(0); off < size; off += copyChunk {
		n := min(copyChunk, size-off)
		_, errX := a.ReadAt(x[:n], off)
		_, errY := b.ReadAt(y[:n], off)
		if err := errors.Join(errX, errY, ctx.Err()); err != nil {
			return false, readError(err)
		}
		if !bytes.Equal(x[:n], y[:n]) {
			return false, nil
		}
	}
	return true, nil
}
