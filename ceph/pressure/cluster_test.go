package pressure

import (
	"context"
	"errors"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph"
	"github.com/stackmend/stackmend/ceph/internal/flags"
	labceph "github.com/stackmend/stackmend/internal/lab/ceph"
)

var quick = Policy{Settle: 2 * time.Second, Expires: time.Hour}

// used is what a daemon itself says that it uses.
func used(t testing.TB, c *labceph.Cluster, id int, name string) string {
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

func wantUsed(t testing.TB, c *labceph.Cluster, want map[string]string) {
	t.Helper()
	for name, v := range want {
		for id := range labceph.OSDs {
			if got := used(t, c, id, name); !same(got, v) {
				t.Errorf("osd.%d uses %s = %s, want %s", id, name, got, v)
			}
		}
	}
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

func mustApply(t testing.TB, c *labceph.Cluster, p *stackmend.Plan) {
	t.Helper()
	if r, err := apply(t, c, p, stackmend.Options{}); err != nil {
		t.Fatalf("%v %+v", err, r.Outcomes)
	}
}

var eased = map[string]string{"osd_max_backfills": "1", "osd_recovery_max_active": "1", "osd_recovery_op_priority": "1", "osd_recovery_sleep": "0.1"}

// Recovery that waits is eased before it goes on, and comes to its end; an
// operator's own value comes back.
func TestEaseAndRestore(t *testing.T) {
	c := cluster(t)
	before := map[string]string{"osd_max_backfills": "7"}
	for _, name := range []string{"osd_recovery_max_active", "osd_recovery_op_priority", "osd_recovery_sleep"} {
		before[name] = used(t, c, 0, name)
	}
	tell(t, c, "config", "set", "osd", "osd_max_backfills", "7")
	defer tell(t, c, "config", "rm", "osd", "osd_max_backfills")
	degrade(t, c)

	plan := PlanEase(observe(t, c), quick)
	if len(plan.Refusals) > 0 {
		t.Fatal(plan.Refusals)
	}
	mustApply(t, c, plan)
	wantUsed(t, c, eased)
	tell(t, c, "osd", "unset", "norecover")
	if err := c.Healthy(); err != nil {
		t.Fatal(err)
	}

	tell(t, c, "config", "set", "osd", "osd_recovery_sleep", "0.3") // somebody else, later
	back := PlanRestore(plan, observe(t, c), quick)
	if len(back.Kept) != 1 || back.Kept[0].Target != "osd_recovery_sleep" {
		t.Errorf("kept %+v", back.Kept)
	}
	mustApply(t, c, back)
	before["osd_recovery_sleep"] = "0.3"
	wantUsed(t, c, before)
	tell(t, c, "config", "rm", "osd", "osd_recovery_sleep")
}

func tell(t testing.TB, c *labceph.Cluster, arg ...string) {
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
	tell(t, c, "osd", "set", "norecover")
	if err := c.Start("osd.2"); err != nil {
		t.Fatal(err)
	}
	if err := c.Until("all up", func(s labceph.Status) bool { return s.OSDMap.Up == labceph.OSDs }); err != nil {
		t.Fatal(err)
	}
}

// A run that is stopped in the middle of its group puts all of it back.
func TestStoppedInTheMiddle(t *testing.T) {
	c := cluster(t)
	before := map[string]string{}
	for name := range eased {
		before[name] = used(t, c, 1, name)
	}
	plan := PlanEase(observe(t, c), Policy{Settle: time.Minute, Expires: time.Hour})
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	j, err := stackmend.OpenJournal(filepath.Join(t.TempDir(), "journal"))
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	_, err = stackmend.Run(ctx, plan, NewApplier(commander(t, c), ApplierOptions{}), stackmend.Options{
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
}

// An operator's flag survives; only ours goes.
func TestFlags(t *testing.T) {
	c := cluster(t)
	tell(t, c, "osd", "set", "noscrub")
	defer tell(t, c, "osd", "unset", "noscrub")
	plan := PlanFlags([]string{"noout@host1", "norebalance", "noscrub"}, observe(t, c), quick)
	if len(plan.Kept) != 1 || plan.Kept[0].Target != "noscrub" {
		t.Errorf("kept %+v", plan.Kept)
	}
	mustApply(t, c, plan)
	wantFlags(t, c, map[string]bool{"noout@host1": true, "norebalance": true, "noscrub": true, "noout": false})
	mustApply(t, c, PlanRestore(plan, observe(t, c), quick))
	wantFlags(t, c, map[string]bool{"noout@host1": false, "norebalance": false, "noscrub": true})
}

func wantFlags(t testing.TB, c *labceph.Cluster, want map[string]bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	m, err := flags.Read(ctx, commander(t, c))
	if err != nil {
		t.Fatal(err)
	}
	for text, set := range want {
		if f, err := flags.Parse(text); err != nil || m.Has(f) != set {
			t.Errorf("%s is set: %t (%v), want %t", text, m.Has(f), err, set)
		}
	}
}

// What changed since the plan is not touched, and a moved epoch stops it.
func TestMovedSincePlan(t *testing.T) {
	c := cluster(t)
	plan := PlanEase(observe(t, c), quick)
	tell(t, c, "osd", "set", "noscrub")
	tell(t, c, "osd", "unset", "noscrub")
	if _, err := apply(t, c, plan, stackmend.Options{}); !errors.Is(err, stackmend.ErrStale) {
		t.Errorf("the epoch moved: %v, want ErrStale", err)
	}
	plan = PlanEase(observe(t, c), quick)
	tell(t, c, "config", "set", "osd", "osd_recovery_sleep", "0.05")
	defer tell(t, c, "config", "rm", "osd", "osd_recovery_sleep")
	if _, err := apply(t, c, plan, stackmend.Options{}); !errors.Is(err, stackmend.ErrStale) {
		t.Errorf("a value moved: %v, want ErrStale", err)
	}
	wantUsed(t, c, map[string]string{"osd_recovery_sleep": "0.05"})
}

// A value that something stronger overrides does not stick, and is put back.
func TestDoesNotStick(t *testing.T) {
	c := cluster(t)
	plan := PlanEase(observe(t, c), quick)
	tell(t, c, "tell", "osd.1", "injectargs", "--osd_recovery_op_priority=9")
	defer tell(t, c, "tell", "osd.1", "config", "unset", "osd_recovery_op_priority")
	a := NewApplier(commander(t, c), ApplierOptions{Wait: 2 * time.Second})
	r, err := stackmend.Run(t.Context(), plan, a, stackmend.Options{Mode: stackmend.Apply})
	if err == nil || r.Status == stackmend.OK {
		t.Errorf("osd.1 uses its own value, and the run says %v, %v", r.Status, err)
	}
	if b, err := c.Ceph("config", "dump", "-f", "json"); err != nil || len(b) > 4 {
		t.Errorf("the database was not put back: %s %v", b, err)
	}
}
