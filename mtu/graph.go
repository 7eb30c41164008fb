package mtu

import (
	"fmt"
	"slices"
)

// graph is a host's links by what stands on what. It is built once, in time
// proportional to the number of links.
type graph struct {
	host    *Host
	byIndex map[int]*Link
	byName  map[string]*Link
	ports   map[int][]*Link // by index of the bridge, bond or team
	above   map[int][]*Link // by index: what stands on it (vlan, macvlan, tunnel with dev)
	byAddr  map[string]*Link
	uplinks map[int][]*Link // of bridges, by index
}

func newGraph(h *Host) (*graph, error) {
	g := &graph{host: h, byIndex: make(map[int]*Link, len(h.Links)), byName: make(map[string]*Link, len(h.Links)),
		ports: map[int][]*Link{}, above: map[int][]*Link{}, byAddr: map[string]*Link{}, uplinks: map[int][]*Link{}}
	for i := range h.Links {
		l := &h.Links[i]
		if g.byIndex[l.Index] != nil || g.byName[l.Name] != nil {
			return nil, fmt.Errorf("link %d %q is listed twice", l.Index, l.Name)
		}
		g.byIndex[l.Index], g.byName[l.Name] = l, l
		if l.Master != 0 {
			g.ports[l.Master] = append(g.ports[l.Master], l)
		}
		for _, a := range l.Addresses {
			g.byAddr[a.String()] = l
		}
	}
	for i := range h.Links {
		l := &h.Links[i]
		if under, _ := g.under(l); under != nil && under != l {
			g.above[under.Index] = append(g.above[under.Index], l)
		}
	}
	return g, nil
}

// under returns the link that l stands on, or why that cannot be told. Both
// are empty for a link that stands on nothing.
func (g *graph) under(l *Link) (*Link, string) {
	switch {
	case l.Kind == Veth:
		return nil, ""
	case l.Parent != 0 && !l.Elsewhere:
		if p := g.byIndex[l.Parent]; p != nil {
			return p, ""
		}
		return nil, fmt.Sprintf("%s stands on link %d, which is not listed", l.Name, l.Parent)
	case l.Elsewhere && !l.Kind.IsTunnel():
		return nil, fmt.Sprintf("%s stands on a link in another network namespace", l.Name)
	case l.Kind.IsTunnel():
		return g.underlay(l)
	}
	return nil, ""
}

// underlay finds the link that carries a tunnel without dev by the tunnel's
// local address.
func (g *graph) underlay(l *Link) (*Link, string) {
	if l.Elsewhere {
		return nil, fmt.Sprintf("the outer packets of %s travel in another network namespace", l.Name)
	}
	if l.Tunnel.Local.IsValid() {
		if u := g.byAddr[l.Tunnel.Local.String()]; u != nil && u != l {
			return u, ""
		}
	}
	return nil, fmt.Sprintf("the link under %s is not known: it has no dev, and its local address is on no link that was seen (`ip -d -j addr` tells addresses)", l.Name)
}

// instanceSide reports that a port of a bridge leads to an instance, a
// container or a namespace rather than out of the host.
func (l *Link) instanceSide() bool { return l.Kind == Tun || l.Kind == Veth || l.Kind == Macvtap }

// uplinksOf returns the ports by which frames leave the host: the ports that
// are no instance's, or, where there are only such, the veths: they may be
// wires to another bridge.
func (g *graph) uplinksOf(bridge *Link) []*Link {
	if u, ok := g.uplinks[bridge.Index]; ok {
		return u
	}
	var out, veths []*Link
	for _, p := range g.ports[bridge.Index] {
		switch {
		case !p.Up:
		case !p.instanceSide():
			out = append(out, p)
		case p.Kind == Veth:
			veths = append(veths, p)
		}
	}
	if len(out) == 0 {
		out = veths
	}
	g.uplinks[bridge.Index] = out
	return out
}

func (l *Link) isBridge() bool { return l.Kind == Bridge || l.Kind == OpenVSwitch }
func (l *Link) isBond() bool   { return l.Kind == Bond || l.Kind == Team }

// entrances are the links where packets begin: those that nothing stands on
// and that are no way out of a bridge, no member of a bond, and not down.
func (g *graph) entrances() []*Link {
	var out []*Link
	for i := range g.host.Links {
		if l := &g.host.Links[i]; g.entrance(l) {
			out = append(out, l)
		}
	}
	return out
}

func (g *graph) entrance(l *Link) bool {
	if !l.Up || l.Kind == Loopback || l.Kind == VRF || len(g.above[l.Index]) > 0 {
		return false
	}
	if m := g.byIndex[l.Master]; m != nil && m.Kind != VRF {
		return m.isBridge() && l.instanceSide()
	}
	if l.isBridge() {
		return !slices.ContainsFunc(g.ports[l.Index], g.entrance)
	}
	return true
}
