package mtu

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/stackmend/stackmend"
)

// Links are the links of one host, to read and to change. *Namespace is one.
type Links interface {
	// Read lists the links as they are now.
	Read(ctx context.Context) (Host, error)
	// SetMTU sets the MTU of the link that has both this index and this name.
	SetMTU(ctx context.Context, index int, name string, mtu int) error
	// Ways returns the names of the links by which addresses are reached,
	// and those of the default routes.
	Ways(ctx context.Context, to ...netip.Addr) ([]string, error)
}

// A Confirmation tells whether the operator confirmed a plan.
type Confirmation interface {
	Confirmed(ctx context.Context, planID string) (bool, error)
}

// ApplierOptions are what an Applier must know.
type ApplierOptions struct {
	// Confirm is asked by plans that end in a step "confirm". Without it such
	// a plan is refused.
	Confirm Confirmation
	// Session are the addresses from which the operator works. The links by
	// which they, and the default routes, are reached are not touched ...
	Session []netip.Addr
	// ... unless OwnLink is set and the plan ends in a confirmation.
	OwnLink bool
}

// Applier carries out the plans of this package on one host. It implements
// stackmend.Applier and stackmend.Reverter, and may be used by one run at a
// time.
type Applier struct {
	links Links
	o     ApplierOptions
}

// NewApplier returns an Applier that works on links.
func NewApplier(links Links, o ApplierOptions) *Applier { return &Applier{links, o} }

// look reads the links and finds the one that a step is about.
func (a *Applier) look(ctx context.Context, s stackmend.Step) (*graph, *Link, error) {
	h, err := a.links.Read(ctx)
	if err != nil {
		return nil, nil, err
	}
	g, err := newGraph(&h)
	if err != nil {
		return nil, nil, fmt.Errorf("mtu: host %s: %w", h.Name, err)
	}
	l := g.byName[s.Args["link"]]
	if l == nil {
		return g, nil, &stackmend.StaleError{Target: s.Target, Key: "link", Want: s.Args["link"], Got: "(not there)"}
	}
	return g, l, nil
}

func unknownVerb(s stackmend.Step) error {
	return fmt.Errorf("%w: mtu: unknown verb %q", stackmend.ErrRefused, s.Verb)
}

// wanted reads what a step sets, and what it was.
func wanted(s stackmend.Step) (want, was int, err error) {
	want, err1 := strconv.Atoi(s.Args["mtu"])
	was, err2 := strconv.Atoi(s.Args["was"])
	if err := errors.Join(err1, err2); err != nil || want < 68 || was < 0 || want > 65535 || was > 65536 {
		return 0, 0, fmt.Errorf("%w: mtu: a step from %q to %q: %v", stackmend.ErrRefused, s.Args["was"], s.Args["mtu"], err)
	}
	return want, was, nil
}

// Recheck implements stackmend.Applier.
func (a *Applier) Recheck(ctx context.Context, s stackmend.Step) error {
	switch s.Verb {
	case VerbConfirm:
		return nil
	case VerbSetMTU:
		_, err := a.holds(ctx, s)
		return err
	}
	return unknownVerb(s)
}

// holds returns the link if all that the step assumes holds, or if the step
// was done already.
func (a *Applier) holds(ctx context.Context, s stackmend.Step) (*Link, error) {
	want, _, err := wanted(s)
	if err != nil {
		return nil, err
	}
	g, l, err := a.look(ctx, s)
	if err != nil {
		return nil, err
	}
	seen := l.state(g)
	if _, assumed := s.Assumes["mtu"]; assumed && l.MTU == want {
		seen["mtu"] = s.Assumes["mtu"]
	}
	return l, s.Holds(seen)
}

// Do implements stackmend.Applier. It sets the MTU by the link's index, which
// the kernel never gives to another link while this one exists, and waits
// until the link has carrier again. The kernel has no way to set an MTU only
// if it still is what it was: a change by somebody else in the same
// millisecond is overwritten.
func (a *Applier) Do(ctx context.Context, s stackmend.Step, w *stackmend.Work) error {
	if s.Verb == VerbConfirm {
		return nil // its guard waited for the operator
	}
	if s.Verb != VerbSetMTU {
		return unknownVerb(s)
	}
	l, err := a.holds(ctx, s)
	if err != nil {
		return err
	}
	want, _, err := wanted(s)
	if err != nil {
		return err
	}
	if l.MTU != want {
		if err := a.links.SetMTU(ctx, l.Index, l.Name, want); err != nil {
			return err
		}
	}
	return a.awaitCarrier(ctx, s)
}

