package consolelog

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// peek opens a log for reading and tells how large the hole at its beginning
// is, and whether anyone has it open for writing, in whatever container.
func peek(path string, want fileID) (hole int64, written bool, err error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
	if err != nil {
		return 0, false, &os.PathError{Op: "open", Path: path, Err: err}
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return 0, false, err
	}
	if (fileID{st.Dev, st.Ino}) != want || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return 0, false, errChanged
	}
	if hole, err = leadingHole(f); err != nil {
		return 0, false, err
	}
	written, err = openForWriting(fd)
	return hole, written, err
}

var errChanged = errors.New("another file is there now")

// leadingHole is where the first data of a file is: its size if it has none.
func leadingHole(f *os.File) (int64, error) {
	at, err := f.Seek(0, unix.SEEK_DATA)
	if errors.Is(err, unix.ENXIO) {
		return f.Seek(0, io.SeekEnd)
	}
	return at, err
}

// openForWriting asks the kernel for a read lease, which it does not grant
// while anyone has the file open for writing, and gives it back at once. fd
// must be open for reading alone.
func openForWriting(fd int) (bool, error) {
	_, err := unix.FcntlInt(uintptr(fd), unix.F_SETLEASE, unix.F_RDLCK)
	if errors.Is(err, unix.EAGAIN) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	_, err = unix.FcntlInt(uintptr(fd), unix.F_SETLEASE, unix.F_UNLCK)
	return false, err
}
