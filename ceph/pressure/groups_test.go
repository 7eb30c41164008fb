package pressure

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph"
	labceph "github.com/stackmend/stackmend/internal/lab/ceph"
)

func readPlan(path string) (*stackmend.Plan, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	p := &stackmend.Plan{}
	return p, json.Unmarshal(b, p)
}

// startChild starts a process that raises recovery by what is in dir. What it
// returns kills it and says what it said.
func startChild(t *testing.T, dir string) (kill func() string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), raiseIn+"="+dir)
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	killed := false
	kill = func() string {
		if !killed {
			killed = true
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
		return said.String()
	}
	t.Cleanup(func() { kill() })
	return kill
}

// The groups of an emergency are set, read back from the daemons, and put back
// together.
func TestGroups(t *testing.T) {
	c := cluster(t)
	want := map[string]string{
		"osd_op_thread_timeout": "60", "osd_op_thread_suicide_timeout": "600",
		"osd_snap_trim_priority": "20", "osd_pg_max_concurrent_snap_trims": "4",
		"osd_min_pg_log_entries": "250", "osd_max_pg_log_entries": "500",
	}
	before := usedBefore(t, c, want)
	s := observe(t, c)
	var done []stackmend.Outcome
	for _, p := range []*stackmend.Plan{PlanTimeouts(s, quick), PlanSnapTrim(SnapTrim{}, s, quick), PlanTrim(Limits{}, s, quick)} {
		done = append(done, mustApply(t, c, p)...)
	}
	wantUsed(t, c, want)
	mustApply(t, c, PlanRestore(done, observe(t, c), quick))
	wantUsed(t, c, before)
	if p := PlanRestore(done, observe(t, c), quick); len(p.Steps) > 0 {
		t.Errorf("put back, and again: %v", p.Steps)
	}
}

// An OSD whose host is short of memory is given less, and its own again.
func TestMemory(t *testing.T) {
	c := cluster(t)
	ownFile(t, c, "osd.2", "osd memory target")
	s := observe(t, c)
	for i := range s.OSDs { // as if each were on a host of its own, osd.2 on a short one
		s.OSDs[i].Hostname, s.OSDs[i].MemTotal = s.OSDs[i].Host, 64<<30
	}
	s.OSDs[2].MemTotal = 4 << 30
	done := mustApply(t, c, PlanMemory(Memory{}, s, quick))
	if got := uses(t, c, 2, "osd_memory_target"); got != "3006267392" { // 0.7 of 4 GiB, in MiB
		t.Errorf("osd.2 uses a target of %s", got)
	}
	mustApply(t, c, PlanRestore(done, observe(t, c), quick))
	if got := uses(t, c, 2, "osd_memory_target"); got != "4294967296" {
		t.Errorf("put back: osd.2 uses a target of %s", got)
	}

	// With headroom it is given more, and its own again.
	s.OSDs[0].Daemon.Config["osd_memory_target"], s.OSDs[1].Daemon.Config["osd_memory_target"] = "8589934592", "8589934592"
	s.OSDs[2].MemTotal = 64 << 30
	done = mustApply(t, c, PlanMemory(Memory{Raise: 6 << 30}, s, quick))
	if got := uses(t, c, 2, "osd_memory_target"); got != "6442450944" {
		t.Errorf("raised: osd.2 uses a target of %s", got)
	}
	mustApply(t, c, PlanRestore(done, observe(t, c), quick))
	if got := uses(t, c, 2, "osd_memory_target"); got != "4294967296" {
		t.Errorf("put back: osd.2 uses a target of %s", got)
	}

	// The file of osd.0 says what its target is, and outranks the database.
	s.OSDs[0].MemTotal = 4 << 30
	r, err := stackmend.Run(t.Context(), PlanMemory(Memory{}, s, quick), NewApplier(commander(t, c), ApplierOptions{Wait: time.Second}), stackmend.Options{Mode: stackmend.Apply})
	if err == nil || r.Outcomes[0].State != stackmend.Reverted {
		t.Errorf("a target that the daemon's file outranks: %v %+v", err, r.Outcomes)
	}
}

