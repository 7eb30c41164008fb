package consolelog

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/stackmend/stackmend"
	"golang.org/x/sys/unix"
)

// store archives a range of the log. When it returns, the bytes and their
// manifest are on disk.
func (c *cutter) store(ctx context.Context, from, to int64) (*Manifest, error) {
	folder := filepath.Join(c.site.Archive.Dir, c.folder)
	if err := os.Mkdir(folder, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("consolelog: archive: %w", err)
	}
	if err := c.room(to - from); err != nil {
		return nil, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(c.f.Fd()), &st); err != nil {
		return nil, err
	}
	now := time.Now().UTC()
	base := filepath.Join(folder, c.name+"-"+now.Format("20060102T150405.000000000Z"))
	m := &Manifest{Schema: manifestSchema, Log: c.step.Target, Device: st.Dev, Inode: st.Ino,
		From: from, To: to, Created: now, State: Archived, base: base}
	partial := filepath.Join(folder, ".partial-"+strconv.FormatUint(st.Ino, 10))
	if err := c.fill(ctx, partial, m); err != nil {
		return nil, c.changed(errors.Join(err, remove(partial)))
	}
	c.w.Progress(c.done, 0, "bytes")
	if err := os.Rename(partial, base+".zst"); err != nil {
		return nil, fmt.Errorf("consolelog: archive: %w", err)
	}
	if err := syncFolder(folder); err != nil {
		return nil, fmt.Errorf("consolelog: archive: %w", err)
	}
	c.w.Progress(c.done, 0, "bytes")
	if err := m.write(); err != nil {
		return nil, fmt.Errorf("consolelog: archive: %w", err)
	}
	c.w.Progress(c.done, 0, "bytes")
	return m, nil
}

// changed says which assumption a log that shrank while it was read breaks.
func (c *cutter) changed(err error) error {
	if errors.Is(err, errShort) {
		return &stackmend.StaleError{Target: c.step.Target, Key: seenFile, Want: "growing", Got: "truncated while it was archived"}
	}
	return fmt.Errorf("consolelog: archive: %w", err)
}

// room refuses to begin what may not fit.
func (c *cutter) room(bytes int64) error {
	f, err := readFilesystem(c.site.Archive.Dir)
	if err != nil {
		return fmt.Errorf("consolelog: archive: %w", err)
	}
	if f.Free < bytes+align {
		return refuse(c.step, fmt.Sprintf("the archive has %s free, and %s are to go there", size(f.Free), size(bytes)))
	}
	return nil
}

// fill writes the compressed range to a file of our own, syncs it, and reads
// it back.
func (c *cutter) fill(ctx context.Context, path string, m *Manifest) error {
	if err := remove(path); err != nil {
		return err
	}
	var err error
	if m.Marks, err = markRange(c.f, m.From, m.To); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	sum := sha256.New()
	a := c.site.Archive
	err = compress(ctx, io.MultiWriter(f, sum), io.NewSectionReader(c.f, m.From, m.To-m.From), a.Workers, pacer(a.BytesPerSecond),
		func(read int64) error {
			c.w.Progress(c.done+read, 0, "bytes archived")
			return c.w.Gate(ctx)
		})
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		return err
	}
	m.SHA256 = hex.EncodeToString(sum.Sum(nil))
	m.Compressed, err = readBack(f, m.SHA256)
	return err
}

// readBack compares what a file holds with what was written to it.
func readBack(f *os.File, want string) (int64, error) {
	sum := sha256.New()
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return 0, err
	}
	n, err := io.Copy(sum, f)
	if err == nil && hex.EncodeToString(sum.Sum(nil)) != want {
		err = fmt.Errorf("%s does not hold what was written to it", f.Name())
	}
	return n, err
}

func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// remove takes an archived range out of the log, if it is still what was
// archived, and notes it.
func (c *cutter) remove(m *Manifest) error {
	still, err := m.still(c.f)
	if err != nil {
		return err
	}
	if !still {
		return errors.Join(&stackmend.StaleError{Target: c.step.Target, Key: seenFile, Want: "as archived in " + m.Archive(), Got: "changed since"}, m.set(Superseded))
	}
	if err := c.punch(m.From, m.To); err != nil {
		return err
	}
	c.w.Progress(c.done, 0, "bytes")
	if err := m.set(Removed); err != nil {
		return err
	}
	c.w.Progress(c.done, 0, "bytes")
	return nil
}

// settleArchive removes from the log what a run that was killed had archived.
func (c *cutter) settleArchive(ctx context.Context) error {
	open, err := c.pending(c.f)
	if err != nil {
		return err
	}
	for _, m := range open {
		if err := c.w.Gate(ctx); err != nil {
			return err
		}
		still, err := m.still(c.f)
		if err != nil {
			return err
		}
		if !still { // another log had this inode, or others truncated it
			if err := m.set(Superseded); err != nil {
				return err
			}
			continue
		}
		if err := c.remove(m); err != nil {
			return err
		}
	}
	return nil
}

// pending are the manifests of bytes that may still be in the open log.
func (b bound) pending(log *os.File) ([]*Manifest, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(log.Fd()), &st); err != nil {
		return nil, err
	}
	all, err := pending(filepath.Join(b.site.Archive.Dir, b.folder), fileID{st.Dev, st.Ino})
	if err != nil {
		return nil, fmt.Errorf("consolelog: archive: %w", err)
	}
	return all, nil
}
