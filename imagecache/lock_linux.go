package imagecache

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/stackmend/stackmend"
	"golang.org/x/sys/unix"
)

// lockWait is how long nova may hold the lock on an image: it does while it
// downloads or copies it.
const lockWait = 20 * time.Second

// A novaLock is the lock that nova takes on a base image: a POSIX record lock
// on the whole of locks/nova-NAME under the instances directory
// (oslo.concurrency 5.0.1, fasteners 0.17.3: fcntl.lockf, not flock).
type novaLock struct{ file }

// lockImage takes nova's lock. It is taken as an open file description lock,
// which excludes POSIX locks of other processes just as well, other
// goroutines too, and is not lost when something else here closes the file.
func lockImage(ctx context.Context, root folder, name string) (novaLock, error) {
	locks, err := lockDir(root)
	if err != nil {
		return novaLock{}, err
	}
	defer locks.close()
	ctx, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	for {
		l, err := tryLock(locks, "nova-"+name)
		if err == nil {
			return l, nil
		}
		if !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EACCES) {
			return novaLock{}, fmt.Errorf("imagecache: nova's lock on %s: %w", name, err)
		}
		select {
		case <-ctx.Done():
			return novaLock{}, fmt.Errorf("imagecache: %s: %w", name, &stackmend.LockError{Holder: "nova (locks/nova-" + name + ")"})
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// lockDir opens the directory of nova's locks. If it has to be made, it is
// made to belong to whoever the instances directory belongs to: nova must be
// able to write there.
func lockDir(root folder) (folder, error) {
	err := unix.Mkdirat(root.fd, "locks", 0o755)
	if err != nil && err != unix.EEXIST {
		return folder{-1}, &fs.PathError{Op: "mkdir", Path: "locks", Err: err}
	}
	locks, openErr := root.sub("locks")
	if openErr != nil || err == unix.EEXIST {
		return locks, openErr
	}
	owner, err := root.self()
	if err == nil {
		err = unix.Fchown(locks.fd, int(owner.UID), int(owner.GID))
	}
	if err != nil {
		locks.close()
	}
	return locks, err
}

// tryLock locks the file of that name, and makes sure that it still has it:
// nova deletes the lock files of images that it deleted.
func tryLock(locks folder, name string) (novaLock, error) {
	f, err := openLock(locks, name)
	if err != nil {
		return novaLock{}, err
	}
	whole := unix.Flock_t{Type: unix.F_WRLCK}
	if err := again(func() error { return unix.FcntlFlock(uintptr(f.fd), unix.F_OFD_SETLK, &whole) }); err != nil {
		f.Close()
		return novaLock{}, err
	}
	mine, err := f.stat()
	named, err2 := locks.stat(name)
	if err != nil || err2 != nil || mine.Ino != named.Ino {
		f.Close()
		return novaLock{}, unix.EAGAIN
	}
	return novaLock{f}, nil
}

func openLock(locks folder, name string) (file, error) {
	const flags = unix.O_RDWR | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC
	fd, err := unix.Openat(locks.fd, name, flags, 0)
	if err == unix.ENOENT {
		fd, err = unix.Openat(locks.fd, name, flags|unix.O_CREAT|unix.O_EXCL, 0o644)
		if err == unix.EEXIST {
			return file{-1}, unix.EAGAIN
		}
		if err == nil {
			owner, statErr := locks.self()
			err = errors.Join(statErr, unix.Fchown(fd, int(owner.UID), int(owner.GID)))
		}
	}
	if err != nil {
		if fd >= 0 {
			unix.Close(fd)
		}
		return file{-1}, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return file{fd}, nil
}

// release gives the lock back. The file stays, as nova's does: deleting it
// would let two others lock two files of one name.
func (l novaLock) release() { l.Close() }
