package mtu

import (
	"context"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/stackmend/stackmend"
)

// Read implements Links. It leaves the offloads out, which no plan rests on.
func (n *Namespace) Read(ctx context.Context) (h Host, err error) {
	err = n.inside(func() (err error) {
		h, err = n.read(ctx, nil)
		return err
	})
	return h, err
}

// SetMTU implements Links. It needs CAP_NET_ADMIN.
func (n *Namespace) SetMTU(_ context.Context, index int, name string, mtu int) error {
	return n.inside(func() error {
		h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
		if err != nil {
			return fmt.Errorf("mtu: netlink: %w", err)
		}
		defer h.Close()
		l, err := h.LinkByIndex(index)
		if err != nil {
			return fmt.Errorf("mtu: %s: %w", name, err)
		}
		if got := l.Attrs().Name; got != name {
			return &stackmend.StaleError{Target: n.Host + "/" + name, Key: "name", Want: name, Got: got}
		}
		if err := h.LinkSetMTU(l, mtu); err != nil {
			return fmt.Errorf("mtu: setting %s to %d: %w", name, mtu, err)
		}
		return nil
	})
}

// Ways implements Links.
func (n *Namespace) Ways(_ context.Context, to ...netip.Addr) ([]string, error) {
	var out []string
	err := n.inside(func() error {
		h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
		if err != nil {
			return fmt.Errorf("mtu: netlink: %w", err)
		}
		defer h.Close()
		indexes, err := defaultRoutes(h)
		if err != nil {
			return fmt.Errorf("mtu: default routes: %w", err)
		}
		for _, a := range to {
			routes, err := h.RouteGet(a.Unmap().AsSlice())
			if err != nil {
				return fmt.Errorf("mtu: the way to %v: %w", a, err)
			}
			for _, r := range routes {
				indexes = append(indexes, r.LinkIndex)
			}
		}
		for _, i := range indexes {
			l, err := h.LinkByIndex(i)
			if err != nil {
				return fmt.Errorf("mtu: link %d of a route: %w", i, err)
			}
			out = append(out, l.Attrs().Name)
		}
		return nil
	})
	return out, err
}

func defaultRoutes(h *netlink.Handle) ([]int, error) {
	var out []int
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		routes, err := h.RouteListFiltered(family, &netlink.Route{Table: unix.RT_TABLE_UNSPEC}, netlink.RT_FILTER_TABLE)
		if err != nil {
			return nil, err
		}
		for _, r := range routes {
			if !isDefault(r.Dst) || r.Type != unix.RTN_UNICAST {
				continue
			}
			if r.LinkIndex > 0 {
				out = append(out, r.LinkIndex)
			}
			for _, m := range r.MultiPath {
				out = append(out, m.LinkIndex)
			}
		}
	}
	return out, nil
}

func isDefault(dst *net.IPNet) bool {
	if dst == nil {
		return true
	}
	ones, _ := dst.Mask.Size()
	return ones == 0
}
