package consolelog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"
)

// A Source says where to look. Instances is needed; what else is empty is
// left out or has the default that stands with it.
type Source struct {
	Instances string   // nova's instances_path
	Names     []string // patterns of path.Match for further logs in an instance's folder
	Proc      string   // "/proc"

	// WritersAbove leaves out who writes logs of fewer bytes. If no log is as
	// large, no process is looked at: a round of Watch is then cheap.
	WritersAbove int64

	VirtlogdConf string // "/etc/libvirt/virtlogd.conf", where no virtlogd runs
	QemuConf     string // "/etc/libvirt/qemu.conf", where no libvirt daemon runs

	Domains []string         // folders with libvirt's domain XML, such as /run/libvirt/qemu
	Owners  map[string]Owner // by instance, as the API tells; see ReadOwners

	Sample  int       // how many logs to sample: those that grow fastest, else the largest
	Before  *Snapshot // an earlier look at the same host
	Archive string    // folder of the archive, to see its free space

	Requests []Request // see ReadRequests
	Brokers  []Broker  // see ReadBrokers
	Queues   []Queue   // see ReadQueues

	quick bool // in folders that Before has seen, look at the same logs alone
}

// peekAbove is the size from which a log is opened, to look for a hole at its
// beginning and, if /proc shows no writer, to ask the kernel for one.
const peekAbove = 1 << 20

// Observe looks at all console logs of a host, at their writers, filesystems
// and the configuration in effect. It changes nothing. What it cannot read
// stands in Snapshot.Unseen; an error is compatible with
// errors.Is(err, errors.ErrUnsupported) outside of Linux, and with that of
// reading Source.Instances.
//
// A cancelled ctx ends it within one folder or one process.
func Observe(ctx context.Context, src Source) (*Snapshot, error) {
	if src.Instances == "" {
		return nil, errors.New("consolelog: no folder of instances is named")
	}
	root, err := filepath.Abs(src.Instances)
	if err != nil {
		return nil, fmt.Errorf("consolelog: %w", err)
	}
	src.defaults()
	s := &Snapshot{Root: root, At: time.Now(), Requests: src.Requests, Brokers: src.Brokers, Queues: src.Queues}
	if err := s.readLogs(ctx, src); err != nil {
		return nil, err
	}
	if err := s.readWriters(ctx, src); err != nil {
		return nil, err
	}
	s.readOwners(src)
	if src.Before != nil {
		s.Since(src.Before)
	}
	s.sample(src.Sample)
	if src.Archive != "" {
		f, err := readFilesystem(src.Archive)
		if err != nil {
			return nil, fmt.Errorf("consolelog: archive: %w", err)
		}
		s.Archive = &f
	}
	return s, ctx.Err()
}

func (src *Source) defaults() {
	src.Proc = cmp.Or(src.Proc, "/proc")
	src.VirtlogdConf = cmp.Or(src.VirtlogdConf, "/etc/libvirt/virtlogd.conf")
	src.QemuConf = cmp.Or(src.QemuConf, "/etc/libvirt/qemu.conf")
}

func (s *Snapshot) unseen(format string, args ...any) {
	s.Unseen = append(s.Unseen, fmt.Sprintf(format, args...))
}

// readLogs finds the logs and the filesystems they lie on.
func (s *Snapshot) readLogs(ctx context.Context, src Source) error {
	known := map[string][]Log{}
	if src.quick && src.Before != nil {
		for _, l := range src.Before.Logs {
			known[l.Instance] = append(known[l.Instance], l)
		}
	}
	found, err := scan(ctx, s.Root, src.Names, known)
	if err != nil {
		return fmt.Errorf("consolelog: %w", err)
	}
	s.Logs, s.Unseen = found.logs, append(s.Unseen, found.unseen...)
	slices.SortFunc(s.Logs, func(a, b Log) int { return cmp.Compare(a.Path, b.Path) })
	slices.Sort(s.Unseen)
	for _, folder := range found.filesystems {
		f, err := readFilesystem(folder)
		if err != nil {
			s.unseen("filesystem of %s: %v", folder, err)
			continue
		}
		s.Filesystems = append(s.Filesystems, f)
	}
	slices.SortFunc(s.Filesystems, func(a, b Filesystem) int { return cmp.Compare(a.ID, b.ID) })
	return nil
}

// readWriters looks through the processes once, for the writers of all logs
// and for the daemons, and then at the large logs themselves.
func (s *Snapshot) readWriters(ctx context.Context, src Source) error {
	wanted := map[fileID]bool{}
	for _, l := range s.Logs {
		if l.Mode.IsRegular() && l.Size >= src.WritersAbove {
			wanted[fileID{l.Dev, l.Ino}] = true
		}
	}
	var seen processes
	if len(wanted) > 0 {
		var err error
		if seen, err = readProcesses(ctx, src.Proc, wanted); err != nil {
			return fmt.Errorf("consolelog: %w", err)
		}
		s.readConfiguration(src, seen)
	}
	if seen.hidden > 0 {
		s.unseen("%d processes may not be looked at: who writes what is not known for sure", seen.hidden)
	}
	for i := range s.Logs {
		l := &s.Logs[i]
		if wanted[fileID{l.Dev, l.Ino}] {
			l.look(seen)
		}
	}
	return ctx.Err()
}

// look fills in who writes the log.
func (l *Log) look(seen processes) {
	l.Writers = seen.writers[fileID{l.Dev, l.Ino}]
	l.Looked = Complete
	if seen.hidden > 0 {
		l.Looked = Unreadable
	}
	if l.Size < peekAbove {
		return
	}
	hole, written, err := peek(l.Path, fileID{l.Dev, l.Ino})
	switch {
	case err != nil:
		l.Looked = Unreadable
	case written && len(l.Writers) == 0:
		l.Looked, l.Hole = Hidden, hole
	default:
		l.Hole = hole
	}
}

// fileID tells files of one host apart.
type fileID struct{ dev, ino uint64 }

// processes is what one pass over /proc has shown.
type processes struct {
	writers map[fileID][]Writer
	daemons []daemon // virtlogd, and those that start domains
	hidden  int      // processes whose descriptors may not be looked at
}

// A daemon is one whose configuration says who bounds the logs.
type daemon struct {
	pid   int
	comm  string
	conf  string // from its -f, if it has one
	root  string // its file tree, as we see it
	began time.Time
}

// findings of a scan.
type scanned struct {
	logs        []Log
	filesystems []string // a folder on each
	unseen      []string
}
