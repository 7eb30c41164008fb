package watchdog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph"
)

// Enter takes the claim for a restart of an OSD of this host, or fails with an
// error that is ErrLocked and names who has it. It waits, as long as ctx lets
// it, only for one who entered at the same moment and has to give way. The
// claim is renewed until Leave.
func (c *Claims) Enter(ctx context.Context, osd int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mine.Entering != nil && *c.mine.Entering == osd {
		return c.confirm(ctx)
	}
	if c.mine.Entering != nil {
		return &stackmend.LockError{Holder: fmt.Sprintf("this host, for osd.%d", *c.mine.Entering)}
	}
	c.mine.Entering = &osd
	err := c.write(ctx)
	c.lost = false // whatever was before: this write is new to everybody
	if err == nil {
		err = c.contest(ctx)
	}
	if err != nil {
		return errors.Join(err, c.takeBack(context.WithoutCancel(ctx)))
	}
	c.renewals()
	return nil
}

// takeBack says that this host does not enter. If that cannot be written the
// claim stops to move, and counts for dead after a lease.
func (c *Claims) takeBack(ctx context.Context) error {
	c.mine.Entering = nil
	return c.write(ctx)
}

// again is how often claims are read while one waits for another to give way.
const again = 300 * time.Millisecond

func (c *Claims) contest(ctx context.Context) error {
	lower := true // who has a lower key is looked at once: later ones will see us
	for {
		others, err := c.read(ctx)
		if err != nil {
			return err
		}
		var last *Claim
		for i, o := range others {
			if !o.entering() || o.Key < c.key && !lower {
				continue
			}
			if o.Key < c.key {
				return &stackmend.LockError{Holder: o.name()}
			}
			last = &others[i]
		}
		if last == nil {
			return c.fresh()
		}
		lower = false
		if err := c.write(ctx); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", &stackmend.LockError{Holder: last.name()}, context.Cause(ctx))
		case <-time.After(again):
		}
	}
}

func (c Claim) name() string {
	switch {
	case c.unread:
		return "a claim that cannot be read, " + c.Key
	case c.Entering != nil:
		return fmt.Sprintf("%s, for osd.%d", c.Host, *c.Entering)
	}
	return c.Host
}

// renewals keep the claim moving. Confirm tells when they fail.
func (c *Claims) renewals() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		t := time.NewTicker(c.lease / 6)
		defer t.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-t.C:
				c.mu.Lock()
				if ctx.Err() == nil {
					_ = c.write(ctx) // seen by Confirm: renewed does not move
				}
				c.mu.Unlock()
			}
		}
	}()
	c.stop = func() { cancel(); <-done }
}

// Confirm reads the claim back: it still is this host's, for this OSD, and was
// renewed in time. The error is ErrLocked if it was lost.
func (c *Claims) Confirm(ctx context.Context, osd int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mine.Entering == nil || *c.mine.Entering != osd {
		return fmt.Errorf("%w: the claim for osd.%d is not held", stackmend.ErrLocked, osd)
	}
	return c.confirm(ctx)
}

func (c *Claims) confirm(ctx context.Context) error {
	if _, err := c.read(ctx); err != nil {
		return err
	}
	return c.fresh()
}

// Free reads whether this host's key says that nothing is being restarted.
func (c *Claims) Free(ctx context.Context) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	all, err := c.dump(ctx)
	i := slices.IndexFunc(all, func(o Claim) bool { return o.Key == c.key })
	return err == nil && (i < 0 || !all[i].entering()), err
}

// Leave gives the claim back.
func (c *Claims) Leave(ctx context.Context) error {
	c.mu.Lock()
	stop := c.stop
	c.stop = nil
	c.mu.Unlock()
	if stop != nil {
		stop()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mine.Entering == nil && c.written {
		return nil
	}
	return c.takeBack(ctx) // a process that was killed may have left one
}

// Close gives the claim back and removes its key.
func (c *Claims) Close(ctx context.Context) error {
	c.mu.Lock()
	written := c.written
	c.mu.Unlock()
	if !written {
		return nil
	}
	err := c.Leave(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.written = false
	if rm := c.do(ctx, "config-key rm", ceph.Arg{Name: "key", Value: c.key}); rm != nil && !errors.Is(rm, fs.ErrNotExist) {
		err = errors.Join(err, rm)
	}
	return err
}
