package watchdog

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend/internal/lab"
)

// memoryGroup makes a group of the memory controller with a limit, version 1,
// and puts this process's future child into it by its pid.
func memoryGroup(t testing.TB, limit int64) string {
	t.Helper()
	dir := filepath.Join("/sys/fs/cgroup/memory", "stackmend-"+strconv.Itoa(os.Getpid())+"-"+strings.ReplaceAll(t.Name(), "/", "-"))
	if err := os.Mkdir(dir, 0o700); err != nil {
		lab.Without(t, "a memory controller of version 1: "+err.Error())
	}
	t.Cleanup(func() {
		for range 100 { // its processes may still be on their way out
			if os.Remove(dir) == nil {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
		t.Errorf("%s is not empty", dir)
	})
	write(t, filepath.Join(dir, "memory.limit_in_bytes"), strconv.FormatInt(limit, 10))
	return dir
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestSamplerReal samples a real process in a real group.
func TestSamplerReal(t *testing.T) {
	conf := filepath.Join(t.TempDir(), "ceph.conf")
	dir := memoryGroup(t, 300<<20)
	p := lab.StartCmd(t, osdCommand(7, conf, 100))
	write(t, filepath.Join(dir, "cgroup.procs"), strconv.Itoa(p.Process.Pid))
	s, err := NewSampler(SamplerOptions{Words: []string{conf}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	begun := time.Now()
	pass := func() *Pass {
		v, err := s.Pass(time.Since(begun))
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	p.Until(t, "as large as it shall be", func() bool {
		v := pass()
		return len(v.OSDs) == 1 && v.OSDs[0].Anon > 100<<20
	})
	v := pass()
	o := v.OSDs[0]
	if o.ID != 7 || o.PID != p.Process.Pid || o.Anon > 160<<20 || o.Age < 0 || o.Age > time.Minute {
		t.Errorf("%+v", o)
	}
	if v.Host.Total < 1<<28 || v.Host.Available <= 0 || v.Host.Available > v.Host.Total {
		t.Errorf("%+v", v.Host)
	}
	if len(v.Groups) == 0 || v.Groups[o.Group].Limit != 300<<20 || v.Groups[o.Group].Kills != 0 {
		t.Fatalf("%+v", v.Groups)
	}
	if used := v.Groups[o.Group].Used; used < 0 || used > o.Anon+32<<20 {
		t.Errorf("the group uses %d, its process %d", used, o.Anon)
	}
	if n := testing.AllocsPerRun(100, func() { pass() }); n != 0 {
		t.Errorf("a pass allocates %v times", n)
	}
	p.Stop()
	if v := pass(); len(v.OSDs) != 0 {
		t.Errorf("it has ended: %+v", v.OSDs)
	}
	if v := pass(); len(v.OSDs) != 0 || len(v.Groups) != 0 {
		t.Errorf("%+v", v)
	}
}

// TestLoopDoesNotAllocate: a pass, the outlook and the verdict over sixty
// OSDs of a fixture.
func TestLoopDoesNotAllocate(t *testing.T) {
	s := fixture(t, 60)
	tracker, h := NewTracker(0.02), History{{OSD: 3, At: time.Unix(1e9, 0), Stop: time.Second}}
	at, now := time.Duration(0), time.Unix(2e9, 0)
	loop := func() {
		at += 10 * time.Millisecond
		p, err := s.Pass(at)
		if err != nil {
			t.Fatal(err)
		}
		out := tracker.Add(p)
		for i := range out {
			Judge(&out[i], h, now, Policy{})
		}
	}
	loop()
	if n := testing.AllocsPerRun(50, loop); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// fixture is a tree of kernel files as version 2 has them, with n OSDs in
// groups of a slice, and this test binary's own sampler on it.
func fixture(t testing.TB, n int) *Sampler {
	t.Helper()
	root := t.TempDir()
	put := func(name, text string) {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, path, text)
	}
	put("proc/meminfo", "MemTotal:       263861000 kB\nMemFree:         1000000 kB\nMemAvailable:   60000000 kB\nBuffers:            1000 kB\nCached:          9000000 kB\nSwapFree:              0 kB\n")
	put("proc/uptime", "10000.00 20000.00\n")
	put("proc/vmstat", "nr_free_pages 3\noom_kill 2\n")
	put("proc/pressure/memory", "some avg10=0.00 avg60=0.00 avg300=0.00 total=123\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=45\n")
	slice := "sys/fs/cgroup/system.slice/system-ceph\\x2dosd.slice/"
	group := func(dir, max string) {
		put(dir+"memory.max", max)
		put(dir+"memory.high", "max\n")
		put(dir+"memory.current", "5000000000\n")
		put(dir+"memory.stat", "anon 4000000000\nfile 900000000\nslab_reclaimable 50000000\ninactive_file 500000000\nactive_file 400000000\n")
		put(dir+"memory.events", "low 0\nhigh 3\nmax 4\noom 0\noom_kill 0\n")
		put(dir+"memory.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=9\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=7\n")
	}
	group(slice, "400000000000\n")
	for i := range n {
		id := strconv.Itoa(i)
		pid := "proc/" + strconv.Itoa(1000+i) + "/"
		put(pid+"cmdline", "/usr/bin/ceph-osd\x00-f\x00--cluster\x00ceph\x00--id\x00"+id+"\x00")
		put(pid+"stat", strconv.Itoa(1000+i)+" (ceph-osd) S 1 1 1 0 -1 4194560 1 0 1 0 1 1 0 0 20 0 60 0 900000 1 1 1\n")
		put(pid+"status", "Name:\tceph-osd\nVmRSS:\t 4100000 kB\nRssAnon:\t 4000000 kB\nRssFile:\t  100000 kB\nVmSwap:\t       8 kB\n")
		put(pid+"statm", "2000000 1025000 25000 1 0 1 0\n")
		put(pid+"cgroup", "0::/system.slice/system-ceph\\x2dosd.slice/ceph-osd@"+id+".service\n")
		group(slice+"ceph-osd@"+id+".service/", "8589934592\n")
	}
	s, err := NewSampler(SamplerOptions{Root: root})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// TestSamplerVersion2 reads the second version of control groups.
func TestSamplerVersion2(t *testing.T) {
	s := fixture(t, 2)
	p, err := s.Pass(time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.OSDs) != 2 || len(p.Groups) != 3 || s.Lacks() != 0 {
		t.Fatalf("%+v lacks %v", p, s.Lacks().Names())
	}
	o, g := p.OSDs[1], p.Groups[p.OSDs[1].Group]
	if o.ID != 1 || o.Anon != 4000000<<10 || o.Swap != 8<<10 || o.Age != 1000*time.Second {
		t.Errorf("%+v", o)
	}
	if g.Limit != 8589934592 || g.Used != 5000000000-950000000 || g.Events != 7 || g.Full != 7 || g.Parent < 0 || p.Groups[g.Parent].Limit != 400000000000 {
		t.Errorf("%+v", g)
	}
	if p.Host.Full != 45 || p.Host.Kills != 2 {
		t.Errorf("%+v", p.Host)
	}
}

// TestOldKernel: what it lacks is said, and stood for.
func TestOldKernel(t *testing.T) {
	s := fixture(t, 1)
	root := s.o.Root
	write(t, filepath.Join(root, "proc/1000/status"), "Name:\tceph-osd\nVmRSS:\t 4100000 kB\n")
	write(t, filepath.Join(root, "proc/meminfo"), "MemTotal: 1000 kB\nMemFree: 100 kB\nBuffers: 1 kB\nCached: 20 kB\n")
	os.Remove(filepath.Join(root, "proc/pressure/memory"))
	old, err := NewSampler(SamplerOptions{Root: root})
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	p, err := old.Pass(time.Second)
	if err != nil || len(p.OSDs) != 1 || p.OSDs[0].Anon != 1000000*int64(os.Getpagesize()) || p.Host.Available != 121<<10 {
		t.Errorf("%v %+v", err, p)
	}
	if want := LacksAnon | LacksAvailable | LacksPSI; old.Lacks() != want {
		t.Errorf("lacks %v", old.Lacks().Names())
	}
}

// TestTwoClusters: a number that runs twice is refused until it is said which.
func TestTwoClusters(t *testing.T) {
	s := fixture(t, 1)
	dir := filepath.Join(s.o.Root, "proc/2000")
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(s.o.Root, "proc/1000"))); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "cmdline"), "ceph-osd\x00-i\x000\x00-c\x00/other.conf\x00")
	if _, err := s.Pass(time.Second); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("%v", err)
	}
	one, err := NewSampler(SamplerOptions{Root: s.o.Root, Words: []string{"/other.conf"}})
	if err != nil {
		t.Fatal(err)
	}
	defer one.Close()
	if p, err := one.Pass(time.Second); err != nil || len(p.OSDs) != 1 || p.OSDs[0].PID != 2000 {
		t.Errorf("%v %+v", err, p)
	}
}
