package consolelog

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"
)

// A Snapshot is what Observe saw on one host. It is plain data.
type Snapshot struct {
	Root        string // nova's instances_path
	At          time.Time
	Logs        []Log // sorted by path
	Filesystems []Filesystem
	Archive     *Filesystem // where the archive lies, if Source names one
	Virtlogd    []Virtlogd  // in effect; several where containers have their own
	Qemu        []QemuConf
	Requests    []Request // for consoles, from nova-api's log
	Brokers     []Broker  // RabbitMQ's nodes
	Queues      []Queue   // and queues
	Unseen      []string  // what could not be read, and why
}

// A Log is a console log, or what stands in its place.
type Log struct {
	Path     string // Root/Instance/Name
	Instance string // the folder's name: the UUID, also with _resize
	Name     string // console.log, console.log.0
	Mode     fs.FileMode
	Dev, Ino uint64
	Links    uint64
	// Size is what nova seeks in; Allocated is what the disk gives for it.
	// They differ by holes and by what a filesystem allocates ahead.
	Size, Allocated int64
	Hole            int64 // bytes of the hole at its beginning; looked for in large logs alone
	Modified        time.Time
	Filesystem      string // ID of its Filesystem
	Looked          Look
	Writers         []Writer // sorted by PID
	Growth          Growth
	Sample          Sample
	Owner           Owner
}

// Held is how many bytes of data the log keeps on its disk.
func (l Log) Held() int64 {
	if l.Allocated == 0 && l.Hole == 0 {
		return l.Size // inline data, or a filesystem that does not count
	}
	return min(l.Allocated, l.Size-l.Hole)
}

// Look says how much is known of who writes a log. The zero value is that
// nobody looked.
type Look uint8

// What was found out about a log's writers.
const (
	NotLooked  Look = iota
	Complete        // Writers are all there are
	Hidden          // the kernel says that somebody has it open for writing, and /proc does not show who
	Unreadable      // some processes could not be looked at
)

func (l Look) String() string {
	if names := [...]string{"not looked", "complete", "hidden", "unreadable"}; int(l) < len(names) {
		return names[l]
	}
	return fmt.Sprintf("Look(%d)", l)
}

// A Writer is a process that has a log open for writing.
type Writer struct {
	PID    int
	Comm   string // its name, from /proc/PID/comm
	Append bool   // every one of its descriptors has O_APPEND
	// Elsewhere: it lives in another mount namespace than we, as the qemu of
	// a container does.
	Elsewhere bool
}

func (w Writer) String() string {
	mode := "no O_APPEND"
	if w.Append {
		mode = "O_APPEND"
	}
	return fmt.Sprintf("%s pid %d %s", w.Comm, w.PID, mode)
}

// Qemu reports whether the process goes by a name of qemu's.
func (w Writer) Qemu() bool {
	return strings.HasPrefix(w.Comm, "qemu") || w.Comm == "kvm"
}

// Virtlogd reports whether the process is libvirt's log daemon, which rotates
// by itself.
func (w Writer) Virtlogd() bool { return w.Comm == "virtlogd" }

// describe names writers in one line, also for a Step's Assumes.
func describe(writers []Writer) string {
	if len(writers) == 0 {
		return "nobody"
	}
	var all []string
	for _, w := range writers {
		all = append(all, w.String())
	}
	return strings.Join(all, "; ")
}

// Growth is how many bytes came to a log between two looks.
type Growth struct {
	Bytes int64
	Over  time.Duration // zero: not known
}

// PerSecond is the growth in bytes per second, 0 if it is not known.
func (g Growth) PerSecond() float64 {
	if g.Over <= 0 {
		return 0
	}
	return float64(g.Bytes) / g.Over.Seconds()
}

// A Sample is what the end of a log looks like.
type Sample struct {
	Bytes, Lines int
	Most         string // the line that came most often, fit to be printed
	Times        int    // how often
}

// An Owner is whose instance a log belongs to. Any field may be empty.
type Owner struct{ Name, Domain, Project, User string }

// A Filesystem is what holds logs or the archive.
type Filesystem struct {
	ID       string // of the device, such as 8:1
	Path     string // a folder on it
	Type     string // ext4, xfs, btrfs, tmpfs, overlay; else the magic number
	Remote   bool   // other hosts may write there without being seen here
	Collapse bool   // it can take a range out of a file
	Punch    bool   // it can make a hole
	Block    int64  // bytes
	Total    int64
	Free     int64 // for those who are not root
	Growth   Growth
}

// filesystem finds one by its ID.
func (s *Snapshot) filesystem(id string) (Filesystem, bool) {
	i := slices.IndexFunc(s.Filesystems, func(f Filesystem) bool { return f.ID == id })
	if i < 0 {
		return Filesystem{}, false
	}
	return s.Filesystems[i], true
}

// Since adds to s what grew since an earlier snapshot of the same host.
func (s *Snapshot) Since(before *Snapshot) {
	over := s.At.Sub(before.At)
	if over <= 0 {
		return
	}
	old := map[[2]uint64]Log{}
	for _, l := range before.Logs {
		old[[2]uint64{l.Dev, l.Ino}] = l
	}
	for i := range s.Logs {
		l := &s.Logs[i]
		if o, ok := old[[2]uint64{l.Dev, l.Ino}]; ok && l.Size >= o.Size {
			l.Growth = Growth{l.Size - o.Size, over}
		}
	}
	for i := range s.Filesystems {
		f := &s.Filesystems[i]
		if o, ok := before.filesystem(f.ID); ok && o.Total == f.Total {
			f.Growth = Growth{o.Free - f.Free, over}
		}
	}
}
