package watchdog

import (
	"errors"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// A Sampler reads the memory of a host's OSDs again and again through files
// that it keeps open: a pass does not allocate and opens nothing. It is not
// for concurrent use.
type Sampler struct {
	o       SamplerOptions
	buf     [16 << 10]byte
	page    int64
	meminfo *os.File
	psi     *os.File // nil: this kernel has none
	osds    []osdFiles
	groups  []groupFiles
	pass    Pass
	lacks   Lacks
	scanned time.Duration
	again   bool // search before the next pass
}

type osdFiles struct {
	id, pid int
	status  *os.File
	statm   *os.File // where status has no RssAnon
	born    time.Duration
	group   int
	groups  string // as /proc/PID/cgroup had them
}

type groupFiles struct {
	path   string // in the file system
	v2     bool
	parent int
	limit  int64
	usage, stat, events,
	pressure *os.File
}

// NewSampler opens what is the host's and finds its OSDs. The error is
// compatible with errors.Is: fs.ErrNotExist if this is no Linux's /proc. That
// no OSD runs is no error: one may come.
func NewSampler(o SamplerOptions) (*Sampler, error) {
	if o.Root == "" {
		o.Root = "/"
	}
	s := &Sampler{o: o, page: int64(os.Getpagesize())}
	var err error
	if s.meminfo, err = os.Open(s.proc("meminfo")); err != nil {
		return nil, err
	}
	if s.psi, err = os.Open(s.proc("pressure", "memory")); err != nil {
		s.lacks |= LacksPSI
	}
	s.again = true
	return s, nil
}

func (s *Sampler) proc(name ...string) string {
	return filepath.Join(append([]string{s.o.Root, "proc"}, name...)...)
}

// Lacks are the signals that this kernel did not give in the last pass.
func (s *Sampler) Lacks() Lacks { return s.lacks }

// Close closes its files.
func (s *Sampler) Close() error {
	s.drop()
	err := s.meminfo.Close()
	if s.psi != nil {
		err = errors.Join(err, s.psi.Close())
	}
	return err
}

// read reads a file of the kernel from its beginning. What it returns is valid
// until the next read; nil: it cannot be read, or its process has ended.
func (s *Sampler) read(f *os.File) []byte {
	if f == nil {
		return nil
	}
	for {
		n, err := unix.Pread(int(f.Fd()), s.buf[:], 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n <= 0 {
			return nil
		}
		return s.buf[:n]
	}
}

// Pass samples everything. At is the time on a clock that nobody sets
// (CLOCK_MONOTONIC). What it returns is overwritten by the next pass.
func (s *Sampler) Pass(at time.Duration) (*Pass, error) {
	if s.again || at-s.scanned >= rescan {
		if err := s.scan(at); err != nil {
			return nil, err
		}
	}
	s.pass.At = at
	if err := s.host(); err != nil {
		return nil, err
	}
	for i := range s.groups {
		s.group(i)
	}
	s.pass.OSDs = s.pass.OSDs[:0]
	for i := range s.osds {
		if o, ok := s.osd(&s.osds[i]); ok {
			s.pass.OSDs = append(s.pass.OSDs, o)
		} else {
			s.again = true
		}
	}
	return &s.pass, nil
}

var errMeminfo = errors.New("watchdog: /proc/meminfo cannot be read")

func (s *Sampler) host() error {
	b := s.read(s.meminfo)
	h := &s.pass.Host
	h.Total, h.Available, h.SwapFree = kib(b, "MemTotal:"), kib(b, "MemAvailable:"), kib(b, "SwapFree:")
	if h.Available < 0 {
		s.lacks |= LacksAvailable
		h.Available = kib(b, "MemFree:") + max(kib(b, "Cached:"), 0) + max(kib(b, "Buffers:"), 0)
	}
	if h.Total < 0 {
		return errMeminfo
	}
	h.Some, h.Full = parsePSI(s.read(s.psi))
	return nil
}

func (s *Sampler) osd(o *osdFiles) (OSDSample, bool) {
	b := s.read(o.status)
	v := OSDSample{ID: o.id, PID: o.pid, Age: s.pass.At - o.born, Group: o.group}
	v.Anon, v.Swap = kib(b, "RssAnon:"), kib(b, "VmSwap:")
	if v.Anon < 0 && kib(b, "VmRSS:") >= 0 { // alive, on an old kernel
		s.lacks |= LacksAnon
		v.Anon = parseStatm(s.read(o.statm), s.page)
	}
	return v, v.Anon >= 0
}

func (s *Sampler) group(i int) {
	f := &s.groups[i]
	g := &s.pass.Groups[i]
	*g = GroupSample{Path: f.path, Parent: f.parent, Limit: f.limit, Kills: None, Events: None, Full: None}
	usage := parseLimit(s.read(f.usage))
	stat := s.read(f.stat)
	if f.v2 {
		g.Used = unreclaimable(usage, field(stat, "active_file"), field(stat, "inactive_file"), field(stat, "slab_reclaimable"))
		_, g.Full = parsePSI(s.read(f.pressure))
	} else {
		g.Used = unreclaimable(usage, field(stat, "total_active_file"), field(stat, "total_inactive_file"))
	}
	events := s.read(f.events)
	if g.Kills = field(events, "oom_kill"); g.Kills < 0 {
		s.lacks |= LacksEvents
	}
	if f.v2 {
		g.Events = max(field(events, "high"), 0) + max(field(events, "max"), 0)
	}
}

// drop closes what belongs to the OSDs.
func (s *Sampler) drop() {
	for _, o := range s.osds {
		closeAll(o.status, o.statm)
	}
	for _, g := range s.groups {
		closeAll(g.usage, g.stat, g.events, g.pressure)
	}
	s.osds, s.groups = nil, nil
}

func closeAll(files ...*os.File) {
	for _, f := range files {
		if f != nil {
			f.Close()
		}
	}
}
