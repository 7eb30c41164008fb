package mtu

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/stackmend/stackmend/internal/lab"
)

// lan is a set of network namespaces that live as long as their test.
type lan struct {
	t  testing.TB
	ns map[string]*Namespace
}

func newLAN(t testing.TB, names ...string) *lan {
	t.Helper()
	if os.Geteuid() != 0 {
		lab.Without(t, "network namespaces need root")
	}
	l := &lan{t, map[string]*Namespace{}}
	for _, n := range names {
		l.ns[n] = &Namespace{Host: n, ns: newNetns(t)}
		t.Cleanup(func() { l.ns[n].Close() })
		l.do(n, func(h *netlink.Handle) error {
			lo, err := h.LinkByName("lo")
			if err != nil {
				return err
			}
			return h.LinkSetUp(lo)
		})
	}
	return l
}

func newNetns(t testing.TB) netns.NsHandle {
	t.Helper()
	type made struct {
		ns  netns.NsHandle
		err error
	}
	c := make(chan made)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with its namespace
		ns, err := netns.New()
		c <- made{ns, err}
	}()
	m := <-c
	if m.err != nil {
		lab.Without(t, fmt.Sprintf("no network namespace: %v", m.err))
	}
	return m.ns
}

// do works on the links of a namespace.
func (l *lan) do(name string, f func(*netlink.Handle) error) {
	l.t.Helper()
	h, err := netlink.NewHandleAt(l.ns[name].ns, unix.NETLINK_ROUTE)
	if err != nil {
		l.t.Fatal(err)
	}
	defer h.Close()
	if err := f(h); err != nil {
		l.t.Fatalf("%s: %v", name, err)
	}
}

// in runs f on a thread in the namespace.
func (l *lan) in(name string, f func() error) {
	l.t.Helper()
	if err := l.ns[name].inside(f); err != nil {
		l.t.Fatalf("%s: %v", name, err)
	}
}

// wire connects two namespaces by a veth pair.
func (l *lan) wire(a, aLink, b, bLink string, mtu int) {
	l.t.Helper()
	l.do(a, func(h *netlink.Handle) error {
		v := netlink.NewVeth(netlink.LinkAttrs{Name: aLink, MTU: mtu})
		v.PeerName, v.PeerMTU, v.PeerNamespace = bLink, uint32(mtu), netlink.NsFd(l.ns[b].ns)
		return h.LinkAdd(v)
	})
	l.up(a, aLink)
	l.up(b, bLink)
}

func (l *lan) up(ns string, links ...string) {
	l.t.Helper()
	l.do(ns, func(h *netlink.Handle) error {
		var errs []error
		for _, name := range links {
			k, err := h.LinkByName(name)
			if err == nil {
				err = h.LinkSetUp(k)
			}
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	})
}

// add makes a link, up, with master as its master if that is not empty.
func (l *lan) add(ns string, link netlink.Link, master string) {
	l.t.Helper()
	l.do(ns, func(h *netlink.Handle) error {
		if err := h.LinkAdd(link); err != nil {
			return fmt.Errorf("%s: %w", link.Attrs().Name, err)
		}
		return nil
	})
	if master != "" {
		l.enslave(ns, link.Attrs().Name, master)
	}
	l.up(ns, link.Attrs().Name)
}

func (l *lan) enslave(ns, link, master string) {
	l.t.Helper()
	l.do(ns, func(h *netlink.Handle) error {
		k, err := h.LinkByName(link)
		if err != nil {
			return err
		}
		m, err := h.LinkByName(master)
		if err != nil {
			return err
		}
		if _, bond := m.(*netlink.Bond); bond {
			if err := h.LinkSetDown(k); err != nil {
				return err
			}
		}
		return h.LinkSetMaster(k, m)
	})
}

// vlan puts a VLAN on a link.
func (l *lan) vlan(ns, parent, name string, id int, master string) {
	l.t.Helper()
	l.add(ns, &netlink.Vlan{LinkAttrs: netlink.LinkAttrs{Name: name, ParentIndex: l.index(ns, parent)}, VlanId: id,
		VlanProtocol: netlink.VLAN_PROTOCOL_8021Q}, master)
}

func (l *lan) index(ns, link string) (index int) {
	l.t.Helper()
	l.do(ns, func(h *netlink.Handle) error {
		k, err := h.LinkByName(link)
		if err == nil {
			index = k.Attrs().Index
		}
		return err
	})
	return index
}

func (l *lan) mtu(ns, link string, mtu int) {
	l.t.Helper()
	l.do(ns, func(h *netlink.Handle) error {
		k, err := h.LinkByName(link)
		if err != nil {
			return err
		}
		return h.LinkSetMTU(k, mtu)
	})
}

func (l *lan) addr(ns, link, cidr string) {
	l.t.Helper()
	l.do(ns, func(h *netlink.Handle) error {
		k, err := h.LinkByName(link)
		if err != nil {
			return err
		}
		a, err := netlink.ParseAddr(cidr)
		if err != nil {
			return err
		}
		a.Flags = unix.IFA_F_NODAD
		return h.AddrAdd(k, a)
	})
}

// observe reads the namespaces.
func (l *lan) observe(names ...string) []Host {
	l.t.Helper()
	var all []*Namespace
	for _, n := range names {
		all = append(all, l.ns[n])
	}
	hosts, err := Observe(context.Background(), all...)
	if err != nil {
		l.t.Fatal(err)
	}
	return hosts
}
