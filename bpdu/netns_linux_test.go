package bpdu

import (
	"net"
	"testing"

	"github.com/stackmend/stackmend/internal/lab/netns"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// namespace is a network namespace with what tests do in it.
type namespace struct {
	*netns.Namespace
	*netlink.Handle
	Kernel
	t testing.TB
}

// newNamespace makes a namespace that goes with the test.
func newNamespace(t testing.TB) *namespace {
	t.Helper()
	return within(netns.New(t))
}

func within(inner *netns.Namespace) *namespace {
	inner.T.Helper()
	n := &namespace{Namespace: inner, Kernel: Kernel{NetNS: inner.FD}, t: inner.T}
	n.must(n.In(func() (err error) {
		n.Handle, err = netlink.NewHandle(unix.NETLINK_ROUTE)
		return err
	}))
	n.t.Cleanup(n.Handle.Close)
	return n
}

func (n *namespace) table() (*Table, error) {
	_, t, err := n.filters()
	return t, err
}

func (n *namespace) must(err error) {
	n.t.Helper()
	if err != nil {
		n.t.Fatal(err)
	}
}

// veth makes a pair of devices and sets both up.
func (n *namespace) veth(a, b string) (left, right netlink.Link) {
	n.t.Helper()
	n.must(n.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: a}, PeerName: b}))
	return n.up(a), n.up(b)
}

func (n *namespace) up(name string) netlink.Link {
	n.t.Helper()
	l, err := n.LinkByName(name)
	n.must(err)
	n.must(n.LinkSetUp(l))
	return l
}

// bridge makes a bridge of devices.
func (n *namespace) bridge(name string, ports ...netlink.Link) netlink.Link {
	n.t.Helper()
	n.must(n.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: name}}))
	br := n.up(name)
	for _, p := range ports {
		n.must(n.LinkSetMaster(p, br))
	}
	return br
}

// tap makes a device as an instance has it, which nobody has opened.
func (n *namespace) tap(name string) netlink.Link {
	n.t.Helper()
	n.must(n.In(func() error { // an ioctl: the thread's namespace counts
		return netlink.LinkAdd(&netlink.Tuntap{LinkAttrs: netlink.LinkAttrs{Name: name}, Mode: netlink.TUNTAP_MODE_TAP, Flags: netlink.TUNTAP_DEFAULTS})
	}))
	return n.up(name)
}

func hw(s string) net.HardwareAddr {
	m, err := net.ParseMAC(s)
	if err != nil {
		panic(err)
	}
	return m
}
