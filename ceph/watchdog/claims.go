package watchdog

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
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

// restarts counts those of the other hosts in the last minutes. It does not ask
// whose this host's own key is: one that only watches has none.
func (c *Claims) restarts(ctx context.Context) (n int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	all, err := c.dump(ctx)
	if err != nil {
		return 0, err
	}
	for _, o := range c.sight(slices.DeleteFunc(all, func(o Claim) bool { return o.Key == c.key })) {
		if !o.dead {
			n += max(o.Restarts, 0)
		}
	}
	return n, nil
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
