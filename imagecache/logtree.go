package imagecache

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"path"
	"slices"
	"strings"
	"time"
)

// ErrLogUnread: a log that could not be read, or not to its end. It wraps why.
var ErrLogUnread = errors.New("imagecache: log not read")

// LogRemovals yields what the logs of a tree tell of deleted base images,
// file by file in the order of their names: rotated ones too, packed with
// gzip or bzip2 or not. A line that names no host is that of its folder, as
// rsyslog keeps one for each host; in a tree without such folders its host
// stays empty. zone is that of times without one; nil: UTC.
//
// What cannot be read, or not to its end, gives one ErrLogUnread and the walk
// goes on. When ctx ends, its cause is the last error.
func LogRemovals(ctx context.Context, fsys fs.FS, zone *time.Location) iter.Seq2[Removal, error] {
	return func(yield func(Removal, error) bool) {
		w := logWalk{ctx: ctx, fsys: fsys, zone: zone, yield: yield}
		if err := fs.WalkDir(fsys, ".", w.visit); err != nil && !errors.Is(err, errEnough) {
			yield(Removal{}, err)
		}
	}
}

// errEnough: the caller wants no more.
var errEnough = errors.New("enough")

type logWalk struct {
	ctx   context.Context
	fsys  fs.FS
	zone  *time.Location
	yield func(Removal, error) bool
}

func (w *logWalk) visit(name string, d fs.DirEntry, err error) error {
	if w.ctx.Err() != nil {
		return context.Cause(w.ctx)
	}
	if err == nil && d.Type().IsRegular() {
		err = w.file(name, d)
	}
	switch {
	case err == nil:
		return nil
	case w.ctx.Err() != nil:
		return context.Cause(w.ctx)
	case errors.Is(err, errEnough) || !w.yield(Removal{}, fmt.Errorf("%w: %s: %w", ErrLogUnread, name, err)):
		return errEnough
	}
	return nil
}

func (w *logWalk) file(name string, d fs.DirEntry) error {
	info, err := d.Info()
	if err != nil {
		return err
	}
	f, err := w.fsys.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	r, err := unpacked(interruptible{w.ctx, f})
	if err != nil {
		return err
	}
	l := NovaLog{Host: hostOf(name), Zone: w.zone, Modified: info.ModTime()}
	for rm, err := range l.Removals(r) {
		if err != nil {
			return err
		}
		if !w.yield(rm, nil) {
			return errEnough
		}
	}
	return nil
}

// interruptible stops reading when ctx ends.
type interruptible struct {
	ctx context.Context
	r   io.Reader
}

func (i interruptible) Read(p []byte) (int, error) {
	if i.ctx.Err() != nil {
		return 0, context.Cause(i.ctx)
	}
	return i.r.Read(p)
}

// unpacked goes by the first bytes, not by the name: logs are renamed.
func unpacked(r io.Reader) (io.Reader, error) {
	b := bufio.NewReader(r)
	magic, err := b.Peek(6)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(magic, []byte("\x1f\x8b")):
		return gzip.NewReader(b)
	case bytes.HasPrefix(magic, []byte("BZh")):
		return bzip2.NewReader(b), nil
	case bytes.HasPrefix(magic, []byte("\x28\xb5\x2f\xfd")), bytes.HasPrefix(magic, []byte("\xfd7zXZ\x00")):
		return nil, errors.New("packed with zstd or xz: unpack it first")
	}
	return b, nil
}

// notHosts are folders that stand between that of a host and its logs.
var notHosts = []string{".", "nova", "nova-compute", "kolla", "log", "logs", "var", "openstack", "containers", "archive", "old"}

// hostOf is the innermost folder that may be named after a host.
func hostOf(name string) string {
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		base := path.Base(dir)
		if !slices.Contains(notHosts, strings.ToLower(base)) && strings.Trim(base, "0123456789-_.") != "" {
			return base
		}
	}
	return ""
}
