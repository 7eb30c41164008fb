package pressure

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
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

var quick = Policy{Settle: time.Second, Expires: time.Hour}

// uses is what a daemon itself says that it uses.
func uses(t testing.TB, c *labceph.Cluster, id int, name string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	socket := ceph.AdminSocket{Path: filepath.Join(c.Dir, "asok", "osd."+strconv.Itoa(id)+".asok"), Daemon: ceph.ToOSD(id)}
	v, err := effective(ctx, socket, id, name)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// wantUsed waits until every daemon uses the values.
func wantUsed(t testing.TB, c *labceph.Cluster, want map[string]string) {
	t.Helper()
	for name, v := range want {
		for id := range labceph.OSDs {
			got := uses(t, c, id, name)
			for end := time.Now().Add(time.Minute); !same(got, v) && time.Now().Before(end); got = uses(t, c, id, name) {
				time.Sleep(100 * time.Millisecond)
			}
			if !same(got, v) {
				t.Errorf("osd.%d uses %s = %s, want %s", id, name, got, v)
			}
		}
	}
}

// usedBefore is what the daemons use before a test changes it.
func usedBefore(t testing.TB, c *labceph.Cluster, names map[string]string) map[string]string {
	t.Helper()
	before := map[string]string{}
	for name := range names {
		before[name] = uses(t, c, 0, name)
	}
	return before
}

func apply(t testing.TB, c *labceph.Cluster, p *stackmend.Plan, o stackmend.Options) (stackmend.Result, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	if o.Mode == stackmend.DryRun {
		o.Mode = stackmend.Apply
	}
	return stackmend.Run(ctx, p, NewApplier(commander(t, c), ApplierOptions{}), o)
}

func mustApply(t testing.TB, c *labceph.Cluster, p *stackmend.Plan) []stackmend.Outcome {
	t.Helper()
	r, err := apply(t, c, p, stackmend.Options{})
	if err != nil || len(r.Outcomes) == 0 {
		t.Fatalf("%v %+v, kept %+v", err, r.Outcomes, p.Kept)
	}
	return r.Outcomes
}

var eased = map[string]string{"osd_max_backfills": "1", "osd_recovery_max_active": "1", "osd_recovery_op_priority": "1", "osd_recovery_sleep": "0.1"}

// Recovery that waits is eased, raised until all is clean, and put back from
// the journal; an operator's own value comes back, and one that somebody has
// changed since stays.
func TestEaseRaiseRestore(t *testing.T) {
	c := cluster(t)
	before := usedBefore(t, c, eased)
	before["osd_max_backfills"] = "7"
	command(t, c, "config", "set", "osd", "osd_max_backfills", "7")
	defer command(t, c, "config", "rm", "osd", "osd_max_backfills")
	degrade(t, c)

	path := filepath.Join(t.TempDir(), "journal")
	j := open(t, path)
	if r, err := apply(t, c, PlanEase(observe(t, c), quick), stackmend.Options{Journal: j}); err != nil {
		t.Fatalf("%v %+v", err, r)
	}
	wantUsed(t, c, eased)
	raise(t, c)
	wantUsed(t, c, eased)

	command(t, c, "config", "set", "osd", "osd_recovery_sleep", "0.3") // somebody else, later
	defer command(t, c, "config", "rm", "osd", "osd_recovery_sleep")
	j.Close() // days later
	j = open(t, path)
	defer j.Close()
	back := PlanRestore(j.Last(), observe(t, c), quick)
	if len(back.Kept) != 1 || back.Kept[0].Target != "osd osd_recovery_sleep" {
		t.Errorf("kept %+v", back.Kept)
	}
	mustApply(t, c, back)
	before["osd_recovery_sleep"] = "0.3"
	wantUsed(t, c, before)
}

// raise climbs, is held at the lowest, climbs again, falls back when an OSD
// starts again, and then lets recovery go and waits for its end.
func raise(t *testing.T, c *labceph.Cluster) {
	t.Helper()
	plan := PlanRaise(Climb{LatencyMS: 60_000}, observe(t, c), quick)
	var looks []Look
	hold := ""
	acts := []func(Look) bool{
		func(l Look) bool {
			if l.Level < 2 {
				return false
			}
			wantUsed(t, c, map[string]string{"osd_max_backfills": "3"})
			hold = "the test says so"
			return true
		},
		func(l Look) bool {
			if l.Level != 0 || !strings.Contains(l.Why, hold) {
				t.Errorf("held: %+v", l)
			}
			wantUsed(t, c, map[string]string{"osd_max_backfills": "1"})
			hold = ""
			return true
		},
		func(l Look) bool {
			if l.Level < 2 {
				return false
			}
			if err := errors.Join(c.End("osd.0", syscall.SIGTERM), c.Start("osd.0")); err != nil {
				t.Error(err)
			}
			return true
		},
		func(l Look) bool {
			if !strings.HasPrefix(l.Why, "down to 1: osd.0 went up or down") {
				return false
			}
			wantUsed(t, c, map[string]string{"osd_max_backfills": "2"})
			command(t, c, "osd", "unset", "norecover")
			return true
		},
	}
	a := NewApplier(commander(t, c), ApplierOptions{Sample: 100 * time.Millisecond, Hold: func() string { return hold }, OnLook: func(l Look) {
		looks = append(looks, l)
		if len(acts) > 0 && acts[0](l) {
			acts = acts[1:]
		}
	}})
	r, err := stackmend.Run(t.Context(), plan, a, stackmend.Options{Mode: stackmend.Apply, MaxWait: 2 * time.Minute})
	if err != nil {
		t.Fatalf("%v %+v", err, r.Outcomes)
	}
	if len(acts) > 0 {
		t.Errorf("%d things did not happen", len(acts))
	}
	last := looks[len(looks)-1]
	if unclean(last.States) > 0 || last.Left > 0 || unclean(looks[0].States) == 0 {
		t.Errorf("from %+v to %+v", looks[0], last)
	}
	for _, l := range []Look{looks[0], last} {
		t.Log(l)
	}
}

func open(t testing.TB, path string) *stackmend.Journal {
	t.Helper()
	j, err := stackmend.OpenJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func command(t testing.TB, c *labceph.Cluster, arg ...string) {
	t.Helper()
	if _, err := c.Ceph(arg...); err != nil {
		t.Error(err)
	}
}

// degrade lets an OSD miss writes, so that it has something to recover, and
// holds the recovery by a flag.
func degrade(t testing.TB, c *labceph.Cluster) {
	t.Helper()
	if err := c.End("osd.2", syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := c.Rados("-p", "test", "bench", "1", "write", "-b", "4096", "--no-cleanup"); err != nil {
		t.Fatal(err)
	}
	command(t, c, "osd", "set", "norecover")
	if err := c.Start("osd.2"); err != nil {
		t.Fatal(err)
	}
	if err := c.Until("all up, and degraded", func(s labceph.Status) bool { return s.OSDMap.Up == labceph.OSDs && !s.Clean() }); err != nil {
		t.Fatal(err)
	}
}

// A process that is killed while it raises recovery leaves it raised; a revert
// of its journal puts it back, and so does a restore; another process goes on
// with it to its end.
func TestKilledWhileRaising(t *testing.T) {
	c := cluster(t)
	degrade(t, c)
	defer command(t, c, "osd", "unset", "norecover")
	before := usedBefore(t, c, map[string]string{"osd_max_backfills": "", "osd_recovery_max_active": ""})
	j := killedWhileRaising(t, c, before["osd_max_backfills"])
	if p := PlanRestore(j.Last(), observe(t, c), quick); len(p.Steps) == 0 {
		t.Errorf("a restore sees nothing to put back: %+v", p)
	}
	r, err := stackmend.Run(t.Context(), nil, NewApplier(commander(t, c), ApplierOptions{}), stackmend.Options{Mode: stackmend.Revert, Journal: j})
	if err != nil {
		t.Errorf("%v %+v", err, r.Outcomes)
	}
	wantUsed(t, c, before)

	j = killedWhileRaising(t, c, before["osd_max_backfills"])
	var levels []int
	a := NewApplier(commander(t, c), ApplierOptions{Sample: 100 * time.Millisecond, OnLook: func(l Look) {
		if levels = append(levels, l.Level); l.Level == 1 {
			command(t, c, "osd", "unset", "norecover")
		}
	}})
	r, err = stackmend.Run(t.Context(), nil, a, stackmend.Options{Mode: stackmend.Apply, Journal: j, MaxWait: 2 * time.Minute})
	if err != nil || levels[0] != 0 || !slices.Contains(levels, 1) {
		t.Errorf("gone on with: %v %+v, levels %v", err, r.Outcomes, levels)
	}
	wantUsed(t, c, before)
	if err := c.Healthy(); err != nil {
		t.Fatal(err)
	}
}

// killedWhileRaising kills a process once the daemons are raised, and returns
// its journal.
func killedWhileRaising(t *testing.T, c *labceph.Cluster, before string) *stackmend.Journal {
	t.Helper()
	dir := t.TempDir()
	b, err := json.Marshal(PlanRaise(Climb{LatencyMS: 60_000}, observe(t, c), quick))
	if err = errors.Join(err, os.WriteFile(filepath.Join(dir, "plan"), b, 0o600),
		os.Symlink(c.Conf, filepath.Join(dir, "conf")), os.Symlink(c.Admin, filepath.Join(dir, "keyring"))); err != nil {
		t.Fatal(err)
	}
	kill := startChild(t, dir)
	for end := time.Now().Add(2 * time.Minute); same(uses(t, c, 1, "osd_max_backfills"), before); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the child does not raise: %s", kill())
		}
	}
	kill()
	j := open(t, filepath.Join(dir, "journal"))
	t.Cleanup(func() { j.Close() })
	return j
}

// A run that is stopped in the middle of its group puts all of it back.
func TestStoppedInTheMiddle(t *testing.T) {
	c := cluster(t)
	before := usedBefore(t, c, eased)
	plan := PlanEase(observe(t, c), Policy{Settle: time.Minute, Expires: time.Hour})
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	j := open(t, filepath.Join(t.TempDir(), "journal"))
	defer j.Close()
	_, err := stackmend.Run(ctx, plan, NewApplier(commander(t, c), ApplierOptions{}), stackmend.Options{
		Mode: stackmend.Apply, Journal: j,
		OnEvent: func(e stackmend.Event) {
			if e.Step.Verb == VerbConfirm && e.Unit != "" {
				cancel() // every value is set, the group is open
			}
		},
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want Canceled", err)
	}
	wantUsed(t, c, before)
	if p := PlanRestore(j.Last(), observe(t, c), quick); len(p.Steps) > 0 {
		t.Errorf("a restore after a revert: %v", p.Steps)
	}
}

// What changed since the plan stops it: a flag, or a value.
func TestMovedSincePlan(t *testing.T) {
	c := cluster(t)
	plan := PlanEase(observe(t, c), quick)
	command(t, c, "osd", "set", "noscrub")
	_, err := apply(t, c, plan, stackmend.Options{})
	command(t, c, "osd", "unset", "noscrub")
	if !errors.Is(err, stackmend.ErrStale) {
		t.Errorf("the map moved: %v, want ErrStale", err)
	}
	plan = PlanEase(observe(t, c), quick)
	command(t, c, "config", "set", "osd", "osd_recovery_sleep", "0.05")
	defer command(t, c, "config", "rm", "osd", "osd_recovery_sleep")
	if _, err := apply(t, c, plan, stackmend.Options{}); !errors.Is(err, stackmend.ErrStale) {
		t.Errorf("a value moved: %v, want ErrStale", err)
	}
	wantUsed(t, c, map[string]string{"osd_recovery_sleep": "0.05"})
}

// A value that something stronger overrides does not stick, and is put back.
func TestDoesNotStick(t *testing.T) {
	c := cluster(t)
	plan := PlanEase(observe(t, c), quick)
	command(t, c, "tell", "osd.1", "injectargs", "--osd_recovery_op_priority=9")
	defer command(t, c, "tell", "osd.1", "config", "unset", "osd_recovery_op_priority")
	a := NewApplier(commander(t, c), ApplierOptions{Wait: 2 * time.Second})
	r, err := stackmend.Run(t.Context(), plan, a, stackmend.Options{Mode: stackmend.Apply})
	if err == nil || r.Status == stackmend.OK {
		t.Errorf("osd.1 uses its own value, and the run says %v, %v", r.Status, err)
	}
	if b, err := c.Ceph("config", "dump", "-f", "json"); err != nil || strings.Contains(string(b), "osd_recovery") {
		t.Errorf("the database was not put back: %s %v", b, err)
	}
}
