package watchdog

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph"
)

// Claims keep the watchdogs of a cluster from restarting OSDs of two hosts at
// the same time. They stand in the monitors' key-value store (config-key), which
// answers while the manager is frozen and while placement groups are inactive,
// where a lock of RADOS would hang with the group of its object.
//
// The store has no compare-and-set and needs none for this: each watchdog
// writes its own key alone, the monitors order all writes, and reads see what
// was written before. To enter, a watchdog writes that it enters and then reads
// all claims. If one with a lower key is entering it takes its own back; for
// one with a higher key it waits. Of two that enter at once at least one sees
// the other, so that never both go (Burns' and Lamport's one-bit algorithm).
//
// A claim is renewed while it is held. A holder that dies is passed over once
// its claim has not moved for a lease on the clock of who looks; no clocks are
// compared. What a process of this host left is taken over at once: let there
// be one on a host, by a lock of its own (stackmend.FileLock); two would take
// each other's claims away, and then neither restarts. A holder that cannot renew gives up after half a lease, and
// Confirm looks again right before anything is stopped.
type Claims struct {
	to     ceph.Commander
	prefix string
	key    string
	lease  time.Duration

	mu      sync.Mutex // over a whole command: writes are in order
	mine    Claim
	written bool
	renewed time.Time // when the last write that succeeded began
	lost    bool      // renewed too late: others may have passed it over meanwhile
	seen    map[string]sighting
	stop    func() // ends the renewals
}

// A sighting is since when a claim has had a value.
type sighting struct {
	text  string
	since time.Time
}

// ClaimOptions are how claims are kept.
type ClaimOptions struct {
	Prefix string        // of the keys; empty: "stackmend/watchdog/"
	Lease  time.Duration // 20 s
}

// NewClaims makes the claims of this host. It asks nothing.
func NewClaims(to ceph.Commander, host string, o ClaimOptions) (*Claims, error) {
	if to == nil || host == "" || strings.ContainsFunc(host, func(r rune) bool { return r <= ' ' || r == '/' || r > '~' }) {
		return nil, fmt.Errorf("watchdog: claims need a way to the cluster and the name of a host, not %q", host)
	}
	if o.Prefix == "" {
		o.Prefix = "stackmend/watchdog/"
	}
	if o.Lease <= 0 {
		o.Lease = 20 * time.Second
	}
	return &Claims{to: to, prefix: o.Prefix, key: o.Prefix + host, lease: o.Lease,
		mine: Claim{Host: host, By: rand.Text()}, seen: map[string]sighting{}}, nil
}

// Publish tells the others what this host's OSDs will need.
func (c *Claims) Publish(ctx context.Context, w []Wish, restarts int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mine.Wishes, c.mine.Restarts = slices.Clone(w), restarts
	return c.write(ctx)
}

// write writes this host's claim. Whoever calls it has mu.
func (c *Claims) write(ctx context.Context) error {
	c.mine.Seq++
	b, err := json.Marshal(c.mine)
	if err != nil {
		return err
	}
	begun := time.Now()
	if err := c.do(ctx, "config-key set", ceph.Arg{Name: "key", Value: c.key}, ceph.Arg{Name: "val", Value: string(b)}); err != nil {
		return err
	}
	c.lost = c.lost || c.written && begun.Sub(c.renewed) > c.lease/2
	c.written, c.renewed = true, begun
	return nil
}

// fresh is nil while the claim counts with everybody.
func (c *Claims) fresh() error {
	if late := time.Since(c.renewed); c.lost || late > c.lease/2 {
		return fmt.Errorf("%w: the claim was not renewed in time, others may have passed it over", stackmend.ErrLocked)
	}
	return nil
}

func (c *Claims) do(ctx context.Context, prefix string, args ...ceph.Arg) error {
	ctx, cancel := context.WithTimeout(ctx, c.lease/2)
	defer cancel()
	_, err := ceph.Ask(ctx, c.to, ceph.Command{To: ceph.Target{Kind: ceph.KindMon}, Prefix: prefix, Args: args, Text: true})
	return err
}

// Others reads the claims of the other watchdogs. It fails if this host's own
// was written and is gone: somebody took it away.
func (c *Claims) Others(ctx context.Context) ([]Claim, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.read(ctx)
}

// dump reads all claims, as they stand in the store.
func (c *Claims) dump(ctx context.Context) ([]Claim, error) {
	ctx, cancel := context.WithTimeout(ctx, c.lease/2)
	defer cancel()
	b, err := ceph.Ask(ctx, c.to, ceph.Command{To: ceph.Target{Kind: ceph.KindMon}, Prefix: "config-key dump",
		Args: []ceph.Arg{{Name: "key", Value: c.prefix}}})
	if err != nil {
		return nil, err
	}
	return parseClaims(b, c.prefix)
}

func (c *Claims) read(ctx context.Context) ([]Claim, error) {
	all, err := c.dump(ctx)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(all, func(o Claim) bool { return o.Key == c.key })
	if i < 0 {
		if c.written {
			return nil, fmt.Errorf("%w: the claim %s was removed", stackmend.ErrLocked, c.key)
		}
		return c.sight(all), nil
	}
	if got := all[i]; got.unread || got.By != c.mine.By || got.Seq != c.mine.Seq || !sameOSD(got.Entering, c.mine.Entering) {
		return nil, fmt.Errorf("%w: the claim %s was changed by somebody else", stackmend.ErrLocked, c.key)
	}
	return c.sight(slices.Delete(all, i, i+1)), nil
}

func sameOSD(a, b *int) bool {
	return a == nil && b == nil || a != nil && b != nil && *a == *b
}

// sight finds out which claims have not moved for a lease.
func (c *Claims) sight(claims []Claim) []Claim {
	now := time.Now()
	seen := map[string]sighting{}
	for i := range claims {
		b, _ := json.Marshal(claims[i]) // plain data
		was, ok := c.seen[claims[i].Key]
		if !ok || was.text != string(b) {
			was = sighting{string(b), now}
		}
		seen[claims[i].Key] = was
		claims[i].age = now.Sub(was.since)
		claims[i].dead = claims[i].age >= c.lease
	}
	c.seen = seen
	return claims
}

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
