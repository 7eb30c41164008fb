package imagecache

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// readUsers fills in who has the base images and the quarantine open on this
// host.
func (s *Snapshot) readUsers() {
	s.Users = map[string][]string{}
	root, err := openFolder(s.Site.Dir)
	if err != nil {
		s.UsersUnseen = err.Error()
		return
	}
	defer root.close()
	base, err := root.sub(s.Site.subdir())
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err != nil {
		s.UsersUnseen = err.Error()
		return
	}
	defer base.close()
	dev, err := base.device()
	if err != nil {
		s.UsersUnseen = err.Error()
		return
	}
	h := findHolders(s.Site.proc(), s.Site.subdir(), dev)
	s.Hidden, s.Deleted = h.unseen, h.deleted
	for _, b := range s.Bases {
		if b.Odd != "" {
			continue
		}
		users, err := usersOf(base, b.Name, h, h.unseen != "")
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.UsersUnseen = err.Error()
		}
		if len(users) > 0 {
			s.Users[b.Name] = users
		}
	}
	for i, e := range s.Entries {
		s.Entries[i].Users = h.by[fileID{dev, e.Manifest.Inode}]
	}
}

// usersOf names the processes that have the file open, and says so if someone
// unseen locks it as qemu does. With ask it also asks the kernel for a lease:
// it does not give one while anybody on this host has the file open, however
// hidden. Where neither /proc nor the kernel tells, it is an error.
func usersOf(dir folder, name string, h holders, ask bool) ([]string, error) {
	f, err := dir.open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	i, err := f.stat()
	if err != nil {
		return nil, err
	}
	users := h.by[fileID{i.Dev, i.Ino}]
	locked, err := f.lockedByQemu()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if locked && len(users) == 0 {
		users = []string{"an unseen process that locks it as qemu does"}
	}
	if len(users) > 0 || !ask {
		return users, nil
	}
	switch err := f.lease(); {
	case err == unix.EAGAIN:
		return []string{"an unseen process"}, nil
	case err != nil && h.unseen != "":
		return nil, fmt.Errorf("%s, and the kernel gives no lease: %w", h.unseen, err)
	}
	return nil, nil
}

// lease takes a write lease and gives it back at once. EAGAIN means that
// someone else has the file open. Filesystems without leases (NFS) give
// another error.
func (f file) lease() error {
	if _, err := unix.FcntlInt(uintptr(f.fd), unix.F_SETLEASE, unix.F_WRLCK); err != nil {
		return err
	}
	_, err := unix.FcntlInt(uintptr(f.fd), unix.F_SETLEASE, unix.F_UNLCK)
	return err
}

// lockedByQemu asks for locks on the bytes that qemu locks in an image in use
// (block/file-posix.c, v9.2.0: permissions from byte 100, what is not shared
// from 200). On NFS the server answers, also for other clients.
func (f file) lockedByQemu() (bool, error) {
	l := unix.Flock_t{Type: unix.F_WRLCK, Start: 100, Len: 200}
	err := again(func() error { return unix.FcntlFlock(uintptr(f.fd), unix.F_OFD_GETLK, &l) })
	if err != nil {
		return false, os.NewSyscallError("fcntl F_OFD_GETLK", err)
	}
	return l.Type != unix.F_UNLCK, nil
}

// findHolders looks at every open file of every process, and at what loop
// devices are made of. Deleted base images count only on device dev.
func findHolders(proc, subdir string, dev uint64) holders {
	h := holders{by: map[fileID][]string{}}
	pids, err := os.ReadDir(proc)
	if err != nil {
		h.unseen = err.Error()
		return h
	}
	processes := 0
	for _, p := range pids {
		pid, err := strconv.Atoi(p.Name())
		if err != nil {
			continue
		}
		processes++
		if pid == os.Getpid() {
			continue
		}
		if err := h.process(proc, pid, subdir, dev); err != nil && h.unseen == "" {
			h.unseen = err.Error()
		}
	}
	h.loops()
	if processes == 0 {
		h.unseen = "no process can be seen in " + proc
	}
	slices.SortFunc(h.deleted, func(a, b Deleted) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.PID, b.PID)) })
	return h
}

// gone reports that a process or file ended while it was looked at.
func gone(err error) bool { return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) }

func (h *holders) process(proc string, pid int, subdir string, dev uint64) error {
	dir := filepath.Join(proc, strconv.Itoa(pid))
	fds, err := os.ReadDir(dir + "/fd")
	if gone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	who := ""
	for _, fd := range fds {
		at := dir + "/fd/" + fd.Name()
		link, err := os.Readlink(at)
		if err != nil && !gone(err) {
			return err
		}
		if !strings.HasPrefix(link, "/") {
			continue // pipes, sockets and the like
		}
		var st unix.Stat_t
		if err := unix.Stat(at, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
			continue
		}
		if who == "" {
			who = command(dir)
		}
		id := fileID{uint64(st.Dev), st.Ino}
		if name := fmt.Sprintf("%s (pid %d)", who, pid); !slices.Contains(h.by[id], name) {
			h.by[id] = append(h.by[id], name)
		}
		if name := deletedBase(link, subdir); name != "" && st.Nlink == 0 && id.dev == dev {
			h.addDeleted(name, who, dir, pid, fd.Name(), &st)
		}
	}
	return nil
}

// addDeleted notes a deleted base once, however many hold it.
func (h *holders) addDeleted(name, who, dir string, pid int, fd string, st *unix.Stat_t) {
	n, err := strconv.Atoi(fd)
	if err != nil || slices.ContainsFunc(h.deleted, func(d Deleted) bool { return d.Inode == st.Ino }) {
		return
	}
	h.deleted = append(h.deleted, Deleted{Name: name, PID: pid, FD: n, Process: who, Inode: st.Ino,
		Size: st.Size, Bytes: st.Blocks * 512, Written: writable(dir, fd)})
}

// writable reads the flags of an open file; what cannot be read may be
// written.
func writable(dir, fd string) bool {
	b, err := os.ReadFile(dir + "/fdinfo/" + fd)
	if err != nil {
		return true
	}
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(line, "flags:"); ok {
			flags, err := strconv.ParseUint(strings.TrimSpace(v), 8, 64)
			return err != nil || flags&unix.O_ACCMODE != unix.O_RDONLY
		}
	}
	return true
}

func command(dir string) string {
	b, err := os.ReadFile(dir + "/comm")
	if err != nil {
		return "process"
	}
	return string(bytes.TrimSpace(b))
}

// loops adds the files under loop devices: the kernel holds them, no process
// does.
func (h *holders) loops() {
	files, _ := filepath.Glob("/sys/block/loop*/loop/backing_file")
	for _, f := range files {
		b, err := os.ReadFile(f)
		var st unix.Stat_t
		if err != nil || unix.Stat(string(bytes.TrimRight(b, "\n")), &st) != nil {
			continue
		}
		id := fileID{uint64(st.Dev), st.Ino}
		h.by[id] = append(h.by[id], strings.Split(f, "/")[3])
	}
}
