package watchdog

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
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
	id, pid      int
	status       *os.File
	statm        *os.File // where status has no RssAnon
	born         time.Duration
	group        int
	groups, path string // as /proc/PID/cgroup had them
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

// scan searches for OSDs and their limits, and opens their files anew.
func (s *Sampler) scan(at time.Duration) error {
	names, err := os.ReadDir(s.proc())
	if err != nil {
		return err
	}
	s.drop()
	s.again, s.scanned, s.lacks = false, at, s.lacks&LacksPSI
	boot, known := uptime(s.text("uptime"))
	for _, e := range names {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid <= 0 {
			continue
		}
		o, ok := s.find(pid, e.Name())
		if !ok {
			continue
		}
		if begun, ok := started(s.text(e.Name(), "stat")); ok && known {
			o.born = at - max(0, boot-begun)
		} else {
			o.born = at
		}
		s.osds = append(s.osds, o)
	}
	slices.SortFunc(s.osds, func(a, b osdFiles) int {
		if a.id != b.id {
			return a.id - b.id
		}
		return a.pid - b.pid
	})
	if err := s.twice(); err != nil {
		return err
	}
	for i := range s.osds {
		s.osds[i].group = s.limits(s.osds[i].groups)
	}
	s.pass.Groups = make([]GroupSample, len(s.groups))
	s.pass.OSDs = make([]OSDSample, 0, len(s.osds))
	s.pass.Host.Kills = field(s.text("vmstat"), "oom_kill")
	return nil
}

// twice: two processes of one number are OSDs of two clusters, and nobody can
// say which is meant.
func (s *Sampler) twice() error {
	for i := 1; i < len(s.osds); i++ {
		if a, b := s.osds[i-1], s.osds[i]; a.id == b.id {
			s.drop()
			s.again = true
			return fmt.Errorf("watchdog: osd.%d runs twice, as process %d and %d: say which cluster is meant by a word of its command line", a.id, a.pid, b.pid)
		}
	}
	return nil
}

func (s *Sampler) text(name ...string) []byte {
	b, _ := os.ReadFile(s.proc(name...)) // not readable: its process has gone, or an old kernel
	return b
}

// find opens a process's files if it is an OSD.
func (s *Sampler) find(pid int, dir string) (o osdFiles, ok bool) {
	id, ok := osdOf(s.text(dir, "cmdline"), s.o.Words)
	if !ok {
		return o, false
	}
	o = osdFiles{id: id, pid: pid, groups: string(s.text(dir, "cgroup"))}
	var err error
	if o.status, err = os.Open(s.proc(dir, "status")); err != nil {
		return o, false
	}
	o.statm, _ = os.Open(s.proc(dir, "statm")) // needed on old kernels alone
	return o, true
}

// limits finds the groups above a process that have a limit, and returns the
// nearest.
func (s *Sampler) limits(cgroup string) int {
	v1, v2 := groupsOf([]byte(cgroup))
	root := filepath.Join(s.o.Root, "sys/fs/cgroup")
	switch {
	case v1 != "":
		return s.climb(filepath.Join(root, "memory"), v1, false)
	case v2 != "":
		return s.climb(root, v2, true)
	}
	return HostLimit
}

// climb goes from a group to the root and opens each that has a limit.
func (s *Sampler) climb(root, path string, v2 bool) int {
	nearest, child := HostLimit, -1
	for p := path; p != "/" && p != "."; p = filepath.Dir(p) {
		g, ok := s.open(filepath.Join(root, p), v2)
		if !ok {
			continue
		}
		i := slices.IndexFunc(s.groups, func(f groupFiles) bool { return f.path == g.path })
		known := i >= 0
		if known {
			closeAll(g.usage, g.stat, g.events, g.pressure)
		} else {
			i = len(s.groups)
			s.groups = append(s.groups, g)
		}
		if child >= 0 {
			s.groups[child].parent = i
		} else {
			nearest = i
		}
		if child = i; known { // and all above it
			return nearest
		}
	}
	return nearest
}

// open opens a group that has a limit.
func (s *Sampler) open(dir string, v2 bool) (g groupFiles, ok bool) {
	limit := func(name string) int64 {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return None
		}
		return parseLimit([]byte(strings.TrimSpace(string(b))))
	}
	names := []string{"memory.usage_in_bytes", "memory.stat", "memory.oom_control", ""}
	g = groupFiles{path: dir, v2: v2, parent: -1, limit: limit("memory.limit_in_bytes")}
	if v2 {
		names = []string{"memory.current", "memory.stat", "memory.events", "memory.pressure"}
		g.limit = least(limit("memory.max"), limit("memory.high"))
	}
	if g.limit < 0 {
		return g, false
	}
	for i, f := range []**os.File{&g.usage, &g.stat, &g.events, &g.pressure} {
		if names[i] == "" {
			continue
		}
		var err error
		if *f, err = os.Open(filepath.Join(dir, names[i])); err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.lacks |= LacksEvents
		}
	}
	return g, true
}
