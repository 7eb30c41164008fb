package stackmend

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
	"unicode"
)

// Lock keeps two runs apart on one thing. FileLock keeps runs of one host
// apart; across hosts use what the fleet's own engine offers: a lease row in
// the database, RADOS.
type Lock interface {
	// Acquire takes the lock for holder, or fails at once with an error
	// compatible with errors.Is(err, ErrLocked) that says who has it
	// (*LockError). The context it returns is cancelled, with a cause that is
	// ErrLocked, when the lock is lost.
	Acquire(ctx context.Context, holder string) (held context.Context, release func() error, err error)
}

// FileLock is a lock on this host by flock(2) on a file, which is made if need
// be and stays: it is free when its holder ends, however it ends. If the file is
// removed or replaced while it is held, the lock counts as lost. Where there
// is no flock, Acquire returns an error compatible with
// errors.Is(err, errors.ErrUnsupported).
func FileLock(path string) Lock { return fileLock(path) }

type fileLock string

// lockWatch is how often a held FileLock looks whether its file is still there.
const lockWatch = time.Second

func (l fileLock) Acquire(ctx context.Context, holder string) (context.Context, func() error, error) {
	f, err := openLocked(string(l))
	if err != nil {
		return nil, nil, err
	}
	if err := writeHolder(f, holder); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("%s: %w", string(l), err), unlockClose(f))
	}
	held, cancel := context.WithCancelCause(context.WithValue(ctx, lockedFile{}, f))
	stop := make(chan struct{})
	go l.watch(f, cancel, stop)
	release := sync.OnceValue(func() error {
		close(stop)
		cancel(context.Canceled)
		return errors.Join(f.Truncate(0), unlockClose(f))
	})
	return held, release, nil
}

// lockedFile is the key under which the context that a FileLock is held with
// carries its file.
type lockedFile struct{}

// watch cancels the holder when the file that is locked is no longer the one
// that the next run would lock.
func (l fileLock) watch(f *os.File, lost context.CancelCauseFunc, stop <-chan struct{}) {
	t := time.NewTicker(lockWatch)
	defer t.Stop()
	for {
		select {
		case <-stop:
			return
		case <-t.C:
			if same, err := sameFile(f, string(l)); !same {
				lost(fmt.Errorf("%w: %s was removed or replaced: %v", ErrLocked, string(l), err))
				return
			}
		}
	}
}

// heldBy begins the text in a lock file. A file that has other text is somebody
// else's and is left alone.
const heldBy = "held by "

func writeHolder(f *os.File, holder string) error {
	text, err := io.ReadAll(io.NewSectionReader(f, 0, int64(len(heldBy))))
	if err != nil {
		return err
	}
	if !strings.HasPrefix(heldBy, string(text)) {
		return fmt.Errorf("%w: it holds text and is no lock of this library", ErrRefused)
	}
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err = f.WriteAt([]byte(heldBy+holder+"\n"), 0)
	return err
}

// readHolder reads who has the lock, as that run wrote it.
func readHolder(f *os.File) string {
	b, _ := io.ReadAll(io.NewSectionReader(f, 0, 512))
	text, ok := strings.CutPrefix(strings.TrimSpace(string(b)), heldBy)
	if !ok {
		return "somebody who did not say"
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, text)
}

// holder names a run to others.
func holder(p *Plan) string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	return fmt.Sprintf("%s on %s, pid %d, plan %.12s", p.Check, host, os.Getpid(), p.ID())
}

func sameFile(f *os.File, path string) (bool, error) {
	here, err := f.Stat()
	if err != nil {
		return false, err
	}
	there, err := os.Lstat(path)
	if err != nil {
		return false, err
	}
	return os.SameFile(here, there), nil
}
