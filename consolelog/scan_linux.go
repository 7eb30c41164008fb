package consolelog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// scanWorkers is how many folders are read at once: enough to hide the waits
// of a cold disk, few enough to leave the host alone.
const scanWorkers = 4

// scan reads the folders of all instances, without following symbolic links.
// Of a folder whose logs are known it looks at these alone.
func scan(ctx context.Context, root string, patterns []string, known map[string][]Log) (scanned, error) {
	var out scanned
	for _, p := range patterns {
		if _, err := path.Match(p, ""); err != nil {
			return out, fmt.Errorf("pattern %q: %w", p, err)
		}
	}
	top, err := os.Open(root)
	if err != nil {
		return out, err
	}
	defer top.Close()
	folders, err := top.ReadDir(-1)
	if err != nil {
		return out, err
	}
	sc := &scanner{top: int(top.Fd()), root: root, patterns: patterns, known: known, devices: map[string]bool{}}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(scanWorkers)
	for _, f := range folders {
		if ctx.Err() != nil {
			break
		}
		g.Go(func() error { sc.folder(f); return ctx.Err() })
	}
	err = g.Wait()
	return sc.out, err
}

type scanner struct {
	top      int
	root     string
	patterns []string
	known    map[string][]Log

	mu      sync.Mutex
	out     scanned
	devices map[string]bool
}

// folder reads the logs of one instance.
func (sc *scanner) folder(e fs.DirEntry) {
	name := e.Name()
	if !e.IsDir() || name == "_base" || name == "locks" || name == "snapshots" {
		if e.Type()&fs.ModeSymlink != 0 {
			sc.unseen("%s is a symbolic link: not followed", filepath.Join(sc.root, name))
		}
		return
	}
	logs, ok := sc.again(name)
	var err error
	if !ok {
		logs, err = sc.read(name)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return // the instance was deleted since
	}
	if err != nil {
		sc.unseen("%s: %v", filepath.Join(sc.root, name), err)
		return
	}
	sc.mu.Lock()
	defer sc.mu.Unlock()
	sc.out.logs = append(sc.out.logs, logs...)
	if len(logs) > 0 && !sc.devices[logs[0].Filesystem] {
		sc.devices[logs[0].Filesystem] = true
		sc.out.filesystems = append(sc.out.filesystems, filepath.Join(sc.root, name))
	}
}

func (sc *scanner) unseen(format string, args ...any) {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	sc.out.unseen = append(sc.out.unseen, fmt.Sprintf(format, args...))
}

// again looks at the known logs of a folder, if they are still the same.
func (sc *scanner) again(folder string) (logs []Log, ok bool) {
	var st unix.Stat_t
	for _, k := range sc.known[folder] {
		if err := unix.Fstatat(sc.top, folder+"/"+k.Name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil || st.Dev != k.Dev || st.Ino != k.Ino {
			return nil, false
		}
		l := sc.log(folder, k.Name, &st)
		l.Filesystem = k.Filesystem
		logs = append(logs, l)
	}
	return logs, len(logs) > 0
}

// read lists one folder. Its logs are taken to lie on the folder's filesystem.
func (sc *scanner) read(folder string) (logs []Log, err error) {
	fd, err := unix.Openat(sc.top, folder, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	names, err := readNames(fd)
	if err != nil {
		return nil, err
	}
	var st unix.Stat_t
	for _, name := range names {
		if !isLog(name, sc.patterns) {
			continue
		}
		if err := unix.Fstatat(fd, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			continue // rotated away since
		}
		logs = append(logs, sc.log(folder, name, &st))
	}
	if len(logs) == 0 {
		return nil, nil
	}
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, err
	}
	device := deviceName(st.Dev)
	for i := range logs {
		logs[i].Filesystem = device
	}
	return logs, nil
}

// readNames is Readdirnames without the weight of an os.File: a round over
// 10,000 folders is to cost next to nothing.
func readNames(fd int) (names []string, err error) {
	buf := make([]byte, 4096)
	for {
		n, err := unix.ReadDirent(fd, buf)
		if n <= 0 || err != nil {
			return names, err
		}
		_, _, names = unix.ParseDirent(buf[:n], -1, names)
	}
}

func (sc *scanner) log(folder, name string, st *unix.Stat_t) Log {
	return Log{
		Path: filepath.Join(sc.root, folder, name), Instance: folder, Name: name, Mode: mode(st.Mode),
		Dev: st.Dev, Ino: st.Ino, Links: uint64(st.Nlink), Size: st.Size, Allocated: st.Blocks * 512,
		Modified: time.Unix(st.Mtim.Unix()),
	}
}

// mode is what kind of file it is, and its permissions.
func mode(m uint32) fs.FileMode {
	out := fs.FileMode(m & 0o777)
	switch m & unix.S_IFMT {
	case unix.S_IFREG:
		return out
	case unix.S_IFDIR:
		return out | fs.ModeDir
	case unix.S_IFLNK:
		return out | fs.ModeSymlink
	case unix.S_IFIFO:
		return out | fs.ModeNamedPipe
	case unix.S_IFSOCK:
		return out | fs.ModeSocket
	case unix.S_IFCHR:
		return out | fs.ModeDevice | fs.ModeCharDevice
	}
	return out | fs.ModeDevice
}

func deviceName(dev uint64) string {
	return fmt.Sprintf("%d:%d", unix.Major(dev), unix.Minor(dev))
}
