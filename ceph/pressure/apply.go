package pressure

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph"
	"github.com/stackmend/stackmend/ceph/internal/flags"
)

// Applier carries out the plans of this package. It implements
// stackmend.Applier and stackmend.Reverter, and may be used by one run at a
// time.
//
// The monitors have no compare-and-set: a change that somebody else makes
// between the last look and the command is overwritten.
type Applier struct {
	c ceph.Commander
	o ApplierOptions

	mu      sync.Mutex
	ended   map[string]bool // waits and climbs that came to their end here
	foreign map[string]bool // values that somebody else set first
}

// ApplierOptions are the Applier's patience. Zero values take the defaults that
// stand beside them.
type ApplierOptions struct {
	Wait    time.Duration // 20 s: for a value to reach the daemons
	Timeout time.Duration // 30 s: for one look at the cluster, or one change
	Sample  time.Duration // 10 s: between two looks while recovery is raised
	OnLook  func(Look)    // told of each look; nil: nobody
	// Hold says why recovery is to be at its lowest just now: somebody paused
	// it, or clients suffer by a measure of one's own. Empty: it is not.
	Hold func() string
}

// NewApplier returns an Applier that reaches the cluster by c.
func NewApplier(c ceph.Commander, o ApplierOptions) *Applier {
	o.Wait, o.Timeout, o.Sample = cmp.Or(o.Wait, 20*time.Second), cmp.Or(o.Timeout, 30*time.Second), cmp.Or(o.Sample, 10*time.Second)
	return &Applier{c: c, o: o, ended: map[string]bool{}, foreign: map[string]bool{}}
}

// mark keeps in mind what this process knows of a step beyond the cluster.
func (a *Applier) mark(m map[string]bool, s stackmend.Step, is bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	m[s.Group+" "+s.String()] = is
}

func (a *Applier) marked(m map[string]bool, s stackmend.Step) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return m[s.Group+" "+s.String()]
}

func (a *Applier) within(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, a.o.Timeout)
}

// Recheck implements stackmend.Applier.
func (a *Applier) Recheck(ctx context.Context, s stackmend.Step) error {
	_, err := a.look(ctx, s)
	return err
}

// look returns the value that a step would change, and the error of
// stackmend.Step's Holds if what it assumes does not hold.
func (a *Applier) look(ctx context.Context, s stackmend.Step) (now string, err error) {
	ctx, cancel := a.within(ctx)
	defer cancel()
	if err := known(s); err != nil {
		return "", err
	}
	m, err := flags.Read(ctx, a.c)
	if err != nil {
		return "", err
	}
	seen := map[string]string{"fsid": m.FSID, "set": strconv.FormatBool(slices.Contains(m.Flags, hardLimit)), "flags": strings.Join(m.Flags, ","), "osds": membersOf(m)}
	if k, err := knobOf(s); err == nil {
		if now, err = k.get(ctx, a.c, m); err != nil {
			return "", err
		}
		seen["value"] = now
		if same(now, s.Assumes["value"]) {
			seen["value"] = s.Assumes["value"]
		}
	}
	return now, s.Holds(seen)
}

func membersOf(m flags.Map) string {
	var ids []int
	by := map[int]flags.OSD{}
	for _, o := range m.OSDs {
		ids, by[o.ID] = append(ids, o.ID), o
	}
	return members(ids, func(id int) bool { return by[id].Up == 1 }, func(id int) bool { return by[id].In == 1 })
}

// known refuses a step that this package did not make.
func known(s stackmend.Step) error {
	switch s.Verb {
	case VerbConfirm:
		for _, look := range confirmed(s) {
			if _, err := knobOf(look); err != nil {
				return err
			}
		}
		return nil
	case VerbRaise:
		for level := range 1 + topLevel(s) {
			for _, set := range settingsOf(s, level) {
				if _, err := knobOf(set); err != nil {
					return err
				}
			}
		}
		return nil
	case VerbHeap:
		_, err := osdID(s.Target)
		return err
	case VerbHardLimit:
		return nil
	}
	_, err := knobOf(s)
	if err == nil && s.Target == "osd osd_pg_max_concurrent_snap_trims" && same(s.Args["value"], "0") {
		return fmt.Errorf("%w: ceph/pressure: no trims at a time clear the queue of snapshots: set the flag nosnaptrim", stackmend.ErrRefused)
	}
	return err
}

