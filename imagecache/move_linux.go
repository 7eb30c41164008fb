package imagecache

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

func supported() error { return nil }

func (f folder) self() (fileInfo, error) { return file(f).stat() }

func (f folder) device() (uint64, error) {
	i, err := f.self()
	return i.Dev, err
}

// mkdir makes the directory for its owner alone, if it is not there.
func (f folder) mkdir(name string) error {
	if err := unix.Mkdirat(f.fd, name, 0o700); err != nil && err != unix.EEXIST {
		return &fs.PathError{Op: "mkdir", Path: name, Err: err}
	}
	return nil
}

// outside refuses a directory that is base or lies in it, however its path is
// spelled.
func (f folder) outside(base folder) error {
	b, err := base.self()
	if err != nil {
		return err
	}
	at, err := f.sub(".")
	if err != nil {
		return err
	}
	defer func() { at.close() }()
	for range 256 {
		i, err := at.self()
		if err != nil {
			return err
		}
		if i.Dev == b.Dev && i.Ino == b.Ino {
			return refused("the quarantine lies in the base directory")
		}
		up, err := at.sub("..")
		if err != nil {
			return err
		}
		at.close()
		at = up
		if j, err := up.self(); err == nil && j.Dev == i.Dev && j.Ino == i.Ino {
			return nil // the root of all directories
		}
	}
	return refused("the quarantine lies too deep")
}

func (f folder) sync() error {
	return os.NewSyscallError("fsync", again(func() error { return unix.Fsync(f.fd) }))
}

func (f folder) unlink(name string) error {
	if err := unix.Unlinkat(f.fd, name, 0); err != nil {
		return &fs.PathError{Op: "unlink", Path: name, Err: err}
	}
	return nil
}

// move renames without replacing anything. The error is compatible with
// errors.Is(err, fs.ErrExist) if the target is taken.
func move(from folder, name string, to folder, target string) error {
	err := unix.Renameat2(from.fd, name, to.fd, target, unix.RENAME_NOREPLACE)
	if err == unix.EINVAL || err == unix.ENOSYS || err == unix.EOPNOTSUPP {
		err = moveByLink(from, name, to, target)
	}
	if err != nil {
		return &os.LinkError{Op: "rename", Old: name, New: target, Err: err}
	}
	return errors.Join(to.sync(), from.sync())
}

// moveByLink is for NFS, which has no RENAME_NOREPLACE: a second name that
// must be free, and only when that is proven to be the same file, the first
// one goes. Killed in between, the file has both names and the next try ends
// the move.
func moveByLink(from folder, name string, to folder, target string) error {
	before, err := from.stat(name)
	if err != nil {
		return err
	}
	err = unix.Linkat(from.fd, name, to.fd, target, 0)
	after, statErr := to.stat(target)
	same := statErr == nil && after.Dev == before.Dev && after.Ino == before.Ino
	if err != nil && !(same && err == unix.EEXIST) { // a retransmitted request answers EEXIST to its own success
		return err
	}
	if !same {
		return errors.Join(unix.ESTALE, statErr)
	}
	if err := to.sync(); err != nil {
		return err
	}
	return from.unlink(name)
}
