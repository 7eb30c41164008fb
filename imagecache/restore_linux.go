package imagecache

import (
	"context"
	"errors"
	"io/fs"

	"github.com/stackmend/stackmend"
	"golang.org/x/sys/unix"
)

func lookRestore(_ context.Context, p *place, s stackmend.Step) (map[string]string, error) {
	id, err := entryOf(s)
	if err != nil {
		return nil, err
	}
	seen, err := p.lookEntry(id)
	if err == nil {
		seen[seenTarget], err = target(p.base, s.Target)
	}
	return seen, err
}

// lookEntry sees what steps assume of an image in the quarantine.
func (p *place) lookEntry(id string) (map[string]string, error) {
	if !p.hasStore {
		return map[string]string{}, nil
	}
	i, err := p.store.stat(id)
	if errors.Is(err, fs.ErrNotExist) {
		return map[string]string{seenInode: "(no such file)"}, nil
	}
	if err != nil {
		return nil, err
	}
	e := readEntry(p.store, id, p.site.subdir())
	if e.Problem != "" {
		return nil, refused("%s: %s", id, e.Problem)
	}
	seen := facts(i)
	seen[seenSince] = stamp(e.Since)
	return seen, nil
}

// doRestore moves the image back without replacing anything. It counts as
// touched just now, or nova's cleaner would take it at its next pass.
func doRestore(ctx context.Context, p *place, s stackmend.Step, _ *stackmend.Work) error {
	id, err := entryOf(s)
	if err != nil {
		return err
	}
	return p.locked(ctx, s.Target, func() error {
		inBase, inStore, err := p.where(s, s.Target, id)
		if inBase && inStore { // a move by link that was interrupted
			err = p.store.unlink(id)
		}
		if inBase {
			return errors.Join(err, p.forget(id))
		}
		if err := p.holds(ctx, verb{look: lookRestore}, s); err != nil {
			return err
		}
		if err := p.store.touch(id); err != nil {
			return err
		}
		if err := move(p.store, id, p.base, s.Target); err != nil {
			return staleIfTaken(err, s)
		}
		return p.forget(id)
	})
}

// touch sets the time of the last change to now.
func (f folder) touch(name string) error {
	now := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, {Nsec: unix.UTIME_NOW}}
	if err := unix.UtimesNanoAt(f.fd, name, now, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return &fs.PathError{Op: "touch", Path: name, Err: err}
	}
	return nil
}

func staleIfTaken(err error, s stackmend.Step) error {
	if errors.Is(err, fs.ErrExist) {
		return &stackmend.StaleError{Target: s.Target, Key: seenTarget, Want: free, Got: "taken"}
	}
	return err
}

func verifyRestore(_ context.Context, p *place, s stackmend.Step) error {
	id, err := entryOf(s)
	if err != nil {
		return err
	}
	if _, inStore, err := p.where(s, s.Target, id); err != nil || !inStore {
		return err
	}
	return stackmend.ErrNotDone
}
