package pglog_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph/pglog"
	"github.com/stackmend/stackmend/internal/appliertest"
	labceph "github.com/stackmend/stackmend/internal/lab/ceph"
)

// TestReal is what shares the cluster.
func TestReal(t *testing.T) {
	t.Parallel()
	t.Run("faults", realFaults)
	t.Run("trim", trimInactive)
}

// trimInactive is the incident: too few members are up, the placement groups
// take no writes, and nothing but this trims their logs and dups, be they of a
// replicated or of an erasure coded pool. They are inactive again when each OSD
// is back, and whole when the missing one is. It looks at the logs' own
// numbers, at the store, and at every object.
func trimInactive(t *testing.T) {
	c, cfg := cluster(t), config(cluster(t))
	both := []string{"few", erasure(t, c)}
	sums := map[string]string{}
	withDups(t, c, both)
	for _, pool := range both {
		sums[pool] = checksum(t, c, pool)
	}
	must(t, clean(c))
	if p := plan(t, cfg, pglog.Policy{MaxEntries: 100, MaxDups: 20}, 1); len(p.Steps) != 0 || len(p.Kept) != 1 {
		t.Errorf("active placement groups were planned for: %+v", p)
	}
	spares(t, cfg)
	minSize := func(n string) {
		for _, pool := range pools(t, c) {
			_, err := c.Ceph("osd", "pool", "set", pool, "min_size", n)
			must(t, err)
		}
	}
	minSize("3")
	offline(t, c, 2, func() {
		must(t, c.Until("inactive", func(s labceph.Status) bool { return s.Every("peered") }))
		trimBoth(t, c, cfg)
		must(t, c.Until("inactive again, with short logs", func(s labceph.Status) bool {
			return s.OSDMap.Up == 2 && s.Every("peered") && slices.Max(append(lengths(t, c, both[0]), lengths(t, c, both[1])...)) <= 100
		}))
		offline(t, c, 0, func() { sound(t, c, 0) })
	})
	minSize("2")
	must(t, clean(c))
	for pool, want := range sums {
		if got := checksum(t, c, pool); got != want {
			t.Errorf("objects of %s changed: %s, was %s", pool, got, want)
		}
	}
	deepScrub(t, c, both[1])
}

// withDups fills the logs of pools, once so that they are trimmed by the OSDs
// themselves, which leaves dups.
func withDups(t *testing.T, c *labceph.Cluster, pools []string) {
	t.Helper()
	limit := func(words ...string) {
		for _, name := range []string{"osd_min_pg_log_entries", "osd_max_pg_log_entries"} {
			_, err := c.Ceph(append([]string{"config", words[0], "osd", name}, words[1:]...)...)
			must(t, err)
		}
	}
	limit("set", "100")
	for _, pool := range pools {
		write(t, c, pool, 800)
	}
	limit("rm")
	for _, pool := range pools {
		fill(t, c, pool)
	}
}

var lostDups = regexp.MustCompile(`entries (\d+) -> (\d+), .*?, dups (\d+) -> (\d+)`)

// trimBoth trims two OSDs, and reads in the journal what their logs lost: two
// placement groups of the one pool, one of the other.
func trimBoth(t *testing.T, c *labceph.Cluster, cfg pglog.Config) {
	t.Helper()
	s, err := pglog.Observe(ctx(t), cfg, pglog.Options{OSDs: []int{0, 1}})
	must(t, err)
	if p := pglog.Plan(s, pglog.Policy{MaxEntries: 100}); len(p.Steps) > 0 || !strings.Contains(p.Kept[0].Reason, "inactive") {
		t.Errorf("without a word about what is degraded already: %+v", p)
	}
	file := filepath.Join(t.TempDir(), "journal")
	r, _, err := run(t, cfg, pglog.Plan(s, pglog.Policy{MaxEntries: 100, MaxDups: 20, Degraded: true}), file, 2*time.Minute, nil)
	for _, o := range r.Outcomes {
		t.Log(o.Step, o.State, o.Note, o.Finished.Sub(o.Started))
	}
	must(t, err)
	b, err := os.ReadFile(file)
	must(t, err)
	found := 0
	for _, n := range lostDups.FindAllStringSubmatch(strings.ReplaceAll(string(b), `\u003e`, ">"), -1) {
		t.Log(n[0])
		if len(n[1]) >= 3 && n[2] == "100" && len(n[3]) >= 3 && n[4] == "20" {
			found++
		}
	}
	if found != 2*3 {
		t.Errorf("%d logs lost entries and dups", found)
	}
}

