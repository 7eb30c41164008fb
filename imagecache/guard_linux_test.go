package imagecache

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
)

// A host that goes down between plan and run denies what takes away, and
// nothing that puts back.
func TestGuard(t *testing.T) {
	const retention = time.Nanosecond
	c := newCloud(t, t.TempDir())
	quarantine := c.quarantine(Policy{})
	c.apply(quarantine)
	purge, err := Purge(c.observe(), Policy{Retention: retention})
	c.must(err)
	restore, err := Restore(c.observe(), []string{unused}, Policy{})
	c.must(err)
	c.fleet.Services[1].State = "down"
	if _, err := c.run(purge); !errors.Is(err, stackmend.ErrRefused) || !strings.Contains(err.Error(), "host c02") {
		t.Errorf("purge with c02 down: %v", err)
	}
	again, err := Purge(c.observe(), Policy{Retention: retention})
	if err != nil || len(again.Steps) > 0 || len(again.Kept) != 1 || !strings.Contains(again.Refusals[0], "c02") {
		t.Errorf("purge planned with c02 down: %+v, %v", again, err)
	}
	c.apply(restore)
	if _, err := c.run(c.requarantine()); !errors.Is(err, stackmend.ErrRefused) || !strings.Contains(err.Error(), "host c02") {
		t.Errorf("quarantine with c02 down: %v", err)
	}
}

// requarantine makes a plan as of a time when all hosts were up.
func (c *cloud) requarantine() *stackmend.Plan {
	c.t.Helper()
	at := time.Now().Add(-old)
	c.must(os.Chtimes(c.path("_base", unused), at, at))
	state := c.fleet.Services[1].State
	c.fleet.Services[1].State = "up"
	defer func() { c.fleet.Services[1].State = state }()
	return c.quarantine(Policy{})
}

type brokenFleet struct{}

func (brokenFleet) Fleet(context.Context) (Fleet, error) { return Fleet{}, errors.New("504") }

func TestGuardWithoutFleet(t *testing.T) {
	c := newCloud(t, t.TempDir())
	plan := c.quarantine(Policy{})
	for name, r := range map[string]FleetReader{"none": nil, "broken": brokenFleet{}} {
		a, err := NewApplier(c.site, r)
		c.must(err)
		if _, err := stackmend.Run(t.Context(), plan, a, stackmend.Options{Mode: stackmend.Apply}); !errors.Is(err, stackmend.ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
	s, err := Observe(t.Context(), c.site, Sources{Fleet: brokenFleet{}})
	c.must(err)
	if p, _ := Quarantine(s, Policy{}); len(p.Steps) > 0 || !strings.Contains(strings.Join(p.Refusals, "\n"), "504") {
		t.Errorf("planned with a fleet that does not answer: %+v", p)
	}
	if s, _ := Observe(t.Context(), c.site, Sources{}); s.Fleet != nil {
		t.Error("a fleet from nowhere")
	} else if p, _ := Quarantine(s, Policy{}); len(p.Steps) > 0 || len(p.Refusals) == 0 {
		t.Errorf("planned without a fleet: %+v", p)
	}
}
