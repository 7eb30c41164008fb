package imagecache

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/stackmend/stackmend"
	"golang.org/x/sys/unix"
)

// lookQuarantine sees what the step assumes of a base image.
func lookQuarantine(ctx context.Context, p *place, s stackmend.Step) (map[string]string, error) {
	id, err := entryOf(s)
	if err != nil {
		return nil, err
	}
	i, err := p.base.stat(s.Target)
	if errors.Is(err, fs.ErrNotExist) {
		return map[string]string{seenInode: "(no such file)"}, nil
	}
	if err != nil {
		return nil, err
	}
	seen := facts(i)
	seen[seenTarget] = free
	moving := false // a move by link that was interrupted
	if p.hasStore {
		if moving, err = hasInode(p.store, id, seen[seenInode]); err == nil && !moving {
			seen[seenTarget], err = target(p.store, id)
		}
		if err != nil {
			return nil, err
		}
	}
	if o := odd(s.Target, i); o != "" && !moving {
		return nil, refused("%s: %s", s.Target, o)
	}
	if seen[seenUsers], err = p.usersText(p.base, s.Target); err != nil {
		return nil, err
	}
	seen[seenReferences], err = p.needed(ctx, s.Target)
	return seen, err
}

// doQuarantine moves the image away. The manifest is on disk before the
// image moves; an image that someone touched in between is moved back.
func doQuarantine(ctx context.Context, p *place, s stackmend.Step, _ *stackmend.Work) error {
	id, err := entryOf(s)
	if err != nil {
		return err
	}
	return p.locked(ctx, s.Target, func() error {
		inBase, inStore, err := p.where(s, s.Target, id)
		if err == nil && inStore && !inBase {
			return nil // it was done before
		}
		if err := p.holds(ctx, verb{look: lookQuarantine}, s); err != nil {
			return err
		}
		if err := p.describe(s, id); err != nil {
			return err
		}
		if inStore { // a move by link that was interrupted
			err = errors.Join(p.base.unlink(s.Target), p.base.sync())
		} else {
			err = move(p.base, s.Target, p.store, id)
		}
		if err != nil {
			return err
		}
		return p.settled(s, id)
	})
}

// settled looks at the image once more where it lies now. nova touches an
// image before it waits for the lock, so its time tells of a user that came
// late; it finds the image where it expects it.
func (p *place) settled(s stackmend.Step, id string) error {
	i, err := p.store.stat(id)
	if err != nil {
		return fmt.Errorf("%w: %w", stackmend.ErrUncertain, err)
	}
	seen := facts(i)
	for k, v := range s.Assumes {
		if _, ok := seen[k]; !ok {
			seen[k] = v // looked at before the move
		}
	}
	users, err := p.usersText(p.store, id)
	if err == nil {
		seen[seenUsers] = users
		err = s.Holds(seen)
	}
	if err == nil {
		return nil
	}
	if back := move(p.store, id, p.base, s.Target); back != nil {
		return fmt.Errorf("%w: %w; it could not be moved back: %w", stackmend.ErrUncertain, err, back)
	}
	return errors.Join(err, p.forget(id))
}

// describe writes the manifest, for good, before the image moves.
func (p *place) describe(s stackmend.Step, id string) error {
	f, err := p.base.open(s.Target)
	if err != nil {
		return err
	}
	defer f.Close()
	i, err := f.stat()
	if err != nil {
		return err
	}
	label, err := f.label()
	if err != nil {
		return err
	}
	m := Manifest{Schema: manifestSchema, Name: s.Target, Subdir: p.site.subdir(), Inode: i.Ino, Size: i.Size, Bytes: i.Bytes,
		ModTime: i.ModTime.UTC(), UID: i.UID, GID: i.GID, Perm: i.Perm, Label: label,
		Quarantined: time.Now().UTC(), Reason: s.Reason, Stated: stated(s.Args)}
	b, err := json.MarshalIndent(m, "", "\t")
	if err != nil {
		return err
	}
	return p.store.write(id+manifestExt, append(b, '\n'))
}

// stated is what the operator said of hosts.
func stated(args map[string]string) map[string]string {
	m := map[string]string{}
	for k, v := range args {
		if strings.HasPrefix(k, argGone) || strings.HasPrefix(k, argElsewhere) {
			m[k] = v
		}
	}
	return m
}

// write replaces the file, and is on disk when it returns.
func (f folder) write(name string, b []byte) error {
	tmp := name + ".new"
	if err := f.unlink(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	fd, err := unix.Openat(f.fd, tmp, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return &fs.PathError{Op: "create", Path: tmp, Err: err}
	}
	out := os.NewFile(uintptr(fd), tmp)
	_, err = out.Write(b)
	if err = errors.Join(err, out.Sync(), out.Close()); err != nil {
		return err
	}
	if err := unix.Renameat(f.fd, tmp, f.fd, name); err != nil {
		return &os.LinkError{Op: "rename", Old: tmp, New: name, Err: err}
	}
	return f.sync()
}

// forget deletes a manifest whose image is not there any more.
func (p *place) forget(id string) error {
	err := p.store.unlink(id + manifestExt)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return errors.Join(err, p.store.sync())
}

func verifyQuarantine(_ context.Context, p *place, s stackmend.Step) error {
	id, err := entryOf(s)
	if err != nil {
		return err
	}
	inBase, _, err := p.where(s, s.Target, id)
	switch {
	case err != nil:
		return err
	case inBase:
		return stackmend.ErrNotDone
	}
	if e := readEntry(p.store, id, p.site.subdir()); e.Problem != "" {
		return fmt.Errorf("imagecache: %s: %s", id, e.Problem)
	}
	return nil
}

// unquarantine undoes a step of this run: all is as before, times too.
func (p *place) unquarantine(ctx context.Context, s stackmend.Step) error {
	id, err := entryOf(s)
	if err != nil {
		return err
	}
	return p.locked(ctx, s.Target, func() error {
		inBase, inStore, err := p.where(s, s.Target, id)
		switch {
		case err != nil:
			return err
		case inStore && inBase: // a move by link that was interrupted
			err = p.store.unlink(id)
		case inStore:
			err = move(p.store, id, p.base, s.Target)
		}
		if err != nil || !p.hasStore {
			return err
		}
		return p.forget(id)
	})
}