// sound looks at the store of an OSD that is stopped.
func sound(t *testing.T, c *labceph.Cluster, id int) {
	t.Helper()
	for pg, n := range logs(t, c, id) {
		// Of dups only the trim itself can be judged: peers whose logs are
		// longer still give theirs back when the OSD has started.
		if n[0] > 100+20 { // peering may have added some
			t.Errorf("%s has %d entries", pg, n[0])
		}
	}
	out, err := exec.CommandContext(t.Context(), "ceph-bluestore-tool", "fsck", "--path", c.Data(id)).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "fsck success") {
		t.Errorf("fsck: %v\n%s", err, out)
	}
}

// erasure makes a pool of k = 2 and m = 1 with one placement group, which is
// there as long as the test.
func erasure(t *testing.T, c *labceph.Cluster) string {
	t.Helper()
	for _, argv := range []string{"osd erasure-code-profile set two k=2 m=1 crush-failure-domain=host", "osd pool create ec 1 1 erasure two", "osd pool application enable ec rados"} {
		_, err := c.Ceph(strings.Fields(argv)...)
		must(t, err)
	}
	t.Cleanup(func() {
		_, err := c.Ceph(strings.Fields("osd pool delete ec ec --yes-i-really-really-mean-it")...)
		must(t, err)
		must(t, clean(c))
	})
	return "ec"
}

// spares: of a pool of k = 2 and m = 1 no OSD can be spared, for k + 1 are to be
// left, unless the policy says otherwise. A dry run asks that really.
func spares(t *testing.T, cfg pglog.Config) {
	t.Helper()
	s, err := pglog.Observe(ctx(t), cfg, pglog.Options{OSDs: []int{0}})
	must(t, err)
	const no = "of pool ec would be left with 2 of 3 members, and needs 3"
	for _, none := range []bool{false, true} {
		p := pglog.Plan(s, pglog.Policy{MaxEntries: 100, Active: true, NoSpare: none})
		r, err := stackmend.Run(ctx(t), p, pglog.NewApplier(cfg), stackmend.Options{GuardTimeout: time.Minute})
		if told := strings.Contains(appliertest.Describe(r), no); err != nil || told == none {
			t.Errorf("no spare %t: %v\n%s", none, err, appliertest.Describe(r))
		}
	}
}

// deepScrub reads every shard of a pool's objects again, and finds nothing.
func deepScrub(t *testing.T, c *labceph.Cluster, pool string) {
	t.Helper()
	type stats struct {
		PGs []struct {
			ID, State string
			Stamp     string `json:"last_deep_scrub_stamp"`
		} `json:"pg_stats"`
	}
	look := func() (s stats) {
		out, err := c.Ceph("-f", "json", "pg", "ls-by-pool", pool)
		must(t, err)
		must(t, json.Unmarshal(out, &s))
		return s
	}
	before := look()
	_, err := c.Ceph("osd", "pool", "deep-scrub", pool)
	must(t, err)
	must(t, c.Until("deep-scrubbed", func(labceph.Status) bool { return look().PGs[0].Stamp != before.PGs[0].Stamp }))
	if now := look().PGs[0]; now.State != "active+clean" {
		t.Errorf("after a deep scrub: %+v", now)
	}
	out, err := c.Ceph("health", "detail")
	if err != nil || strings.Contains(string(out), "inconsistent") || strings.Contains(string(out), "scrub errors") {
		t.Errorf("%s %v", out, err)
	}
}