// Do implements stackmend.Applier.
func (a *Applier) Do(ctx context.Context, s stackmend.Step, w *stackmend.Work) error {
	if err := known(s); err != nil {
		return err
	}
	switch s.Verb {
	case VerbConfirm:
		err := wait(ctx, s, w)
		a.mark(a.ended, s, err == nil)
		return err
	case VerbRaise:
		return a.climb(ctx, s, w)
	case VerbHeap:
		return a.releaseHeap(ctx, s)
	case VerbHardLimit:
		return a.setHardLimit(ctx, s)
	}
	return a.turn(ctx, s, w)
}

// turn sets the value of a step. One that stands there already was set by this
// step, if it has begun before; otherwise it is somebody else's, and must not
// be taken for ours, for a restore would take it away.
func (a *Applier) turn(ctx context.Context, s stackmend.Step, w *stackmend.Work) error {
	now, err := a.look(ctx, s)
	_, begun := w.Recorded("begun")
	switch known := err == nil || errors.Is(err, stackmend.ErrStale); {
	case known && begun && same(now, s.Args["value"]):
		return nil
	case known && begun && halfway(s, now):
		return a.put(ctx, s, s.Args["value"])
	case err != nil:
		a.mark(a.foreign, s, errors.Is(err, stackmend.ErrStale))
		return err
	}
	if err := w.Record("begun", "true"); err != nil {
		return err
	}
	return a.put(ctx, s, s.Args["value"])
}

func (a *Applier) put(ctx context.Context, s stackmend.Step, value string) error {
	k, err := knobOf(s)
	if err != nil {
		return err
	}
	ctx, cancel := a.within(ctx)
	defer cancel()
	return k.put(ctx, a.c, value)
}

// wait lets the time of a confirmation pass, with a Gate each second.
func wait(ctx context.Context, s stackmend.Step, w *stackmend.Work) error {
	after, err := time.ParseDuration(s.Args["after"])
	if err != nil || after < 0 || after > time.Hour {
		return fmt.Errorf("%w: ceph/pressure: a confirmation after %q", stackmend.ErrRefused, s.Args["after"])
	}
	begun := time.Now()
	for left := after; left > 0; left = after - time.Since(begun) {
		w.Progress(int64((after-left)/time.Second), int64(after/time.Second), "s")
		if err := pause(ctx, min(left, time.Second)); err != nil {
			return err
		}
		if err := w.Gate(ctx); err != nil {
			return err
		}
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}

// Revert implements stackmend.Reverter. It puts back what is still as the step
// left it; what somebody else has changed since is theirs.
func (a *Applier) Revert(ctx context.Context, s stackmend.Step) error {
	if err := known(s); err != nil || s.Verb == VerbConfirm || s.Verb == VerbHeap {
		return err
	}
	if err := a.sameCluster(ctx, s); err != nil {
		return err
	}
	if s.Verb == VerbRaise {
		return a.unclimb(ctx, s)
	}
	switch now, err := a.look(ctx, s); {
	case err != nil && !errors.Is(err, stackmend.ErrStale):
		return err
	case !stands(s.Verb, now, s.Args["value"]) || a.marked(a.foreign, s):
		return nil
	}
	back := s
	back.Args = map[string]string{"value": s.Args["was"], "left": s.Args["value"], "used": s.Args["used"]}
	if err := a.put(ctx, back, s.Args["was"]); err != nil {
		return err
	}
	return a.Verify(ctx, back)
}

// sameCluster refuses to put anything back in a cluster that is not the plan's.
// It is asked by itself, for of all that has become stale only the first is told.
func (a *Applier) sameCluster(ctx context.Context, s stackmend.Step) error {
	ctx, cancel := a.within(ctx)
	defer cancel()
	m, err := flags.Read(ctx, a.c)
	if err == nil && m.FSID != s.Assumes["fsid"] {
		err = fmt.Errorf("%w: ceph/pressure: %s is of cluster %s, this is %s", stackmend.ErrRefused, s, s.Assumes["fsid"], m.FSID)
	}
	return err
}
