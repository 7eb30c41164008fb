package mtu

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/safchain/ethtool"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Observe reads the links of network namespaces over netlink, with their
// addresses and with what matters of the offloads. It needs no privilege in
// the namespace of the caller, and CAP_SYS_ADMIN to enter another. The ends of
// veth pairs between the namespaces given are proven by the kernel.
func Observe(ctx context.Context, namespaces ...*Namespace) ([]Host, error) {
	var out []Host
	for _, n := range namespaces {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		var h Host
		err := n.inside(func() (err error) {
			if h, err = n.read(ctx, namespaces); err == nil {
				h.offloads()
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		out = append(out, h)
	}
	return out, nil
}

func (n *Namespace) read(ctx context.Context, all []*Namespace) (Host, error) {
	h := Host{Name: n.Host, Source: "netlink"}
	// NewHandle without a family failed on one kernel.
	nh, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return Host{}, fmt.Errorf("mtu: %s: netlink: %w", n.Host, err)
	}
	defer nh.Close()
	elsewhere, err := h.dump()
	if err != nil {
		return Host{}, fmt.Errorf("mtu: %s: links: %w", n.Host, err)
	}
	if err := h.findPeers(nh, all, elsewhere); err != nil {
		h.Unseen = append(h.Unseen, fmt.Sprintf("which namespaces the veth pairs lead to: %v", err))
	}
	if err := addAddresses(nh, h.Links); err != nil {
		h.Unseen = append(h.Unseen, fmt.Sprintf("addresses, by which the links under tunnels are found: %v", err))
	}
	return h, ctx.Err()
}

// findPeers turns the kernel's IDs of namespaces into hosts. The kernel gives
// them out as it lists the links, so it is asked afterwards.
func (h *Host) findPeers(nh *netlink.Handle, all []*Namespace, elsewhere map[int]int) error {
	if len(elsewhere) == 0 {
		return nil
	}
	hosts := map[int]string{}
	for _, other := range all {
		id, err := nh.GetNetNsIdByFd(int(other.ns))
		if err != nil {
			return err
		}
		if id >= 0 {
			hosts[id] = other.Host
		}
	}
	for i := range h.Links {
		if id, ok := elsewhere[i]; ok && h.Links[i].Kind == Veth {
			h.Links[i].PeerHost = hosts[id]
		}
	}
	return nil
}

// dump asks for all links in one request. It is netlink.LinkList with the
// smallest and largest MTU, which that leaves out. It returns the IDs of the
// other namespaces by position.
func (h *Host) dump() (elsewhere map[int]int, err error) {
	req := nl.NewNetlinkRequest(unix.RTM_GETLINK, unix.NLM_F_DUMP)
	req.AddData(nl.NewIfInfomsg(unix.AF_UNSPEC))
	elsewhere = map[int]int{}
	var bad error
	err = req.ExecuteIter(unix.NETLINK_ROUTE, unix.RTM_NEWLINK, func(m []byte) bool {
		l, id, err := deserialize(m)
		if err != nil {
			bad = err
			return false
		}
		if l.Elsewhere {
			elsewhere[len(h.Links)] = id
		}
		h.Links = append(h.Links, l)
		return true
	})
	return elsewhere, errors.Join(err, bad)
}

func deserialize(m []byte) (Link, int, error) {
	from, err := netlink.LinkDeserialize(&unix.NlMsghdr{Type: unix.RTM_NEWLINK}, m)
	if err != nil {
		return Link{}, 0, err
	}
	l := fromNetlink(from)
	attrs, err := nl.ParseRouteAttr(m[unix.SizeofIfInfomsg:])
	if err != nil {
		return Link{}, 0, err
	}
	for _, a := range attrs {
		if len(a.Value) < 4 {
			continue
		}
		switch a.Attr.Type {
		case unix.IFLA_MIN_MTU:
			l.MinMTU = int(nl.NativeEndian().Uint32(a.Value))
		case unix.IFLA_MAX_MTU:
			l.MaxMTU = int(nl.NativeEndian().Uint32(a.Value))
		}
	}
	return l, from.Attrs().NetNsID, nil
}

func fromNetlink(from netlink.Link) Link {
	a := from.Attrs()
	l := Link{
		Name: a.Name, Index: a.Index, Kind: Kind(from.Type()), MTU: a.MTU, Master: a.MasterIndex,
		Up:        a.RawFlags&unix.IFF_UP != 0,
		Carrier:   a.OperState == netlink.OperUp || a.OperState == netlink.OperUnknown,
		Elsewhere: a.NetNsID >= 0,
	}
	switch {
	case a.RawFlags&unix.IFF_LOOPBACK != 0:
		l.Kind = Loopback
	case l.Kind == "device":
		l.Kind = Physical
	case l.Kind == "tuntap":
		l.Kind = Tun
	case l.Kind == Veth:
		l.Peer = a.ParentIndex
	}
	if l.Kind != Veth {
		l.Parent = a.ParentIndex
	}
	details(from, &l)
	return l
}

// details reads the kinds' own part.
func details(from netlink.Link, l *Link) {
	switch k := from.(type) {
	case *netlink.Vlan:
		l.Tag = Tag{k.VlanId, vlanProtocol(k.VlanProtocol)}
	case *netlink.Bond:
		l.Mode = k.Mode.String()
	case *netlink.Vxlan:
		l.Tunnel = Tunnel{Local: addr(k.SrcAddr), Remote: addr(k.Group), ID: int64(k.VxlanId), External: k.FlowBased}
		if l.Parent == 0 {
			l.Parent = k.VtepDevIndex
		}
	case *netlink.Geneve:
		l.Tunnel = Tunnel{Remote: addr(k.Remote), ID: int64(k.ID), External: k.FlowBased}
	case *netlink.Gretap:
		l.Tunnel = Tunnel{Local: addr(k.Local), Remote: addr(k.Remote), Key: k.OFlags&nl.GRE_KEY != 0, Sum: k.OFlags&nl.GRE_CSUM != 0, External: k.FlowBased,
			EncapLimit: l.Kind == IP6GRETap}
	case *netlink.Gretun:
		l.Tunnel = Tunnel{Local: addr(k.Local), Remote: addr(k.Remote), Key: k.OFlags&nl.GRE_KEY != 0, Sum: k.OFlags&nl.GRE_CSUM != 0, External: k.FlowBased,
			EncapLimit: l.Kind == IP6GRE}
	case *netlink.Iptun:
		l.Tunnel = Tunnel{Local: addr(k.Local), Remote: addr(k.Remote), External: k.FlowBased}
	case *netlink.Sittun:
		l.Tunnel = Tunnel{Local: addr(k.Local), Remote: addr(k.Remote)}
	case *netlink.Ip6tnl:
		l.Tunnel = Tunnel{Local: addr(k.Local), Remote: addr(k.Remote), External: k.FlowBased, EncapLimit: k.EncapLimit > 0}
	}
	if l.Kind.IsTunnel() {
		l.Tunnel.outer(l.Kind)
	}
}

func vlanProtocol(p netlink.VlanProtocol) string {
	if p == netlink.VLAN_PROTOCOL_8021AD {
		return "802.1ad"
	}
	return "802.1Q"
}

func addr(ip []byte) netip.Addr {
	a, ok := netip.AddrFromSlice(ip)
	if !ok || a.IsUnspecified() {
		return netip.Addr{}
	}
	return a.Unmap()
}

func addAddresses(nh *netlink.Handle, links []Link) error {
	addrs, err := nh.AddrList(nil, netlink.FAMILY_ALL)
	if err != nil {
		return err
	}
	at := make(map[int]*Link, len(links))
	for i := range links {
		at[links[i].Index] = &links[i]
	}
	for _, a := range addrs {
		if l := at[a.LinkIndex]; l != nil && a.IPNet != nil {
			l.Addresses = append(l.Addresses, addr(a.IP))
		}
	}
	return nil
}

// offloads asks the ports at the wire whether they take a tag beside the
// data. Only they matter.
func (h *Host) offloads() {
	e, err := ethtool.NewEthtool()
	if err != nil {
		h.Unseen = append(h.Unseen, fmt.Sprintf("offloads: %v", err))
		return
	}
	defer e.Close()
	tagged := h.carryTags()
	for i := range h.Links {
		l := &h.Links[i]
		if l.Kind != Physical && l.Kind != Veth || !tagged[l.Index] {
			continue
		}
		f, err := e.Features(l.Name)
		if err != nil {
			h.Unseen = append(h.Unseen, fmt.Sprintf("offloads of %s: %v", l.Name, err))
			continue
		}
		l.TxVLAN = OffloadOff
		if f["tx-vlan-hw-insert"] {
			l.TxVLAN = OffloadOn
		}
	}
}

// carryTags finds the links under VLANs.
func (h *Host) carryTags() map[int]bool {
	out := map[int]bool{}
	for _, l := range h.Links {
		if l.Kind == VLAN && !l.Elsewhere {
			out[l.Parent] = true
		}
	}
	for _, l := range h.Links {
		if out[l.Master] {
			out[l.Index] = true
		}
	}
	return out
}
