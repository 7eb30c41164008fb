package imagecache

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A folder is an open directory. Everything below it is reached by file
// descriptor and never through a symbolic link, so that a link swapped in
// meanwhile leads nowhere.
type folder struct{ fd int }

func again(f func() error) error {
	for {
		if err := f(); err != unix.EINTR {
			return err
		}
	}
}

func openat(at int, name string, flags int) (fd int, err error) {
	err = again(func() error {
		fd, err = unix.Openat(at, name, flags|unix.O_CLOEXEC, 0)
		return err
	})
	return fd, err
}

// openFolder opens the directory that the operator named; that one path may
// lead through symbolic links.
func openFolder(name string) (folder, error) {
	fd, err := openat(unix.AT_FDCWD, name, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return folder{-1}, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return folder{fd}, nil
}

// sub opens a directory in f.
func (f folder) sub(name string) (folder, error) {
	fd, err := openat(f.fd, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW)
	if err != nil {
		return folder{-1}, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return folder{fd}, nil
}

func (f folder) close() error { return unix.Close(f.fd) }

// list calls yield for each entry, with its type if the filesystem tells.
func (f folder) list(buf []byte, yield func(name []byte, typ fs.FileMode)) error {
	if _, err := unix.Seek(f.fd, 0, io.SeekStart); err != nil {
		return os.NewSyscallError("lseek", err)
	}
	for {
		var n int
		err := again(func() (err error) { n, err = unix.ReadDirent(f.fd, buf); return err })
		if err != nil {
			return os.NewSyscallError("getdents", err)
		}
		if n == 0 {
			return nil
		}
		for b := buf[:n]; len(b) > 0; {
			d := (*unix.Dirent)(unsafe.Pointer(&b[0]))
			name := b[unsafe.Offsetof(d.Name):d.Reclen]
			name = name[:clen(name)]
			if s := string(name); s != "." && s != ".." {
				yield(name, direntType(d.Type))
			}
			b = b[d.Reclen:]
		}
	}
}

func clen(b []byte) int {
	for i, c := range b {
		if c == 0 {
			return i
		}
	}
	return len(b)
}

func direntType(t uint8) fs.FileMode {
	switch t {
	case unix.DT_REG:
		return 0
	case unix.DT_DIR:
		return fs.ModeDir
	case unix.DT_LNK:
		return fs.ModeSymlink
	case unix.DT_UNKNOWN:
		return fs.ModeIrregular
	case unix.DT_BLK:
		return fs.ModeDevice
	}
	return fs.ModeSocket // sockets, pipes, terminals: no images
}

// A file is an open regular file.
type file struct{ fd int }

// open opens a regular file for reading; pipes and devices are not waited
// for. EAGAIN means that someone has a lease on the file for a moment.
func (f folder) open(name string) (file, error) {
	const flags = unix.O_RDONLY | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_NOCTTY
	fd, err := openat(f.fd, name, flags)
	for try := 0; err == unix.EAGAIN && try < 100; try++ {
		time.Sleep(time.Millisecond)
		fd, err = openat(f.fd, name, flags)
	}
	if err != nil {
		return file{-1}, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return file{fd}, nil
}

func (f file) Close() error { return unix.Close(f.fd) }

// ReadAt implements io.ReaderAt.
func (f file) ReadAt(b []byte, off int64) (n int, err error) {
	for n < len(b) {
		var m int
		err := again(func() (err error) { m, err = unix.Pread(f.fd, b[n:], off+int64(n)); return err })
		if err != nil {
			return n, os.NewSyscallError("pread", err)
		}
		if m == 0 {
			return n, io.EOF
		}
		n += m
	}
	return n, nil
}

// head reads the first bytes of the file. One call, for a regular file gives
// all it has.
func (f file) head(b []byte) (n int, err error) {
	err = again(func() (err error) { n, err = unix.Pread(f.fd, b, 0); return err })
	return n, os.NewSyscallError("pread", err)
}

func (f file) stat() (fileInfo, error) {
	var st unix.Stat_t
	if err := again(func() error { return unix.Fstat(f.fd, &st) }); err != nil {
		return fileInfo{}, os.NewSyscallError("fstat", err)
	}
	return infoOf(&st), nil
}

// stat looks at the entry itself, not at where a symbolic link leads.
func (f folder) stat(name string) (fileInfo, error) {
	var st unix.Stat_t
	err := again(func() error { return unix.Fstatat(f.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW) })
	if err != nil {
		return fileInfo{}, &fs.PathError{Op: "stat", Path: name, Err: err}
	}
	return infoOf(&st), nil
}

func (f folder) readlink(name string) (string, error) {
	b := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(f.fd, name, b)
	if err != nil {
		return "", &fs.PathError{Op: "readlink", Path: name, Err: err}
	}
	if n == len(b) {
		return "", fmt.Errorf("imagecache: %s: %w", name, errors.New("link too long"))
	}
	return string(b[:n]), nil
}

func infoOf(st *unix.Stat_t) fileInfo {
	return fileInfo{
		Dev: uint64(st.Dev), Ino: st.Ino, Links: uint64(st.Nlink), Size: st.Size, Bytes: st.Blocks * 512,
		ModTime: time.Unix(st.Mtim.Unix()), ChangeTime: time.Unix(st.Ctim.Unix()),
		UID: st.Uid, GID: st.Gid, Mode: direntType(uint8(st.Mode & unix.S_IFMT >> 12)), Perm: st.Mode & 0o7777,
	}
}
