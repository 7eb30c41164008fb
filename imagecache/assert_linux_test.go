package imagecache

import (
	"errors"
	"os"
	"testing"

	"github.com/stackmend/stackmend"
)

// plansOf are a step of each verb, in a world of its own.
func plansOf(t *testing.T) map[string]func(c *cloud) (*stackmend.Plan, error) {
	t.Helper()
	return map[string]func(c *cloud) (*stackmend.Plan, error){
		VerbQuarantine: func(c *cloud) (*stackmend.Plan, error) { return Quarantine(c.observe(), Policy{}) },
		VerbRestore: func(c *cloud) (*stackmend.Plan, error) {
			c.apply(c.quarantine(Policy{}))
			return Restore(c.observe(), []string{unused}, Policy{})
		},
		VerbPurge: func(c *cloud) (*stackmend.Plan, error) {
			c.apply(c.quarantine(Policy{}))
			return Purge(c.observe(), Policy{Retention: 1})
		},
		VerbRescue: func(c *cloud) (*stackmend.Plan, error) {
			c.see(holdOpen(c.t, c.path("_base", baseA)).Process.Pid)
			c.must(os.Remove(c.path("_base", baseA)))
			return Rescue(c.observe(), Policy{})
		},
	}
}

// What is done twice is done once, and the second time is no error: without a
// runner that looks, too.
func TestDoTwice(t *testing.T) {
	for verb, plan := range plansOf(t) {
		t.Run(verb, func(t *testing.T) {
			c := newCloud(t, t.TempDir())
			p, err := plan(c)
			c.must(err)
			a := c.world(p).Applier
			c.must(a.Do(t.Context(), p.Steps[0], &stackmend.Work{}))
			once, _ := c.look()
			c.must(a.Do(t.Context(), p.Steps[0], &stackmend.Work{}))
			if twice, _ := c.look(); twice != once {
				t.Errorf("done twice:\n%s\nonce:\n%s", twice, once)
			}
		})
	}
}

// Do of what puts back and of what deletes asserts as well.
func TestOthersAssert(t *testing.T) {
	plans := plansOf(t)
	for name, change := range map[string]func(c *cloud) error{
		"entry is a link":   (*cloud).swapEntry,
		"manifest damaged":  func(c *cloud) error { return os.WriteFile(c.entry()+manifestExt, []byte("{}"), 0o600) },
		"entry grown":       func(c *cloud) error { return os.Truncate(c.entry(), 1<<20) },
		"entry is new file": func(c *cloud) error { e := c.entry(); c.must(os.Rename(e, e+"x")); return os.WriteFile(e, nil, 0o600) },
	} {
		for _, verb := range []string{VerbRestore, VerbPurge} {
			t.Run(verb+", "+name, func(t *testing.T) {
				c := newCloud(t, t.TempDir())
				p, err := plans[verb](c)
				c.must(err)
				c.must(change(c))
				before, _ := c.look()
				if err := c.world(p).Applier.Do(t.Context(), p.Steps[0], &stackmend.Work{}); err == nil {
					t.Error("no error")
				}
				if after, _ := c.look(); after != before {
					t.Errorf("the world is\n%s\nwas\n%s", after, before)
				}
			})
		}
	}
}

// An image that somebody touches between the last look and the move is moved
// back: nova touches a base image before it waits for the lock.
func TestTouchedAtLast(t *testing.T) {
	c := newCloud(t, t.TempDir())
	before, _ := c.look()
	p := c.quarantine(Policy{})
	s := p.Steps[0]
	a, err := NewApplier(c.site, c)
	c.must(err)
	err = a.at(s, true, func(p *place, _ verb) error {
		c.must(p.describe(s, s.Args[argEntry]))
		c.must(p.base.touch(s.Target))
		c.must(move(p.base, s.Target, p.store, s.Args[argEntry]))
		return p.settled(s, s.Args[argEntry])
	})
	var stale *stackmend.StaleError
	if !errors.As(err, &stale) || stale.Key != seenMtime {
		t.Errorf("%v", err)
	}
	if after, _ := c.look(); after != before {
		t.Errorf("the world is\n%s\nwas\n%s", after, before)
	}
}
