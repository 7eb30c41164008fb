package consolelog

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// readProcesses looks through /proc/*/fd for the writers of the wanted files,
// and for libvirt's daemons, in all namespaces of this host.
func readProcesses(ctx context.Context, proc string, wanted map[fileID]bool) (processes, error) {
	out := processes{writers: map[fileID][]Writer{}}
	top, err := os.Open(proc)
	if err != nil {
		return out, err
	}
	defer top.Close()
	names, err := top.Readdirnames(-1)
	if err != nil {
		return out, err
	}
	self, _ := os.Readlink(filepath.Join(proc, "self")) // what bounds a log has it open as well
	home, _ := os.Readlink(filepath.Join(proc, "self/ns/mnt"))
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil || name == self {
			continue
		}
		if err := ctx.Err(); err != nil {
			return out, err
		}
		p := process{dir: filepath.Join(proc, name), pid: pid, home: home}
		if err := p.read(wanted, &out); err != nil && !gone(err) {
			out.hidden++
		}
	}
	for id := range out.writers {
		slices.SortFunc(out.writers[id], func(a, b Writer) int { return cmp.Compare(a.PID, b.PID) })
	}
	return out, nil
}

// gone reports whether a process ended while it was looked at.
func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH)
}

type process struct {
	dir  string
	pid  int
	home string // our own mount namespace
}

// read notes what the process has to do with the wanted files. A process
// whose descriptors may not be read is an error.
func (p process) read(wanted map[fileID]bool, out *processes) error {
	fds, err := os.Open(filepath.Join(p.dir, "fd"))
	if err != nil {
		return err
	}
	defer fds.Close()
	names, err := fds.Readdirnames(-1)
	if err != nil {
		return err
	}
	if len(names) > 0 {
		p.daemon(out)
	}
	appends := map[fileID]bool{} // whether all of its descriptors append
	for _, fd := range names {
		id, ok := identify(int(fds.Fd()), fd)
		if !ok || !wanted[id] {
			continue
		}
		flags, err := p.flags(fd)
		if err != nil {
			return err
		}
		if flags&unix.O_ACCMODE == unix.O_RDONLY {
			continue
		}
		before, again := appends[id]
		appends[id] = flags&unix.O_APPEND != 0 && (before || !again)
	}
	for id, all := range appends {
		out.writers[id] = append(out.writers[id], p.writer(all))
	}
	return nil
}

// identify says which file a descriptor has open. It does not ask a remote
// filesystem, which might not answer.
func identify(dir int, fd string) (fileID, bool) {
	var st unix.Statx_t
	err := unix.Statx(dir, fd, unix.AT_STATX_DONT_SYNC|unix.AT_NO_AUTOMOUNT, unix.STATX_INO|unix.STATX_TYPE, &st)
	if err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return fileID{}, false
	}
	return fileID{unix.Mkdev(st.Dev_major, st.Dev_minor), st.Ino}, true
}

// flags are those of open(2), from fdinfo.
func (p process) flags(fd string) (int, error) {
	b, err := os.ReadFile(filepath.Join(p.dir, "fdinfo", fd))
	if err != nil {
		return 0, err
	}
	return parseFlags(string(b))
}

var errFdinfo = errors.New("fdinfo without flags")

// parseFlags reads the line `flags:	0102001` of an fdinfo, which is octal.
func parseFlags(fdinfo string) (int, error) {
	for line := range strings.Lines(fdinfo) {
		if value, ok := strings.CutPrefix(line, "flags:"); ok {
			n, err := strconv.ParseUint(strings.TrimSpace(value), 8, 32)
			return int(n), err
		}
	}
	return 0, errFdinfo
}

func (p process) writer(appends bool) Writer {
	mnt, err := os.Readlink(filepath.Join(p.dir, "ns/mnt"))
	return Writer{PID: p.pid, Comm: p.comm(), Append: appends, Elsewhere: err == nil && mnt != p.home}
}

func (p process) comm() string {
	b, err := os.ReadFile(filepath.Join(p.dir, "comm"))
	if err != nil {
		return ""
	}
	return printable(strings.TrimSuffix(string(b), "\n"))
}
