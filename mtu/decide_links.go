package mtu

import (
	"fmt"
	"slices"

	"github.com/stackmend/stackmend"
)

// host judges what the links of one host say about each other.
func (j *judge) host(g *graph) {
	for i := range g.host.Links {
		l := &g.host.Links[i]
		switch {
		case l.isBond():
			j.bond(g, l)
		case l.Kind == Bridge:
			j.bridge(g, l)
		case l.Kind.IsTunnel() && l.Up:
			j.tunnel(g, l)
		case l.Kind == VLAN, l.Kind == Macvlan, l.Kind == Macvtap, l.Kind == IPvlan:
			j.child(g, l)
		}
	}
}

func (j *judge) child(g *graph, l *Link) {
	p, _ := g.under(l)
	if p == nil || l.MTU <= p.MTU {
		return
	}
	j.add(stackmend.Finding{
		Code: CodeChildAboveParent, Status: stackmend.Fail, Subject: g.name(l),
		Message:  fmt.Sprintf("%s has MTU %d, %s on which it stands has %d", l.Name, l.MTU, p.Name, p.MTU),
		Fix:      fmt.Sprintf("raise %s to %d, or lower %s to %d", p.Name, l.MTU, l.Name, p.MTU),
		Evidence: g.linkEvidence(l, p),
	})
}

func (j *judge) bond(g *graph, bond *Link) {
	var differ []*Link
	status := stackmend.Warn
	for _, m := range g.ports[bond.Index] {
		if m.MTU != bond.MTU {
			differ = append(differ, m)
		}
		if m.MTU < bond.MTU {
			status = stackmend.Fail
		}
	}
	if len(differ) == 0 {
		return
	}
	m := differ[0]
	j.add(stackmend.Finding{
		Code: CodeBondMembersDiffer, Status: status, Subject: g.name(bond),
		Message:  fmt.Sprintf("%s has MTU %d, its member %s has %d: what fits depends on which member is chosen", bond.Name, bond.MTU, m.Name, m.MTU),
		Fix:      fmt.Sprintf("give all members the MTU of %s, one at a time", bond.Name),
		Evidence: g.linkEvidence(append([]*Link{bond}, g.ports[bond.Index]...)...),
	})
}

// bridge finds a bridge that took the MTU of its smallest port, which the
// kernel does until an MTU is set by hand.
func (j *judge) bridge(g *graph, b *Link) {
	ports := g.ports[b.Index]
	if len(ports) < 2 {
		return
	}
	byMTU := func(a, c *Link) int { return a.MTU - c.MTU }
	small, large := slices.MinFunc(ports, byMTU), slices.MaxFunc(ports, byMTU)
	if small.MTU == large.MTU || b.MTU != small.MTU {
		return
	}
	j.add(stackmend.Finding{
		Code: CodeBridgeLowered, Status: stackmend.Warn, Subject: g.name(b),
		Message:  fmt.Sprintf("%s has MTU %d because its port %s has; %s has %d", b.Name, b.MTU, small.Name, large.Name, large.MTU),
		Fix:      fmt.Sprintf("give %s the MTU of the other ports, or take it out of %s", small.Name, b.Name),
		Evidence: g.linkEvidence(b, small, large),
	})
}

// ovsTunnelMTU is what Open vSwitch gives its tunnel devices, whose packets
// it does not bound by it (lib/dpif-netlink-rtnl.c, tag v3.1.0: 65000).
const ovsTunnelMTU = 65000

// tunnel compares the outer packets with the link under the tunnel. They are
// cut into fragments at first and refused later: one ping is no proof.
func (j *judge) tunnel(g *graph, l *Link) {
	if l.Tunnel.External && l.MTU >= ovsTunnelMTU {
		return
	}
	outer := l.MTU + l.Overhead()
	under, _ := g.under(l)
	where := ""
	if under == nil {
		if under = g.widest(); under == nil || outer <= under.MTU {
			return // the path says that it is not known
		}
		where = ", even on the widest link of the host"
	}
	if outer <= under.MTU {
		return
	}
	why := ""
	if l.Parent == 0 {
		why = "; a tunnel made without dev gets 1500 whatever is under it"
	}
	j.add(stackmend.Finding{
		Code: CodeTunnelWithoutHeadroom, Status: stackmend.Fail, Subject: g.name(l),
		Message: fmt.Sprintf("packets of %d bytes in %s become %d, %s takes %d%s%s",
			l.MTU, l.Name, outer, under.Name, under.MTU, where, why),
		Fix:      fmt.Sprintf("lower %s to %d, or raise %s to %d", l.Name, under.MTU-l.Overhead(), under.Name, outer),
		Evidence: g.linkEvidence(l, under),
	})
}

// widest returns the link with the largest MTU that outer packets could take.
func (g *graph) widest() *Link {
	var w *Link
	for i := range g.host.Links {
		l := &g.host.Links[i]
		if l.Up && l.Kind != Loopback && l.Kind != VRF && l.Kind != OpenVSwitch && !l.Kind.IsTunnel() && (w == nil || l.MTU > w.MTU) {
			w = l
		}
	}
	return w
}
