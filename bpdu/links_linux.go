package bpdu

import (
	"context"
	"fmt"
	"net"
	"os"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Observe reads the devices, bridges, bonds and filters. Without CAP_NET_ADMIN
// the filters are in Unseen. One request reads all links, however many.
func (k Kernel) Observe(ctx context.Context) (*Host, error) {
	links, err := k.links(ctx)
	if err != nil {
		return nil, err
	}
	h := &Host{Links: links}
	if h.Name, err = os.Hostname(); err != nil {
		h.Name = "this host"
	}
	if h.Family, h.Table, err = k.filters(); err != nil {
		h.Unseen = append(h.Unseen, fmt.Sprintf("filters: %v", err))
	} else if h.Others, err = k.others(); err != nil {
		h.Unseen = append(h.Unseen, fmt.Sprintf("filters of others: %v", err))
	}
	return h, nil
}

// dial opens a netlink socket in the namespace.
func (k Kernel) dial(family int, groups uint32) (*netlink.Conn, error) {
	c, err := netlink.Dial(family, &netlink.Config{NetNS: k.NetNS, Groups: groups})
	if err != nil {
		return nil, fmt.Errorf("bpdu: netlink: %w", err)
	}
	return c, nil
}

// links reads all links by one RTM_GETLINK dump.
func (k Kernel) links(ctx context.Context) ([]Link, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c, err := k.dial(unix.NETLINK_ROUTE, 0)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	replies, err := c.Execute(netlink.Message{
		Header: netlink.Header{Type: unix.RTM_GETLINK, Flags: netlink.Request | netlink.Dump},
		Data:   make([]byte, unix.SizeofIfInfomsg),
	})
	if err != nil {
		return nil, fmt.Errorf("bpdu: links: %w", err)
	}
	links := make([]Link, 0, len(replies))
	masters := map[int]string{}
	index := make([]int, 0, len(replies))
	for _, m := range replies {
		l, master, err := decodeLink(m.Data)
		if err != nil {
			return nil, err
		}
		links = append(links, l)
		index = append(index, master)
		masters[l.Index] = l.Name
	}
	for i := range links {
		links[i].Master = masters[index[i]]
	}
	return links, nil
}

// decodeLink reads struct ifinfomsg and the attributes after it
// (include/uapi/linux/if_link.h).
func decodeLink(b []byte) (l Link, master int, err error) {
	if len(b) < unix.SizeofIfInfomsg {
		return l, 0, fmt.Errorf("bpdu: link message of %d bytes", len(b))
	}
	family, kind := b[0], nativeUint16(b[2:4])
	l.Index = int(int32(nativeUint32(b[4:8])))
	flags := nativeUint32(b[8:12])
	_ = family
	l.Loop, l.Ether = flags&unix.IFF_LOOPBACK != 0, kind == unix.ARPHRD_ETHER
	l.Admin = flags&unix.IFF_UP != 0
	l.Carrier = l.Admin
	ad, err := netlink.NewAttributeDecoder(b[unix.SizeofIfInfomsg:])
	if err != nil {
		return l, 0, fmt.Errorf("bpdu: link: %w", err)
	}
	elsewhere := false
	for ad.Next() {
		switch ad.Type() {
		case unix.IFLA_IFNAME:
			l.Name = ad.String()
		case unix.IFLA_ADDRESS:
			l.MAC = net.HardwareAddr(ad.Bytes()).String()
		case unix.IFLA_IFALIAS:
			l.Alias = ad.String()
		case unix.IFLA_MASTER:
			master = int(ad.Uint32())
		case unix.IFLA_LINK:
			l.Lower = int(ad.Uint32())
		case unix.IFLA_LINK_NETNSID:
			elsewhere = true
		case unix.IFLA_CARRIER:
			l.Carrier = l.Admin && ad.Uint8() != 0
		case unix.IFLA_CARRIER_DOWN_COUNT:
			l.CarrierDowns = ad.Uint32()
		case unix.IFLA_LINKINFO:
			ad.Nested(func(n *netlink.AttributeDecoder) error { decodeInfo(n, &l); return nil })
		}
	}
	if elsewhere {
		l.Lower = 0 // an index in another namespace
	}
	return l, master, ad.Err()
}

// decodeInfo reads IFLA_LINKINFO: the kind, and what bridges and their ports
// have of their own.
func decodeInfo(ad *netlink.AttributeDecoder, l *Link) {
	slave := ""
	for ad.Next() {
		switch ad.Type() {
		case unix.IFLA_INFO_KIND:
			l.Kind = ad.String()
		case unix.IFLA_INFO_SLAVE_KIND:
			slave = ad.String()
		case unix.IFLA_INFO_DATA:
			if l.Kind == "bridge" {
				ad.Nested(func(n *netlink.AttributeDecoder) error { decodeBridge(n, l); return nil })
			}
		case unix.IFLA_INFO_SLAVE_DATA:
			if slave == "bridge" {
				ad.Nested(func(n *netlink.AttributeDecoder) error { decodePort(n, l); return nil })
			}
		}
	}
}

func decodeBridge(ad *netlink.AttributeDecoder, l *Link) {
	for ad.Next() {
		if ad.Type() == unix.IFLA_BR_STP_STATE {
			l.STP = ad.Uint32() != 0
		}
	}
}

func decodePort(ad *netlink.AttributeDecoder, l *Link) {
	states := []string{"disabled", "listening", "learning", "forwarding", "blocking"} // BR_STATE_*
	for ad.Next() {
		switch ad.Type() {
		case unix.IFLA_BRPORT_GUARD:
			l.Guard = ad.Uint8() != 0
		case unix.IFLA_BRPORT_STATE:
			if s := int(ad.Uint8()); s < len(states) {
				l.State = states[s]
			}
		}
	}
}
