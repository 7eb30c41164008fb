package pressure

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph"
	labceph "github.com/stackmend/stackmend/internal/lab/ceph"
)

// asLuminous is a cluster as if its daemons were of a release without a
// database of settings.
func asLuminous(s *ceph.Snapshot) *ceph.Snapshot {
	for i := range s.Versions {
		s.Versions[i].Version = ceph.Version{Major: 12, Minor: 2, Patch: 13}
	}
	return s
}

// Before Mimic settings are injected, and what each daemon had must be known.
func TestPlanInjected(t *testing.T) {
	seen := func() *ceph.Snapshot { return asLuminous(replay(t, "pacific-healthy")) }
	p := PlanEase(seen(), Policy{})
	if len(p.Refusals) > 0 || len(p.Steps) < 3 {
		t.Fatalf("%q %v", p.Refusals, targets(p))
	}
	for _, s := range p.Steps {
		if s.Verb != VerbConfirm && (s.Verb != VerbInject || s.Args["was"] == "" || !strings.Contains(s.Undo, "injectargs --") || !strings.Contains(s.Reason, "starts again")) {
			t.Errorf("%+v", s)
		}
	}
	for _, look := range confirmed(p.Steps[len(p.Steps)-1]) {
		if look.Verb != VerbInject {
			t.Errorf("the second look is for %+v", look)
		}
	}
	apart := seen()
	apart.OSDs[1].Daemon.Config["osd_recovery_op_priority"] = "9"
	wantRefusal(t, PlanEase(apart, Policy{}), "make them alike")
	unknown := seen()
	unknown.Versions = nil
	if p := PlanEase(unknown, Policy{}); len(p.Refusals) == 0 {
		t.Errorf("a release that was not seen: %v", targets(p))
	}
	unwell := seen()
	unwell.Recovery.States = map[string]int{"active+recovering+degraded": 3}
	raise := PlanRaise(Climb{Levels: 3}, unwell, Policy{})
	if len(raise.Refusals) > 0 || settingsOf(raise.Steps[0], 0)[0].Verb != VerbInject || settingOf(raise.Steps[0], 0, "osd osd_max_backfills") != "1" {
		t.Errorf("a raise: %q %+v", raise.Refusals, raise.Steps)
	}
	// Killed between two daemons, while a third started again.
	for i, v := range []string{"2", "3", "1"} {
		unwell.OSDs[i].Daemon.Config["osd_max_backfills"] = v
	}
	back := PlanRestore([]stackmend.Outcome{{Step: raise.Steps[0], State: stackmend.Partial}}, unwell, Policy{})
	i := slices.IndexFunc(back.Steps, func(s stackmend.Step) bool { return s.Target == "osd osd_max_backfills" })
	if i < 0 || back.Steps[i].Args["value"] != "1" || back.Steps[i].Args["left"] != "2 3" || back.Steps[i].Assumes["value"] != "1 2 3" {
		t.Errorf("restored: %+v, kept %v", back.Steps, back.Kept)
	}
}

// scripted daemons have one setting each, and take an injection.
type scripted struct {
	mu    sync.Mutex
	uses  map[string]string
	fails string // the daemon that takes nothing
}

func (d *scripted) Command(_ context.Context, c ceph.Command) (io.ReadCloser, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	answer := ""
	switch c.Prefix {
	case "osd dump":
		answer = `{"fsid":"f","epoch":3,"flags":"","osds":[{"osd":0,"up":1,"in":1},{"osd":1,"up":1,"in":1},{"osd":2,"up":1,"in":1}]}`
	case "config get":
		answer = `{"osd_max_backfills":"` + d.uses[c.To.ID] + `"}`
	case "injectargs":
		if c.To.ID == d.fails {
			return nil, io.ErrUnexpectedEOF
		}
		d.uses[c.To.ID] = c.Args[0].Value.(ceph.Injection).Value
	}
	return io.NopCloser(strings.NewReader(answer)), nil
}

// Only daemons that still use what was injected are put back.
func TestInjectBack(t *testing.T) {
	d := &scripted{uses: map[string]string{"0": "1", "1": "10", "2": "1"}}
	s := stackmend.Step{Verb: VerbInject, Target: "osd osd_max_backfills", Args: map[string]string{"value": "1", "was": "4"}, Assumes: map[string]string{"fsid": "f", "value": "4"}}
	if err := NewApplier(d, ApplierOptions{}).Revert(t.Context(), s); err != nil || d.uses["0"] != "4" || d.uses["1"] != "10" || d.uses["2"] != "4" {
		t.Errorf("%v %v", err, d.uses)
	}
	d.fails = "2"
	d.uses["0"], d.uses["2"] = "1", "1"
	if err := NewApplier(d, ApplierOptions{}).Revert(t.Context(), s); err == nil {
		t.Errorf("osd.2 was not put back: %v", d.uses)
	}
}

// The daemons of the real cluster are eased by injection, put back when that
// is stopped, and by a restore although one of them has started again.
func TestInjected(t *testing.T) {
	c := cluster(t)
	if err := c.Healthy(); err != nil {
		t.Fatal(err)
	}
	before := usedBefore(t, c, eased)
	defer func() {
		for id := range labceph.OSDs {
			for name := range eased {
				command(t, c, "tell", "osd."+string(rune('0'+id)), "config", "unset", name)
			}
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	long := Policy{Settle: time.Minute, Expires: time.Hour}
	_, err := stackmend.Run(ctx, PlanEase(asLuminous(observe(t, c)), long), NewApplier(commander(t, c), ApplierOptions{}), stackmend.Options{
		Mode: stackmend.Apply, OnEvent: func(e stackmend.Event) {
			if e.Step.Verb == VerbConfirm && e.Unit != "" {
				wantUsed(t, c, eased)
				cancel()
			}
		}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want Canceled", err)
	}
	wantUsed(t, c, before)

	done := mustApply(t, c, PlanEase(asLuminous(observe(t, c)), quick))
	wantUsed(t, c, eased)
	if err := errors.Join(c.End("osd.1", syscall.SIGTERM), c.Start("osd.1"), c.Healthy()); err != nil {
		t.Fatal(err)
	}
	back := PlanRestore(done, asLuminous(observe(t, c)), quick)
	if len(back.Kept) > 0 {
		t.Errorf("kept %v", back.Kept)
	}
	mustApply(t, c, back)
	wantUsed(t, c, before)
}
