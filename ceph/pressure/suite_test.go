package pressure

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph"
	"github.com/stackmend/stackmend/ceph/internal/flags"
	"github.com/stackmend/stackmend/internal/appliertest"
)

// suiteSetting is the one that the plans of the suite change.
const suiteSetting = "osd_pg_max_concurrent_snap_trims"

// suiteSees is one look at the cluster, from which all plans of the suite are
// made: nothing that they assume moves in between.
var suiteSees struct {
	sync.Once
	s *ceph.Snapshot
}

// The real cluster under the conformance suite, with a flag and a setting; the
// processes are killed for real.
func TestSuite(t *testing.T) {
	appliertest.Run(t, appliertest.Suite{New: newWorld, Open: openWorld})
}

func newWorld(t testing.TB, dir string) appliertest.World {
	c := cluster(t)
	if err := errors.Join(os.Symlink(c.Conf, filepath.Join(dir, "conf")), os.Symlink(c.Admin, filepath.Join(dir, "keyring"))); err != nil {
		t.Fatal(err)
	}
	w := openWorld(t, dir)
	asBefore := func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		to := w.Applier.(*Applier).c
		for _, err := range []error{configKnob{"osd", suiteSetting}.put(ctx, to, ""), flagKnob{Name: "nosnaptrim"}.put(ctx, to, "false")} {
			if err != nil {
				t.Error(err)
			}
		}
	}
	asBefore()
	t.Cleanup(asBefore)
	suiteSees.Do(func() { suiteSees.s = observe(t, c) })
	s := *suiteSees.s
	s.Taken = time.Now()
	w.Plan = suitePlan(&s)
	return w
}

// suitePlan is one group of a flag and a setting. What a confirmation does when
// it is stopped has a test of its own.
func suitePlan(s *ceph.Snapshot) *stackmend.Plan {
	p := PlanFlags([]string{"pause-snaptrim"}, s, Policy{Expires: time.Hour})
	for _, step := range PlanSnapTrim(SnapTrim{}, s, Policy{}).Steps {
		if step.Target == "osd "+suiteSetting {
			step.Group = p.Steps[0].Group
			delete(step.Assumes, "flags") // the step before sets one
			p.Steps = append(p.Steps, step)
		}
	}
	return p
}

func openWorld(t testing.TB, dir string) appliertest.World {
	to := reach(t, filepath.Join(dir, "conf"), filepath.Join(dir, "keyring"))
	value := func() (string, error) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		m, err := flags.Read(ctx, to)
		if err != nil {
			return "", err
		}
		v, err := configKnob{"osd", suiteSetting}.get(ctx, to, m)
		return fmt.Sprintf("%s = %q, nosnaptrim %t", suiteSetting, v, m.Has(flags.Flag{Name: "nosnaptrim"})), err
	}
	return appliertest.World{
		Applier: NewApplier(to, ApplierOptions{}), Look: value,
		Spoil: func() error { // an operator sets the very flag
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			return flagKnob{Name: "nosnaptrim"}.put(ctx, to, "true")
		},
	}
}
