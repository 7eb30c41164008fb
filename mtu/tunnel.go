package mtu

import (
	"fmt"
	"slices"
)

// tunnel puts the packet into another one, which the link below must take
// whole: fragments are no path.
func (k walk) tunnel(l *Link) {
	add := l.Overhead() + tagBytes*len(k.tags)
	k.hops[len(k.hops)-1].Adds, k.hops[len(k.hops)-1].VNI = add, l.Tunnel.ID
	k.adds += add
	k.tags = nil
	if l.Tunnel.External {
		k.unknown = append(k.unknown, fmt.Sprintf("%s takes remote and options packet by packet: they may add more", l.Name))
	}
	p, unknown := k.g.under(l)
	if p == nil {
		k.end(unknown)
		return
	}
	if k.looped(p) {
		return
	}
	k.push(p, Hop{Fits: p.MTU - k.adds, Sure: true, Why: fmt.Sprintf("its MTU of %d less %d bytes around the packet", p.MTU, k.adds)})
	k.down(p)
}

// members goes on with the member that takes the least: any of them may be
// chosen.
func (k walk) members(bond *Link) {
	members := k.g.ports[bond.Index]
	if len(members) == 0 {
		k.end(fmt.Sprintf("%s has no members", bond.Name))
		return
	}
	least := slices.MinFunc(members, func(a, b *Link) int {
		if a.MTU != b.MTU {
			return a.MTU - b.MTU
		}
		return int(a.TxVLAN) - int(b.TxVLAN)
	})
	if k.looped(least) {
		return
	}
	h := Hop{}
	for _, m := range members {
		if m != least {
			h.Also = append(h.Also, m.Name)
		}
	}
	k.push(least, h)
	k.down(least)
}