// ownFile starts an OSD again with a configuration that lacks a line.
func ownFile(t *testing.T, c *labceph.Cluster, name, without string) {
	t.Helper()
	b, err := os.ReadFile(c.Conf)
	if err != nil {
		t.Fatal(err)
	}
	conf := c.Conf + "." + name
	lines := slices.DeleteFunc(strings.SplitAfter(string(b), "\n"), func(l string) bool { return strings.HasPrefix(l, without) })
	if err := errors.Join(os.WriteFile(conf, []byte(strings.Join(lines, "")), 0o600), c.End(name, syscall.SIGTERM)); err != nil {
		t.Fatal(err)
	}
	c.Furnish = func(started string, cmd *exec.Cmd) {
		if i := slices.Index(cmd.Args, c.Conf); started == name && i > 0 {
			cmd.Args[i] = conf
		}
	}
	if err := errors.Join(c.Start(name), c.Healthy()); err != nil {
		t.Fatal(err)
	}
}

// The balancer and the autoscaler are paused and go on.
func TestPause(t *testing.T) {
	c := cluster(t)
	command(t, c, "osd", "pool", "set", "test", "pg_autoscale_mode", "warn")
	command(t, c, "balancer", "on")
	done := mustApply(t, c, PlanPause(observe(t, c), quick))
	if s := observe(t, c); s.Balancer.Active || modeOf(t, c) != "off" {
		t.Errorf("balancer active: %t, mode %q", s.Balancer.Active, modeOf(t, c))
	}
	mustApply(t, c, PlanRestore(done, observe(t, c), quick))
	if s := observe(t, c); !s.Balancer.Active || modeOf(t, c) != "warn" {
		t.Errorf("put back: balancer active: %t, mode %q", s.Balancer.Active, modeOf(t, c))
	}
	command(t, c, "osd", "pool", "set", "test", "pg_autoscale_mode", "off")
}

func modeOf(t *testing.T, c *labceph.Cluster) string {
	for _, p := range observe(t, c).Pools {
		if p.Name == "test" {
			return p.Autoscale
		}
	}
	return ""
}

// An OSD is taken out of the way by one step if the others can take its data.
func TestReweight(t *testing.T) {
	c := cluster(t)
	if err := c.Healthy(); err != nil {
		t.Fatal(err)
	}
	if p := PlanReweight(1, 0, observe(t, c), quick); !strings.Contains(strings.Join(p.Refusals, ";"), "copies would be missing") {
		t.Errorf("three copies on three hosts: %v", p.Refusals)
	}
	defer twoCopies(t, c)()
	whole := observe(t, c)
	p := PlanReweight(1, 0.5, whole, quick)
	if len(p.Refusals) > 0 || p.Steps[0].Cost.Bytes <= 0 {
		t.Fatalf("%v %+v", p.Refusals, p.Steps)
	}
	done := mustApply(t, c, p)
	all := whole.OSD(1).Load.PGs
	now := settledWith(t, c, func(pgs []int) bool { return pgs[1] <= all*3/4 })
	if got := weight(now.OSD(1).Reweight); got != "0.50" {
		t.Errorf("reweight %s, want 0.50", got)
	}
	t.Logf("of %d placement groups osd.1 has kept %d", all, now.OSD(1).Load.PGs)
	mustApply(t, c, PlanRestore(done, now, quick))
	if now := settledWith(t, c, func(pgs []int) bool { return pgs[1] == all }); now.OSD(1).Reweight != 1 {
		t.Errorf("put back: reweight %v", now.OSD(1).Reweight)
	}
}

// settledWith waits until all is clean, and the placement groups that each OSD
// is in the acting set of are as they should be.
func settledWith(t *testing.T, c *labceph.Cluster, enough func(pgs []int) bool) *ceph.Snapshot {
	t.Helper()
	for end := time.Now().Add(3 * time.Minute); ; {
		s, pgs := observe(t, c), []int{}
		for _, o := range s.OSDs {
			pgs = append(pgs, o.Load.PGs)
		}
		if allClean(s.Recovery) && s.Recovery.Misplaced == 0 && enough(pgs) {
			return s
		}
		if time.Now().After(end) {
			t.Fatalf("placement groups %v, states %v", pgs, s.Recovery.States)
		}
	}
}

// twoCopies has every pool keep two copies on the three hosts. What it returns
// ends that.
func twoCopies(t *testing.T, c *labceph.Cluster) (end func()) {
	t.Helper()
	size := func(n int) {
		s := observe(t, c)
		for _, p := range s.Pools {
			command(t, c, "osd", "pool", "set", p.Name, "size", strconv.Itoa(n))
		}
		settledWith(t, c, func(pgs []int) bool { return pgs[0]+pgs[1]+pgs[2] == n*s.Recovery.PGs })
	}
	size(2)
	return func() { size(3) }
}