// awaitCarrier waits until a link that had carrier has it again: some devices
// reset when their MTU changes.
func (a *Applier) awaitCarrier(ctx context.Context, s stackmend.Step) error {
	wait, err := time.ParseDuration(s.Args["carrier"])
	if err != nil || wait < 0 {
		return fmt.Errorf("%w: mtu: wait of %q for carrier", stackmend.ErrRefused, s.Args["carrier"])
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(wait); ; {
		_, l, err := a.look(ctx, s)
		if err != nil {
			return err
		}
		if s.Assumes["carrier"] != "true" || l.Carrier {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("mtu: %s has no carrier %v after its MTU was set", s.Target, wait)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// Verify implements stackmend.Applier.
func (a *Applier) Verify(ctx context.Context, s stackmend.Step) error {
	switch s.Verb {
	case VerbConfirm:
		return nil // Do is not reached without it
	case VerbSetMTU:
	default:
		return unknownVerb(s)
	}
	want, _, err := wanted(s)
	if err != nil {
		return err
	}
	_, l, err := a.look(ctx, s)
	switch {
	case errors.Is(err, stackmend.ErrStale):
		return fmt.Errorf("%w: %w", stackmend.ErrNotDone, err)
	case err != nil:
		return err
	case strconv.Itoa(l.Index) != s.Assumes["index"]:
		return fmt.Errorf("%w: %s is another link now: index %d", stackmend.ErrNotDone, s.Target, l.Index)
	case l.MTU != want:
		return fmt.Errorf("%w: %s has MTU %d", stackmend.ErrNotDone, s.Target, l.MTU)
	case s.Assumes["carrier"] == "true" && !l.Carrier:
		return fmt.Errorf("%w: %s lost its carrier", stackmend.ErrNotDone, s.Target)
	}
	return nil
}

// Revert implements stackmend.Reverter. A link that has another MTU than the
// step gave it, or that is another link now, is left alone.
func (a *Applier) Revert(ctx context.Context, s stackmend.Step) error {
	if s.Verb == VerbConfirm {
		return nil
	}
	if s.Verb != VerbSetMTU {
		return unknownVerb(s)
	}
	want, was, err := wanted(s)
	if err != nil {
		return err
	}
	g, l, err := a.look(ctx, s)
	switch {
	case err != nil:
		return err
	case strconv.Itoa(l.Index) != s.Assumes["index"]:
		return &stackmend.StaleError{Target: s.Target, Key: "index", Want: s.Assumes["index"], Got: strconv.Itoa(l.Index)}
	case l.MTU == was:
		return nil
	case l.MTU != want && l.Kind != Bridge: // a bridge follows its ports
		return &stackmend.StaleError{Target: s.Target, Key: "mtu", Want: s.Args["mtu"], Got: strconv.Itoa(l.MTU)}
	}
	if l.isBond() {
		if err := a.setMembers(ctx, s, g.ports[l.Index], was); err != nil {
			return err
		}
	}
	if err := a.links.SetMTU(ctx, l.Index, l.Name, was); err != nil {
		return err
	}
	if err := a.awaitCarrier(ctx, s); err != nil {
		return err
	}
	if _, l, err = a.look(ctx, s); err == nil && l.MTU != was {
		err = fmt.Errorf("mtu: %s has MTU %d after it was set back to %d", s.Target, l.MTU, was)
	}
	return err
}

// setMembers sets the members of a bond one at a time, for the bond would do
// so to all at once.
func (a *Applier) setMembers(ctx context.Context, s stackmend.Step, members []*Link, mtu int) error {
	for _, m := range members {
		if m.MTU == mtu {
			continue
		}
		if err := a.links.SetMTU(ctx, m.Index, m.Name, mtu); err != nil {
			return err
		}
		of := s
		of.Args = maps.Clone(s.Args)
		of.Args["link"] = m.Name
		of.Assumes = map[string]string{"carrier": strconv.FormatBool(m.Up && m.Carrier)}
		if err := a.awaitCarrier(ctx, of); err != nil {
			return err
		}
	}
	return nil
}

// ownLinks returns the links that the operator's session and the default
// routes need, with all that they stand on.
func (a *Applier) ownLinks(ctx context.Context, g *graph) (map[string]bool, error) {
	ways, err := a.links.Ways(ctx, a.o.Session...)
	if err != nil {
		return nil, err
	}
	own := map[string]bool{}
	for todo := slices.Clone(ways); len(todo) > 0; {
		name := todo[0]
		todo = todo[1:]
		l := g.byName[name]
		if own[name] || l == nil {
			continue
		}
		own[name] = true
		if u, _ := g.under(l); u != nil {
			todo = append(todo, u.Name)
		}
		for _, p := range g.ports[l.Index] {
			todo = append(todo, p.Name)
		}
	}
	return own, nil
}
