package mtu

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/stackmend/stackmend"
)

// draft is a plan in the making.
type draft struct {
	g      *graph
	want   map[*Link]int
	change []*Link
}

func newDraft(g *graph, changes []Change) (*draft, error) {
	d := &draft{g: g, want: map[*Link]int{}}
	for _, c := range changes {
		l := g.byName[c.Link]
		if l == nil {
			return nil, fmt.Errorf("%w: host %s has no link %q", ErrSelection, g.host.Name, c.Link)
		}
		if c.MTU < 68 || c.MTU > 65535 {
			return nil, fmt.Errorf("%w: %s cannot have an MTU of %d", ErrSelection, c.Link, c.MTU)
		}
		if w, twice := d.want[l]; twice && w != c.MTU {
			return nil, fmt.Errorf("%w: %s shall have both %d and %d", ErrSelection, c.Link, w, c.MTU)
		}
		d.want[l] = c.MTU
		if c.MTU != l.MTU && !slices.Contains(d.change, l) {
			d.change = append(d.change, l)
		}
	}
	if len(d.want) == 0 {
		return nil, fmt.Errorf("%w: no changes", ErrSelection)
	}
	d.sort()
	return d, nil
}

// after is the MTU that a link has when all is done.
func (d *draft) after(l *Link) int {
	if w, ok := d.want[l]; ok {
		return w
	}
	return l.MTU
}

// sort puts the changes in the order in which no link is ever below what
// stands on it.
func (d *draft) sort() {
	slices.SortStableFunc(d.change, func(a, b *Link) int {
		lowerA, lowerB := d.want[a] < a.MTU, d.want[b] < b.MTU
		switch {
		case lowerA != lowerB:
			if lowerA {
				return -1
			}
			return 1
		case lowerA:
			return cmp.Or(d.rankLowered(b)-d.rankLowered(a), cmp.Compare(a.Name, b.Name))
		}
		return cmp.Or(d.depth(a, 0)-d.depth(b, 0), cmp.Compare(a.Name, b.Name))
	})
}

// rankLowered is the depth, with the members of a bond just above it: lowered
// by the bond they would all be reset at once.
func (d *draft) rankLowered(l *Link) int {
	if m := d.g.byIndex[l.Master]; m != nil && m.isBond() {
		return 2*d.depth(m, 0) + 1
	}
	return 2 * d.depth(l, 0)
}

// depth is how many links are below l.
func (d *draft) depth(l *Link, deep int) int {
	most := 0
	if deep > len(d.g.host.Links) {
		return 0 // a circle: refused elsewhere
	}
	if p, _ := d.g.under(l); p != nil {
		most = d.depth(p, deep+1) + 1
	}
	for _, m := range d.g.ports[l.Index] {
		most = max(most, d.depth(m, deep+1)+1)
	}
	return most
}

// refuse notes why the plan may not be applied at all.
func (d *draft) refuse(p *stackmend.Plan) {
	refuse := func(format string, args ...any) { p.Refusals = append(p.Refusals, fmt.Sprintf(format, args...)) }
	if len(d.change) == 0 {
		return
	}
	for _, l := range d.change {
		if err := l.permits(d.want[l]); err != nil {
			refuse("%v", err)
		}
		if l.Kind == OpenVSwitch {
			refuse("%s: Open vSwitch sets the MTU of its bridges itself (mtu_request)", l.Name)
		}
		if u, _ := d.g.under(l); u != nil && !l.Kind.IsTunnel() && d.want[l] > d.after(u) {
			refuse("%s would have MTU %d on %s with %d, which the kernel refuses: raise %s too", l.Name, d.want[l], u.Name, d.after(u), u.Name)
		}
		for _, cut := range d.cuts(l) {
			refuse("%s", cut)
		}
	}
}

// permits reports that the device does not take an MTU.
func (l *Link) permits(mtu int) error {
	if l.MinMTU > 0 && mtu < l.MinMTU || l.MaxMTU > 0 && mtu > l.MaxMTU {
		return fmt.Errorf("%s takes an MTU from %d to %d, not %d", l.Name, l.MinMTU, l.MaxMTU, mtu)
	}
	return nil
}

// cuts finds the links that a change of l would change or cut without having
// been named.
func (d *draft) cuts(l *Link) []string {
	var out []string
	w := d.want[l]
	for _, a := range d.g.above[l.Index] {
		switch {
		case a.Kind.IsTunnel() && d.after(a)+a.Overhead() > w && a.MTU+a.Overhead() <= l.MTU:
			out = append(out, fmt.Sprintf("%s with %d would be too small for the packets of %s: lower %s to %d too", l.Name, w, a.Name, a.Name, w-a.Overhead()))
		case !a.Kind.IsTunnel() && d.after(a) > w:
			out = append(out, fmt.Sprintf("%s with %d would lower %s from %d, which stands on it and was not named", l.Name, w, a.Name, a.MTU))
		}
	}
	m := d.g.byIndex[l.Master]
	switch {
	case m == nil:
	case m.Kind == Bridge && w < l.MTU && w < d.after(m):
		out = append(out, fmt.Sprintf("%s with %d would lower its bridge %s from %d: name %s too, or leave the port", l.Name, w, m.Name, m.MTU, m.Name))
	case m.isBond() && d.after(m) != w:
		out = append(out, fmt.Sprintf("%s would have %d in %s with %d: members and bond must agree", l.Name, w, m.Name, d.after(m)))
	}
	if l.isBond() {
		for _, p := range d.g.ports[l.Index] {
			if d.after(p) != w {
				out = append(out, fmt.Sprintf("%s with %d would change its members all at once: name %s too", l.Name, w, p.Name))
			}
		}
	}
	return out
}
