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
)

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
