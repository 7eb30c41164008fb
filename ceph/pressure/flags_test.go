package pressure

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph/internal/flags"
	labceph "github.com/stackmend/stackmend/internal/lab/ceph"
)

// An operator's flag survives; only ours goes.
func TestFlags(t *testing.T) {
	c := cluster(t)
	command(t, c, "osd", "set", "noscrub")
	defer command(t, c, "osd", "unset", "noscrub")
	plan := PlanFlags([]string{"host-maintenance@host1", "norebalance", "noscrub"}, observe(t, c), quick)
	if len(plan.Kept) != 1 || plan.Kept[0].Target != "noscrub" {
		t.Errorf("kept %+v", plan.Kept)
	}
	done := mustApply(t, c, plan)
	wantFlags(t, c, map[string]bool{"noout@host1": true, "norebalance": true, "noscrub": true, "noout": false})
	if again := PlanFlags([]string{"noout@host1"}, observe(t, c), quick); len(again.Steps) > 0 {
		t.Errorf("set again: %v", again.Steps)
	}
	mustApply(t, c, PlanRestore(done, observe(t, c), quick))
	wantFlags(t, c, map[string]bool{"noout@host1": false, "norebalance": false, "noscrub": true})
}

// A flag that an operator sets just before we do is theirs.
func TestFlagSetByAnother(t *testing.T) {
	c := cluster(t)
	defer command(t, c, "osd", "unset", "nosnaptrim")
	plan := PlanFlags([]string{"pause-snaptrim"}, observe(t, c), quick)
	r, err := apply(t, c, plan, stackmend.Options{OnEvent: func(e stackmend.Event) {
		if e.Phase == "do" && !e.Ended && e.Unit == "" {
			command(t, c, "osd", "set", "nosnaptrim")
		}
	}})
	if !errors.Is(err, stackmend.ErrStale) || r.Outcomes[0].State == stackmend.Done {
		t.Errorf("%v %+v", err, r.Outcomes)
	}
	wantFlags(t, c, map[string]bool{"nosnaptrim": true})
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
