//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package stackmend

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// openLocked opens or makes a regular file, locks it, and makes sure that it is
// still the one at path: its last holder may have replaced it meanwhile.
func openLocked(path string) (*os.File, error) {
	for range 10 {
		f, err := lockFile(path, os.O_RDWR|os.O_CREATE)
		if err != nil {
			return nil, err
		}
		if same, _ := sameFile(f, path); same {
			return f, nil
		}
		_ = f.Close()
	}
	return nil, fmt.Errorf("%w: %s is being replaced", ErrLocked, path)
}

// createLocked makes a new file in place of one that a crash may have left.
func createLocked(path string) (*os.File, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	return lockFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL)
}

func lockFile(path string, flag int) (*os.File, error) {
	f, err := os.OpenFile(path, flag|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0o600)
	if errors.Is(err, syscall.ELOOP) || errors.Is(err, syscall.EMLINK) {
		return nil, fmt.Errorf("%w: it may not be a symbolic link: %w", ErrRefused, err)
	}
	if err != nil {
		return nil, err
	}
	if err := lockRegular(f); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), f.Close())
	}
	return f, nil
}

func lockRegular(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%w: not a regular file", ErrRefused)
	}
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.EWOULDBLOCK):
			return &LockError{readHolder(f)}
		}
		return err
	}
}

// unlockClose unlocks before it closes: a child that is being started has the
// descriptor for a moment, and would keep the lock for as long.
func unlockClose(f *os.File) error {
	return errors.Join(syscall.Flock(int(f.Fd()), syscall.LOCK_UN), f.Close())
}

// shareLock returns a second descriptor of a lock: it is free when both are
// closed, in whatever process, or when its holder unlocks it.
func shareLock(f *os.File) (*os.File, error) {
	syscall.ForkLock.RLock() // no other child may get it in between
	defer syscall.ForkLock.RUnlock()
	fd, err := syscall.Dup(int(f.Fd()))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name(), err)
	}
	syscall.CloseOnExec(fd)
	return os.NewFile(uintptr(fd), f.Name()), nil
}
