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
		"config set mgr mgr_stats_period 1", // instead of 5 s, for each state that is waited for
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

// fill makes the logs of a pool long: it writes enough at once, and waits until
// the manager has heard of it.
func fill(t testing.TB, c *labceph.Cluster, pool string) {
	t.Helper()
	write(t, c, pool, 1600) // of three placement groups one has but a quarter
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		if slices.Min(lengths(t, c, pool)) > 300 {
			return
		}
	}
	t.Fatalf("the logs do not grow: %v", lengths(t, c, pool))
}

// write writes so many objects.
func write(t testing.TB, c *labceph.Cluster, pool string, n int) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "rados", "-c", c.Conf, "-p", pool, "bench", "60", "write", "-b", "512", "-t", "32", "--max-objects", strconv.Itoa(n), "--no-cleanup").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// lengths are the lengths of a pool's logs.
func lengths(t testing.TB, c *labceph.Cluster, pool string) []int64 {
	t.Helper()
	out, err := c.Ceph("-f", "json", "pg", "ls-by-pool", pool)
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

// checksum is of all objects of a pool, with their names.
func checksum(t testing.TB, c *labceph.Cluster, pool string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "all")
	must(t, c.Rados("-p", pool, "export", file))
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
