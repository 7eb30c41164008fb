package pglog_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph"
	"github.com/stackmend/stackmend/ceph/pglog"
	"github.com/stackmend/stackmend/ceph/supervisor"
	"github.com/stackmend/stackmend/internal/lab"
	labceph "github.com/stackmend/stackmend/internal/lab/ceph"
)

var started struct { // by the first test that needs it
	sync.Once
	cluster *labceph.Cluster
	dir     string
	err     error
}

// cluster is the real one that the tests share: three OSDs under respawners,
// and a pool with few placement groups, for each costs the tool a second.
func cluster(t testing.TB) *labceph.Cluster {
	t.Helper()
	lab.Need(t, append(labceph.Programs(), "ceph-objectstore-tool", "ceph-bluestore-tool", "setpriv")...)
	started.Do(func() {
		if started.dir, started.err = os.MkdirTemp("", "c"); started.err != nil {
			return
		}
		if started.cluster, started.err = labceph.Up(started.dir); started.err == nil {
			started.err = prepare(started.cluster, 2)
		}
	})
	if started.err != nil {
		t.Fatal(started.err)
	}
	return started.cluster
}

func prepare(c *labceph.Cluster, pgs int) error {
	var g errgroup.Group
	for id := range c.Size {
		g.Go(func() error { return c.Respawn(id) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for _, argv := range []string{
		"osd pool delete test test --yes-i-really-really-mean-it", fmt.Sprintf("osd pool create few %d %d replicated", pgs, pgs), "osd pool application enable few rados",
	} {
		if _, err := c.Ceph(strings.Fields(argv)...); err != nil {
			return err
		}
	}
	return clean(c)
}

func TestMain(m *testing.M) {
	status := m.Run()
	if started.cluster != nil {
		if err := started.cluster.Down(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			status = 1
		}
	}
	if started.dir != "" {
		os.RemoveAll(started.dir)
	}
	os.Exit(status)
}

// clean waits until all OSDs are up and all placement groups are clean.
func clean(c *labceph.Cluster) error {
	return c.Until("clean", func(s labceph.Status) bool { return s.OSDMap.Up == c.Size && s.Clean() })
}

func config(c *labceph.Cluster) pglog.Config {
	hold := filepath.Join(c.Dir, "osd.{id}.hold")
	return pglog.Config{
		Cluster: ceph.CLI{Conf: c.Conf, Keyring: c.Admin},
		Supervisor: supervisor.Process{Hold: []string{"touch", hold}, Release: []string{"rm", "-f", hold},
			Held: []string{"test", "-e", hold}, Args: []string{c.Conf}},
		Tool: pglog.Tool{Data: filepath.Join(c.Dir, "osd.{id}")},
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// fill writes until the logs are long.
func fill(t testing.TB, c *labceph.Cluster) {
	t.Helper()
	for range 20 {
		out, err := exec.CommandContext(t.Context(), "rados", "-c", c.Conf, "-p", "few", "bench", "3", "write", "-b", "512", "-t", "32", "--no-cleanup").CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if logs := lengths(t, c); slices.Min(logs) > 300 {
			return
		}
	}
	t.Fatal("the logs do not grow")
}

// lengths are the lengths of the pool's logs.
func lengths(t testing.TB, c *labceph.Cluster) []int64 {
	t.Helper()
	out, err := c.Ceph("-f", "json", "pg", "ls-by-pool", "few")
	must(t, err)
	var ls struct {
		PGs []struct {
			Log int64 `json:"log_size"`
		} `json:"pg_stats"`
	}
	must(t, json.Unmarshal(out, &ls))
	var n []int64
	for _, pg := range ls.PGs {
		n = append(n, pg.Log)
	}
	return n
}

// checksum is of all objects of the pool, with their names.
func checksum(t testing.TB, c *labceph.Cluster) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "all")
	must(t, c.Rados("-p", "few", "export", file))
	b, err := os.ReadFile(file)
	must(t, err)
	if len(b) < 300*512 {
		t.Fatalf("objects are missing: %d bytes", len(b))
	}
	return fmt.Sprintf("%x", sha256.Sum256(b))
}

func apply(t testing.TB, cfg pglog.Config, plan *stackmend.Plan) (stackmend.Result, error) {
	t.Helper()
	return applyBy(t, cfg, plan, 1, nil)
}

// applyBy carries out a plan with so many groups side by side.
func applyBy(t testing.TB, cfg pglog.Config, plan *stackmend.Plan, parallel int, on func(stackmend.Event)) (stackmend.Result, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	return stackmend.Run(ctx, plan, pglog.NewApplier(cfg), stackmend.Options{Mode: stackmend.Apply, MaxWait: 2 * time.Minute, Parallel: parallel, OnEvent: on,
		GuardTimeout: time.Minute, Lock: stackmend.FileLock(filepath.Join(t.TempDir(), "lock"))})
}

func plan(t testing.TB, cfg pglog.Config, p pglog.Policy, osds ...int) *stackmend.Plan {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	s, err := pglog.Observe(ctx, cfg, pglog.Options{OSDs: osds})
	must(t, err)
	return pglog.Plan(s, p)
}

// A whole trim on a real cluster: logs filled by real writes, an OSD stopped,
// trimmed, started; then the log's own numbers, the store, and every object.
func TestTrim(t *testing.T) {
	c, cfg := cluster(t), config(cluster(t))
	fill(t, c)
	must(t, clean(c))
	before, sums := lengths(t, c), checksum(t, c)
	idle := pglog.Policy{MaxEntries: 100, MaxDups: 20}
	if p := plan(t, cfg, idle, 1); len(p.Steps) != 0 || len(p.Kept) != 1 {
		t.Errorf("active placement groups were planned for: %+v", p)
	}
	policy := idle
	policy.Active = true
	p := plan(t, cfg, policy, 0)
	if len(p.Steps) != 2+4 || len(p.Refusals) > 0 {
		b, _ := json.MarshalIndent(p, "", " ")
		t.Fatalf("the plan is\n%s", b)
	}
	begun := time.Now()
	r, err := apply(t, cfg, p)
	t.Logf("one OSD in %v", time.Since(begun))
	for _, o := range r.Outcomes {
		t.Log(o.Step, o.State, o.Note, o.Finished.Sub(o.Started))
	}
	must(t, err)
	must(t, clean(c))
	if got := checksum(t, c); got != sums {
		t.Errorf("objects changed: %s, was %s", got, sums)
	}
	offline(t, c, 0, func() {
		for pg, n := range logs(t, c, 0) {
			// Of dups only the trim itself can be judged: peers whose logs
			// are longer still give theirs back when the OSD has started.
			if n[0] > 100+20 { // peering may have added some
				t.Errorf("%s has %d entries; before %v", pg, n[0], before)
			}
		}
		out, err := exec.CommandContext(t.Context(), "ceph-bluestore-tool", "fsck", "--path", c.Data(0)).CombinedOutput()
		if err != nil || !strings.Contains(string(out), "fsck success") {
			t.Errorf("fsck: %v\n%s", err, out)
		}
	})
	must(t, clean(c))
}

// TestTrimInactive is the incident: too few members are up, the placement
// groups take no writes, and nothing but this trims their logs. They are
// inactive again when each OSD is back, and whole when the missing one is.
func TestTrimInactive(t *testing.T) {
	c, cfg := cluster(t), config(cluster(t))
	fill(t, c)
	must(t, clean(c))
	sums := checksum(t, c)
	minSize := func(n string) {
		for _, pool := range pools(t, c) {
			_, err := c.Ceph("osd", "pool", "set", pool, "min_size", n)
			must(t, err)
		}
	}
	policy := pglog.Policy{MaxEntries: 100, Degraded: true}
	minSize("3")
	offline(t, c, 2, func() {
		must(t, c.Until("inactive", func(s labceph.Status) bool { return s.Every("peered") }))
		if p := plan(t, cfg, pglog.Policy{MaxEntries: 100}, 0, 1); len(p.Steps) > 0 || !strings.Contains(p.Kept[0].Reason, "inactive") {
			t.Errorf("without a word about what is degraded already: %+v", p)
		}
		r, err := apply(t, cfg, plan(t, cfg, policy, 0, 1))
		for _, o := range r.Outcomes {
			t.Log(o.Step, o.State, o.Note, o.Finished.Sub(o.Started))
		}
		must(t, err)
		must(t, c.Until("inactive again, with short logs", func(s labceph.Status) bool {
			return s.OSDMap.Up == 2 && s.Every("peered") && slices.Max(lengths(t, c)) <= 100
		}))
	})
	minSize("2")
	must(t, clean(c))
	if got := checksum(t, c); got != sums {
		t.Errorf("objects changed: %s, was %s", got, sums)
	}
}

// TestErasure: of a pool of k = 2 and m = 1 no OSD can be spared, for k + 1 are
// to be left; and its placement group is not among those that are to be trimmed.
func TestErasure(t *testing.T) {
	c, cfg := cluster(t), config(cluster(t))
	for _, argv := range []string{"osd erasure-code-profile set two k=2 m=1 crush-failure-domain=host", "osd pool create ec 1 1 erasure two"} {
		_, err := c.Ceph(strings.Fields(argv)...)
		must(t, err)
	}
	defer func() {
		_, err := c.Ceph(strings.Fields("osd pool delete ec ec --yes-i-really-really-mean-it")...)
		must(t, err)
		must(t, clean(c))
	}()
	listed := false // by the manager; the monitor's status is of a moment before
	must(t, c.Until("clean with the new pool", func(s labceph.Status) bool {
		if listed && s.OSDMap.Up == labceph.OSDs && s.Clean() {
			return true
		}
		out, err := c.Ceph("-f", "json", "pg", "ls-by-pool", "ec")
		listed = err == nil && strings.Contains(string(out), `"active+clean"`)
		return false
	}))
	s, err := pglog.Observe(ctx(t), cfg, pglog.Options{OSDs: []int{0}})
	must(t, err)
	p := pglog.Plan(s, pglog.Policy{MaxDups: 1, Active: true})
	if len(p.Steps) != 2+4 || !strings.Contains(p.Steps[3].Reason, fmt.Sprintf("%d of %d placement groups", len(s.OSDs[0].PGs)-1, len(s.OSDs[0].PGs))) {
		t.Errorf("%+v", p)
	}
	_, err = stackmend.Run(ctx(t), p, pglog.NewApplier(cfg), stackmend.Options{Mode: stackmend.Apply, GuardTimeout: time.Minute})
	if err == nil || !strings.Contains(err.Error(), "of pool ec would be left with 2 of 3 members, and needs 3") {
		t.Error(err)
	}
}

func ctx(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// pools are the names of all pools.
func pools(t testing.TB, c *labceph.Cluster) []string {
	t.Helper()
	out, err := c.Ceph("osd", "pool", "ls")
	must(t, err)
	return strings.Fields(string(out))
}

// offline holds an OSD down while f looks at its store.
func offline(t testing.TB, c *labceph.Cluster, id int, f func()) {
	t.Helper()
	do := func(a supervisor.Action) {
		must(t, config(c).Supervisor.Do(ctx(t), supervisor.Change{OSD: id, Action: a}))
	}
	do(supervisor.Hold)
	do(supervisor.Stop)
	f() // takes as long as it takes
	do(supervisor.Release)
	do(supervisor.Start)
}

// logs are the entries and dups of each placement group in a store.
func logs(t testing.TB, c *labceph.Cluster, id int) map[string][2]int64 {
	t.Helper()
	tool := func(arg ...string) []byte {
		out, err := exec.CommandContext(t.Context(), "ceph-objectstore-tool", append([]string{"--no-mon-config", "--data-path", c.Data(id)}, arg...)...).Output()
		if err != nil {
			t.Fatalf("%v: %v", arg, err)
		}
		return out
	}
	found := map[string][2]int64{}
	for _, pg := range strings.Fields(string(tool("--op", "list-pgs"))) {
		l, err := pglog.ReadLog(strings.NewReader(string(tool("--pgid", pg, "--op", "log"))))
		must(t, err)
		found[pg] = [2]int64{int64(len(l.Entries)), l.Dups}
	}
	if len(found) == 0 {
		t.Fatal("no placement groups in " + strconv.Itoa(id))
	}
	return found
}
