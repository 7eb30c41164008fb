package ceph

import (
	"context"
	"encoding/json"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
)

// replay observes a recording of testdata.
func replay(t testing.TB, name string) *Snapshot {
	t.Helper()
	s, err := Observe(t.Context(), Recorded{os.DirFS(filepath.Join("testdata", name))}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// healthy is the real cluster's snapshot, read once.
var healthy = sync.OnceValues(func() ([]byte, error) {
	s, err := Observe(context.Background(), Recorded{os.DirFS("testdata/pacific-healthy")}, Options{})
	if err != nil {
		return nil, err
	}
	return json.Marshal(s)
})

// calm is a cluster of which everything was seen and nothing is wrong; each
// caller has its own.
func calm(t testing.TB) Observed {
	t.Helper()
	b, err := healthy()
	if err != nil {
		t.Fatal(err)
	}
	s := &Snapshot{}
	if err := json.Unmarshal(b, s); err != nil {
		t.Fatal(err)
	}
	soothe(s)
	return Observed{Cluster: s}
}

// soothe adds what the real cluster could not show: an hour without changes,
// and the size of its processes, as OSDs with tcmalloc tell it.
func soothe(s *Snapshot) {
	if !s.LastUpChange.IsZero() {
		s.LastUpChange = s.Taken.Add(-24 * time.Hour)
	}
	for i := range s.OSDs {
		if d := s.OSDs[i].Daemon; d != nil && d.Pools != nil && d.Perf != nil {
			d.Perf.Mapped = d.Pools.Total + 50<<20
		}
	}
}

func TestCalmIsOK(t *testing.T) {
	r := Check(calm(t), Policy{})
	if r.Status != stackmend.OK || len(r.Findings) > 0 {
		t.Errorf("%v %+v", r.Status, r.Findings)
	}
}

func TestNothingObservedIsUnknown(t *testing.T) {
	if r := Check(Observed{}, Policy{}); r.Status != stackmend.Unknown {
		t.Error(r.Status)
	}
	if r := Check(Observed{Cluster: &Snapshot{}}, Policy{}); r.Status == stackmend.OK {
		t.Error("an empty snapshot is OK")
	}
}

// A story changes the calm cluster, and says what must then be found.
type story struct {
	name   string
	change func(*Observed)
	code   string
	status stackmend.Status
	words  string // in the message, fix or evidence
}

func (s story) run(t *testing.T) {
	o := calm(t)
	s.change(&o)
	r := Check(o, Policy{})
	var near []stackmend.Finding
	for _, f := range r.Findings {
		if f.Code == s.code {
			near = append(near, f)
			if f.Status == s.status && strings.Contains(words(f), s.words) {
				if s.status > stackmend.OK && (len(f.Evidence) == 0 || f.Fix == "" || f.Subject == "") {
					t.Errorf("without evidence, fix or subject: %+v", f)
				}
				return
			}
		}
	}
	t.Errorf("no %v %s with %q: %+v", s.status, s.code, s.words, near)
}

func words(f stackmend.Finding) string {
	all := f.Subject + " " + f.Message + " " + f.Fix
	for _, e := range f.Evidence {
		all += " " + e.Value
	}
	return all
}

func TestFindings(t *testing.T) {
	for _, group := range [][]story{recoveryStories(), flagStories(), flapStories(), memoryStories(), logStories(), settingStories(), hostStories()} {
		for _, s := range group {
			t.Run(s.name, s.run)
		}
	}
}

// states puts n PGs into a state.
func states(o *Observed, state string, n int) {
	s := o.Cluster
	s.PGs.States[state] += n
	s.PGs.States["active+clean"] -= n
	for i := range n {
		s.PGs.Stuck.Count++
		s.PGs.Stuck.Top = append(s.PGs.Stuck.Top, PG{ID: "2." + string("0123456789abcdef"[i]), State: state, BlockedBy: []int{2}})
	}
}

func degrade(o *Observed, degraded, misplaced int64, rate float64) {
	o.Cluster.Recovery.Degraded, o.Cluster.Recovery.Misplaced, o.Cluster.Recovery.ObjectsPerSecond = degraded, misplaced, rate
}

func recoveryStories() []story {
	return []story{
		{"down PGs wait for an OSD", func(o *Observed) { states(o, "down", 3); o.Cluster.OSDs[2].Up = false }, CodeRecoveryBlocked, stackmend.Fail, "3 wait for osd.2 (down, in)"},
		{"incomplete", func(o *Observed) {
			states(o, "incomplete", 1)
			o.Cluster.Queries = []PGQuery{{ID: "2.0", State: "incomplete", WouldProbe: []int{1}}}
		}, CodeRecoveryBlocked, stackmend.Fail, "may know more: osd.1"},
		{"unfound", func(o *Observed) { states(o, "active+recovery_unfound+degraded", 1) }, CodeRecoveryBlocked, stackmend.Fail, "list_unfound"},
		{"too full", func(o *Observed) { states(o, "active+remapped+backfill_toofull", 1) }, CodeRecoveryBlocked, stackmend.Fail, "backfillfull_ratio"},
		{"peering may pass", func(o *Observed) { states(o, "peering", 1) }, CodeRecoveryBlocked, stackmend.Warn, "may pass"},
		{"peering does not pass", func(o *Observed) {
			states(o, "peering", 1)
			o.Cluster.PGs.Stuck.Top[0].LastActive = "2026-11-22T08:01:00.000000+0000"
		}, CodeRecoveryBlocked, stackmend.Fail, "blocked_by"},
		{"full OSD", func(o *Observed) { o.Cluster.OSDs[1].Utilisation = 91 }, CodeRecoveryBlocked, stackmend.Fail, "osd.1 91.0%"},
		{"nearly full OSD", func(o *Observed) { o.Cluster.OSDs[1].Utilisation = 86 }, CodeRecoveryBlocked, stackmend.Warn, "nearfull"},
		{"nothing moves", func(o *Observed) { degrade(o, 1000, 0, 0) }, CodeRecoveryBlocked, stackmend.Fail, "no PG recovers"},
		{"norecover holds it", func(o *Observed) { degrade(o, 1000, 0, 0); flag(o, "norecover") }, CodeRecoveryBlocked, stackmend.Fail, "ceph osd unset norecover"},
		{"time to clean", func(o *Observed) { degrade(o, 36000, 0, 10) }, CodeRecoveryRunning, stackmend.Warn, "about 1h0m0s"},
		{"time to clean from two snapshots", func(o *Observed) {
			degrade(o, 1000, 0, 0)
			states(o, "active+recovering+degraded", 1)
			earlier := *o.Cluster
			earlier.Taken = earlier.Taken.Add(-100 * time.Second)
			earlier.Recovery.Degraded = 2000
			o.Earlier = &earlier
		}, CodeRecoveryRunning, stackmend.Warn, "about 1m40s"},
		{"only misplaced", func(o *Observed) { degrade(o, 0, 10, 1) }, CodeRecoveryRunning, stackmend.OK, "nothing is missing"},
		{"rebalance in recovery", func(o *Observed) { degrade(o, 100, 50, 10) }, CodeRebalance, stackmend.Warn, "norebalance"},
		{"400 TB of new disks", func(o *Observed) { degrade(o, 100, 5000, 10) }, CodeRebalance, stackmend.Fail, "norebalance"},
		{"new disks in recovery", func(o *Observed) {
			degrade(o, 100, 50, 10)
			many(o, 8)
			for i := range o.Cluster.OSDs {
				o.Cluster.OSDs[i].Utilisation = 60
			}
			o.Cluster.OSDs[7].Utilisation = 3
		}, CodeRebalance, stackmend.Warn, "osd.7 hold less than half"},
		{"splitting in recovery", func(o *Observed) { degrade(o, 100, 0, 10); o.Cluster.Pools[1].PGsTarget = 64 }, CodeRebalance, stackmend.Warn, "pg_num is on its way in test"},
		{"the balancer holds still", func(o *Observed) {
			degrade(o, 100, 50, 10)
			o.Cluster.Balancer = &Balancer{true, "upmap"}
		}, CodeRebalance, stackmend.Warn, "makes no new moves"},
		{"Ceph's own word", func(o *Observed) {
			o.Cluster.Health = Health{Status: "HEALTH_ERR", Checks: []HealthCheck{{Code: "MON_DOWN", Severity: "HEALTH_WARN", Summary: "1/3 mons down"}, {Code: "PG_DAMAGED", Severity: "HEALTH_ERR", Summary: "x"}}}
		}, CodeHealth, stackmend.Fail, "MON_DOWN: 1/3 mons down"},
		{"mgr gone", func(o *Observed) { o.Cluster.Mgr.Available = false }, CodeMgr, stackmend.Fail, "do not restart"},
		{"mgr has not heard", func(o *Observed) { states(o, "unknown", 5) }, CodeMgr, stackmend.Unknown, "5 of 33"},
		{"slow OSD", func(o *Observed) {
			for i := range 6 {
				o.Cluster.OSDs = append(o.Cluster.OSDs, OSD{ID: 3 + i, Up: true, Class: "hdd", CommitMS: 10 + int64(i), Daemon: o.Cluster.OSDs[0].Daemon})
			}
			o.Cluster.OSDs[8].CommitMS = 400
		}, CodeSlowOSD, stackmend.Warn, "commits in 400 ms"},
		{"snapshots pile up", func(o *Observed) {
			o.Cluster.PGs.SnapQueue = 40000
			o.Cluster.PGs.SnapQueues = Worst{1, []PG{{ID: "2.1", State: "active+clean+snaptrim", SnapQueue: 40000}}}
		}, CodeSnapTrim, stackmend.Warn, "one snapshot cannot tell"},
		{"snapshots held", func(o *Observed) {
			flag(o, "nosnaptrim")
			o.Cluster.PGs.SnapQueue = 4
			o.Cluster.PGs.SnapQueues = Worst{1, []PG{{ID: "2.1", SnapQueue: 4}}}
		}, CodeSnapTrim, stackmend.Warn, "does not drain"},
		{"no pause but a loss", func(o *Observed) { o.Cluster.OSDs[0].Daemon.Config["osd_pg_max_concurrent_snap_trims"] = "0" }, CodeSnapTrim, stackmend.Fail, "54396"},
	}
}

func flag(o *Observed, name string) {
	o.Cluster.Flags = append(o.Cluster.Flags, name)
	slices.Sort(o.Cluster.Flags)
}

func flagStories() []story {
	return []story{
		{"noout", func(o *Observed) { flag(o, "noout") }, CodeFlags, stackmend.Warn, "ceph osd unset noout"},
		{"nodown", func(o *Observed) { flag(o, "nodown") }, CodeFlags, stackmend.Fail, "not safe"},
		{"norecover at rest", func(o *Observed) { flag(o, "norecover") }, CodeFlags, stackmend.Warn, "nothing is recovered"},
		{"norecover in need", func(o *Observed) { degrade(o, 1, 0, 0); flag(o, "norecover") }, CodeFlags, stackmend.Fail, "nothing is recovered"},
		{"noout of one OSD", func(o *Observed) { o.Cluster.OSDs[1].State = append(o.Cluster.OSDs[1].State, "noout") }, CodeFlags, stackmend.Warn, "osd.1"},
	}
}

// TestHostInPart: a host that somebody else has put together may lack anything.
func TestHostInPart(t *testing.T) {
	o := calm(t)
	o.Host = &Host{Name: "h", CPUs: 8, Span: time.Second}
	if r := Check(o, Policy{}); r.Status == stackmend.Fail {
		t.Errorf("%+v", r.Findings)
	}
}

// TestDistance: where a map is given, retransmissions are told by how far the
// peers are.
func TestDistance(t *testing.T) {
	o := calm(t)
	o.Host = &Host{Name: "stor1", Span: time.Second, TCP: TCPCounters{Out: 100000, Retransmitted: 3000},
		Peers: []Peer{{"10.0.0.9", 1000, 90}, {"10.0.0.8", 1000, 10}, {"10.0.0.3", 1000, 5}, {"10.0.0.2", 1000, 1}, {"10.0.0.1", 1000, 0}}}
	p := Policy{Places: map[string]Place{"10.0.0.1": {"stor1", "leaf1"}, "10.0.0.2": {"stor2", "leaf1"}, "10.0.0.3": {"stor3", "leaf1"}, "10.0.0.9": {"stor9", "leaf2"}}}
	var all string
	for _, f := range Check(o, p).Findings {
		if f.Code == CodeRetransmissions {
			all += words(f)
		}
	}
	for _, want := range []string{"the same host: 0 of 1000", "the same switch leaf1: 6 of 2000", "beyond the uplink, at switch leaf2: 90 of 1000 segments (9.00%)", "not in the map: 10 of 1000"} {
		if !strings.Contains(all, want) {
			t.Errorf("no %q in %s", want, all)
		}
	}
}

// TestPure holds the deciding files to what needs no world.
func TestPure(t *testing.T) {
	allowed := []string{"cmp", "fmt", "maps", "slices", "strconv", "strings", "time", "regexp", "github.com/stackmend/stackmend"}
	files, err := filepath.Glob("find_*.go")
	if err != nil || len(files) < 10 {
		t.Fatal(files, err)
	}
	for _, name := range append(files, "decide.go", "policy.go", "memory.go", "pglog.go", "flaps.go", "settings.go", "robust.go", "text.go") {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range f.Imports {
			if !slices.Contains(allowed, strings.Trim(i.Path.Value, `"`)) {
				t.Errorf("%s imports %s", name, i.Path.Value)
			}
		}
		b, err := os.ReadFile(name)
		if err != nil || strings.Contains(string(b), "time.Now") || strings.Contains(string(b), "time.Since") {
			t.Errorf("%s asks the clock (%v)", name, err)
		}
	}
}
