package bpdu

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/stackmend/stackmend"
)

// Applier carries out plans of this package on one kernel.
type Applier struct {
	Kernel Kernel
}

// NewApplier returns an Applier for the kernel. It needs CAP_NET_ADMIN, and
// CAP_NET_RAW and CAP_SYS_ADMIN for the frame by which Verify proves. Two runs
// on one host must not work at once: give both the same Options.Lock.
func NewApplier(k Kernel) *Applier { return &Applier{k} }

// Guards returns none beyond what a step assumes: all that can be wrong is
// looked at in the step itself.
func (a *Applier) Guards() []stackmend.Guard { return nil }

// Recheck looks at the devices and the table that the step assumes.
func (a *Applier) Recheck(ctx context.Context, s stackmend.Step) error {
	_, err := a.recheck(ctx, s)
	return err
}

// recheck returns the host that was found as assumed.
func (a *Applier) recheck(ctx context.Context, s stackmend.Step) (*Host, error) {
	taps, err := tapsOf(s)
	if err != nil {
		return nil, err
	}
	h, err := a.look(ctx)
	if err != nil {
		return nil, err
	}
	if h.Table != nil && h.Table.Foreign != "" {
		return nil, fmt.Errorf("%w: the table %s %s is not ours: %s", stackmend.ErrRefused, h.Family, TableName, h.Table.Foreign)
	}
	if s.Target != h.Family.target() {
		return nil, &stackmend.StaleError{Target: s.Target, Key: "table", Want: s.Target, Got: h.Family.target()}
	}
	if err := s.Holds(h.assumes(taps)); err != nil {
		return nil, err
	}
	for _, tap := range taps {
		if l, ok := h.Link(tap); !ok || !l.IsTap() || l.Master == ovsDatapath { // a plan from a file may say anything
			return nil, fmt.Errorf("%w: %q is no tap", stackmend.ErrRefused, tap)
		}
	}
	return h, nil
}

// look reads what steps are about.
func (a *Applier) look(ctx context.Context) (*Host, error) {
	links, err := a.Kernel.links(ctx)
	if err != nil {
		return nil, err
	}
	family, t, err := a.Kernel.filters()
	if err != nil {
		return nil, err
	}
	return &Host{Links: links, Family: family, Table: t}, nil
}

// tapsOf returns the taps that the table has when the step is done.
func tapsOf(s stackmend.Step) ([]string, error) {
	switch {
	case s.Verb != VerbProtect && s.Verb != VerbRemove:
		return nil, fmt.Errorf("%w: unknown verb %q", stackmend.ErrRefused, s.Verb)
	case s.Target != FamilyNetdev.target() && s.Target != FamilyBridge.target():
		return nil, fmt.Errorf("%w: target %q", stackmend.ErrRefused, s.Target)
	}
	taps := split(s.Args["taps"])
	if (s.Verb == VerbRemove) != (len(taps) == 0) {
		return nil, fmt.Errorf("%w: %s with the taps %q", stackmend.ErrRefused, s.Verb, taps)
	}
	return taps, nil
}

func split(list string) []string {
	if list == "" {
		return nil
	}
	taps := strings.Fields(list)
	slices.Sort(taps)
	return slices.Compact(taps)
}

// Do puts the table in place in one transaction, or removes it. What the step
// assumes is looked at just before; that there is a table, or none, is part of
// the transaction itself.
func (a *Applier) Do(ctx context.Context, s stackmend.Step, _ *stackmend.Work) error {
	taps, err := tapsOf(s)
	if err != nil {
		return err
	}
	h, err := a.recheck(ctx, s)
	if err != nil {
		if a.Verify(ctx, s) == nil {
			return nil // done before
		}
		return err
	}
	return a.Kernel.replace(h.Family, h.Table, taps)
}

// Verify reads the table back from the kernel: each tap is filtered by the
// rules that drop, and no other is. Then it sends a BPDU through a filter of
// the same rules in a namespace of its own and sees that it does not arrive.
func (a *Applier) Verify(ctx context.Context, s stackmend.Step) error {
	taps, err := tapsOf(s)
	if err != nil {
		return err
	}
	h, err := a.look(ctx)
	if err != nil {
		return err
	}
	if err := h.Table.is(taps); err != nil || len(taps) == 0 {
		return err
	}
	if s.Target != h.Family.target() {
		return fmt.Errorf("bpdu: filters stand in %s, not in %s", h.Family.target(), s.Target)
	}
	return prove(h.Family)
}

// is reports whether the table filters exactly these taps.
func (t *Table) is(taps []string) error {
	switch {
	case t == nil && len(taps) == 0:
		return nil
	case t == nil:
		return fmt.Errorf("%w: there is no table %s", stackmend.ErrNotDone, TableName)
	case t.Foreign != "":
		return fmt.Errorf("%w: the table %s is not ours: %s", stackmend.ErrNotDone, TableName, t.Foreign)
	case !slices.Equal(t.names(), taps):
		return fmt.Errorf("%w: the table filters %q, not %q", stackmend.ErrNotDone, t.names(), taps)
	}
	for _, f := range t.Taps {
		if f.Fault != "" {
			return fmt.Errorf("%w: %s: %s", stackmend.ErrNotDone, f.Tap, f.Fault)
		}
	}
	return nil
}

// Revert puts the filters back that were there before the step, of those taps
// that still exist. A table that is neither what the step made nor what it
// found was changed by somebody since: it is left alone.
func (a *Applier) Revert(ctx context.Context, s stackmend.Step) error {
	taps, err := tapsOf(s)
	if err != nil {
		return err
	}
	h, err := a.look(ctx)
	if err != nil {
		return err
	}
	before := h.existing(split(s.Args["before"]))
	if h.Table.is(before) == nil {
		return nil
	}
	if err := h.Table.is(taps); err != nil {
		return fmt.Errorf("%w: the table was changed since: %w", stackmend.ErrRefused, err)
	}
	if err := a.Kernel.replace(h.Family, h.Table, before); err != nil {
		return err
	}
	if h, err = a.look(ctx); err != nil {
		return err
	}
	return h.Table.is(before)
}

func (h *Host) existing(taps []string) []string {
	return slices.DeleteFunc(taps, func(tap string) bool { l, ok := h.Link(tap); return !ok || !l.IsTap() })
}
