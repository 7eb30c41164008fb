package mtu

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/stackmend/stackmend"
)

// Guards implements stackmend.Applier: the operator's own way to the host,
// the device's limits and other links, the last member of a bond that has
// carrier, and the confirmation.
func (a *Applier) Guards() []stackmend.Guard {
	return []stackmend.Guard{
		stackmend.GuardFunc("links", a.guardLinks),
		stackmend.GuardFunc("confirm", a.guardConfirm),
	}
}

// guardLinks asks what there is to ask about a set-mtu step, of one reading of
// the links as they are now.
func (a *Applier) guardLinks(ctx context.Context, r stackmend.Request) (stackmend.Verdict, error) {
	if r.Step.Verb != VerbSetMTU {
		return permit()
	}
	g, l, err := a.look(ctx, r.Step)
	if err != nil {
		return stackmend.Verdict{Reason: "the links cannot be read"}, err
	}
	for _, ask := range []func(context.Context, stackmend.Request, *graph, *Link) (stackmend.Verdict, error){
		a.guardOwnLink, a.guardLimits, a.guardOthers, a.guardMember,
	} {
		if v, err := ask(ctx, r, g, l); err != nil || v.Decision != stackmend.Permit {
			return v, err
		}
	}
	return permit()
}

func permit() (stackmend.Verdict, error) {
	return stackmend.Verdict{Decision: stackmend.Permit}, nil
}

func deny(format string, args ...any) (stackmend.Verdict, error) {
	return stackmend.Verdict{Decision: stackmend.Deny, Reason: fmt.Sprintf(format, args...)}, nil
}

func (a *Applier) guardOwnLink(ctx context.Context, r stackmend.Request, g *graph, l *Link) (stackmend.Verdict, error) {
	own, err := a.ownLinks(ctx, g)
	if err != nil {
		return stackmend.Verdict{Reason: "which links the session and the default route need cannot be told"}, err
	}
	confirmed := slices.ContainsFunc(r.Plan.Steps, func(s stackmend.Step) bool { return s.Verb == VerbConfirm && s.Group == r.Step.Group })
	switch {
	case !own[l.Name]:
		return permit()
	case !a.o.OwnLink:
		return deny("%s carries the session or the default route of this host; work from the console, or permit it in a plan that is rolled back unless confirmed", l.Name)
	case !confirmed:
		return deny("%s carries the session or the default route of this host, and the plan does not end in a confirmation", l.Name)
	}
	return permit()
}

func (a *Applier) guardLimits(_ context.Context, r stackmend.Request, _ *graph, l *Link) (stackmend.Verdict, error) {
	want, _, err := wanted(r.Step)
	if err != nil {
		return stackmend.Verdict{}, err
	}
	if err := l.permits(want); err != nil {
		return deny("%v", err)
	}
	return permit()
}

// guardOthers looks at what stands on the link now, not when the plan was
// made.
func (a *Applier) guardOthers(_ context.Context, r stackmend.Request, g *graph, l *Link) (stackmend.Verdict, error) {
	want, _, err := wanted(r.Step)
	if err != nil {
		return stackmend.Verdict{}, err
	}
	if want >= l.MTU {
		return permit()
	}
	d := &draft{g: g, want: map[*Link]int{l: want}}
	for _, s := range r.Plan.Steps { // what the plan changes too is as it will be
		if k := g.byName[s.Args["link"]]; s.Verb == VerbSetMTU && k != nil {
			if n, _, err := wanted(s); err == nil {
				d.want[k] = n
			}
		}
	}
	if cuts := d.cuts(l); len(cuts) > 0 {
		return deny("%s", strings.Join(cuts, "; "))
	}
	return permit()
}

// guardMember keeps a bond alive: a device may lose its carrier for a moment
// when its MTU changes.
func (a *Applier) guardMember(_ context.Context, _ stackmend.Request, g *graph, l *Link) (stackmend.Verdict, error) {
	m := g.byIndex[l.Master]
	if m == nil || !m.isBond() || !m.Up {
		return permit()
	}
	others := 0
	for _, p := range g.ports[m.Index] {
		if p != l && p.Up && p.Carrier {
			others++
		}
	}
	if others == 0 && len(g.ports[m.Index]) > 1 {
		return stackmend.Verdict{Decision: stackmend.Wait, RetryAfter: time.Second,
			Reason: fmt.Sprintf("%s is the only member of %s with carrier", l.Name, m.Name)}, nil
	}
	return permit()
}

func (a *Applier) guardConfirm(ctx context.Context, r stackmend.Request) (stackmend.Verdict, error) {
	if r.Step.Verb != VerbConfirm {
		return permit()
	}
	if a.o.Confirm == nil {
		return deny("there is no way to confirm")
	}
	ok, err := a.o.Confirm.Confirmed(ctx, r.Plan.ID())
	switch {
	case err != nil:
		return stackmend.Verdict{Reason: "whether it was confirmed cannot be told"}, err
	case ok:
		return permit()
	}
	return stackmend.Verdict{Decision: stackmend.Wait, Reason: "waits for the operator's confirmation", RetryAfter: 500 * time.Millisecond}, nil
}

// ConfirmFile is confirmed by a file that holds the ID of the plan, or its
// first twelve letters or more. Written in a new session it proves that the
// host is still reached; one left by an earlier plan confirms nothing.
type ConfirmFile string

// Confirmed implements Confirmation.
func (f ConfirmFile) Confirmed(_ context.Context, planID string) (bool, error) {
	info, err := os.Lstat(string(f))
	if os.IsNotExist(err) {
		return false, nil
	}
	if err != nil || !info.Mode().IsRegular() || info.Size() > 1024 {
		return false, err // not what an operator writes
	}
	b, err := os.ReadFile(string(f))
	if err != nil {
		return false, err
	}
	word := strings.TrimSpace(string(b))
	return len(word) >= 12 && strings.HasPrefix(planID, word), nil
}
