package pressure

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph"
	"github.com/stackmend/stackmend/ceph/internal/flags"
)

// changeable are the settings that a step may change: a plan is input from
// outside, and does not set whatever it names.
var changeable = [...]string{"osd_max_backfills", "osd_mclock_profile", "osd_recovery_max_active", "osd_recovery_op_priority", "osd_recovery_sleep"}

// Applier carries out the plans of this package. It implements
// stackmend.Applier and stackmend.Reverter, and may be used by one run at a
// time.
//
// The database of settings has no compare-and-set: a change that somebody else
// makes between the last look and the command is overwritten.
type Applier struct {
	c ceph.Commander
	o ApplierOptions
	// waited: the time of the confirmation has passed. Values that hold at
	// once confirm nothing, so a resume waits anew.
	waited atomic.Bool
}

// ApplierOptions are the Applier's patience. Zero values take the defaults that
// stand beside them.
type ApplierOptions struct {
	Wait    time.Duration // 20 s: for a value to reach the daemons
	Timeout time.Duration // 30 s: for one look at the cluster, or one change
}

// NewApplier returns an Applier that reaches the cluster by c.
func NewApplier(c ceph.Commander, o ApplierOptions) *Applier {
	o.Wait, o.Timeout = cmp.Or(o.Wait, 20*time.Second), cmp.Or(o.Timeout, 30*time.Second)
	return &Applier{c: c, o: o}
}

// Guards implements stackmend.Applier. What must hold is within the steps.
func (a *Applier) Guards() []stackmend.Guard { return nil }

func (a *Applier) within(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, a.o.Timeout)
}

// Recheck implements stackmend.Applier.
func (a *Applier) Recheck(ctx context.Context, s stackmend.Step) error {
	ctx, cancel := a.within(ctx)
	defer cancel()
	if err := known(s); err != nil {
		return err
	}
	seen, err := a.look(ctx, s)
	if err != nil {
		return err
	}
	return s.Holds(seen)
}

// known refuses a step that this package did not make.
func known(s stackmend.Step) error {
	switch s.Verb {
	case VerbConfirm:
		for name := range values(s) {
			if !slices.Contains(changeable[:], name) {
				return fmt.Errorf("%w: ceph/pressure: %s does not ask about %q", stackmend.ErrRefused, s, name)
			}
		}
		return nil
	case VerbConfig:
		if slices.Contains(changeable[:], s.Target) {
			return nil
		}
		return fmt.Errorf("%w: ceph/pressure: does not set %q", stackmend.ErrRefused, s.Target)
	case VerbSetFlag, VerbUnset:
		_, err := flags.Parse(s.Target)
		return err
	}
	return fmt.Errorf("%w: ceph/pressure: unknown verb %q", stackmend.ErrRefused, s.Verb)
}

// look sees what a step may assume. A step that is in effect already is seen
// as it was before, so that doing it twice is doing it once.
func (a *Applier) look(ctx context.Context, s stackmend.Step) (map[string]string, error) {
	m, err := flags.Read(ctx, a.c)
	if err != nil {
		return nil, err
	}
	seen := map[string]string{"fsid": m.FSID, "epoch": strconv.Itoa(m.Epoch)}
	switch s.Verb {
	case VerbConfig:
		seen["value"], err = readValue(ctx, a.c, s.Target)
		if err == nil && same(seen["value"], s.Args["value"]) {
			seen["value"] = s.Assumes["value"]
		}
	case VerbSetFlag, VerbUnset:
		f, err := flags.Parse(s.Target)
		if err != nil {
			return nil, err
		}
		seen["set"] = strconv.FormatBool(m.Has(f))
	}
	return seen, err
}

// Do implements stackmend.Applier.
func (a *Applier) Do(ctx context.Context, s stackmend.Step, w *stackmend.Work) error {
	if err := known(s); err != nil {
		return err
	}
	switch s.Verb {
	case VerbConfirm:
		a.waited.Store(false)
		err := wait(ctx, s, w)
		a.waited.Store(err == nil)
		return err
	case VerbConfig:
		if err := a.Recheck(ctx, s); err != nil {
			return err
		}
		return a.config(ctx, s.Target, s.Args["value"])
	}
	if err := a.Verify(ctx, s); !errors.Is(err, stackmend.ErrNotDone) {
		return err
	}
	if err := a.Recheck(ctx, s); err != nil {
		return err
	}
	return a.flag(ctx, s, s.Verb == VerbSetFlag)
}

func (a *Applier) config(ctx context.Context, name, value string) error {
	ctx, cancel := a.within(ctx)
	defer cancel()
	return writeValue(ctx, a.c, name, value)
}

func (a *Applier) flag(ctx context.Context, s stackmend.Step, on bool) error {
	ctx, cancel := a.within(ctx)
	defer cancel()
	f, err := flags.Parse(s.Target)
	if err != nil {
		return err
	}
	return flags.Put(ctx, a.c, f, on)
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
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(min(left, time.Second)):
		}
		if err := w.Gate(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Revert implements stackmend.Reverter. It puts back what is still as the step
// left it; what somebody else has changed since is theirs.
func (a *Applier) Revert(ctx context.Context, s stackmend.Step) error {
	if err := known(s); err != nil || s.Verb == VerbConfirm {
		return err
	}
	if err := a.ours(ctx, s); err != nil {
		return err
	}
	if s.Verb != VerbConfig {
		if err := a.Verify(ctx, s); errors.Is(err, stackmend.ErrNotDone) {
			return nil
		}
		return a.flag(ctx, s, s.Verb == VerbUnset)
	}
	now, err := a.value(ctx, s.Target)
	if err != nil || !same(now, s.Args["value"]) {
		return err
	}
	if err := a.config(ctx, s.Target, s.Args["was"]); err != nil {
		return err
	}
	return a.holds(ctx, s.Target, s.Args["was"])
}

// ours refuses to revert in another cluster.
func (a *Applier) ours(ctx context.Context, s stackmend.Step) error {
	ctx, cancel := a.within(ctx)
	defer cancel()
	m, err := flags.Read(ctx, a.c)
	if err == nil && m.FSID != s.Assumes["fsid"] {
		err = fmt.Errorf("%w: ceph/pressure: this is cluster %s, the step is of %s", stackmend.ErrRefused, m.FSID, s.Assumes["fsid"])
	}
	return err
}

func (a *Applier) value(ctx context.Context, name string) (string, error) {
	ctx, cancel := a.within(ctx)
	defer cancel()
	return readValue(ctx, a.c, name)
}
