package bpdu

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/stackmend/stackmend/internal/lab"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// namespace is a network namespace of the host's kernel that a test owns.
type namespace struct {
	t  testing.TB
	fd int
	*netlink.Handle
	Kernel
}

// newNamespace makes a namespace that goes with the test.
func newNamespace(t testing.TB) *namespace {
	t.Helper()
	if os.Geteuid() != 0 {
		lab.Without(t, "not root: no network namespaces")
	}
	n := &namespace{t: t}
	err := onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return err
		}
		fd, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		n.fd = fd
		return err
	})
	if err != nil {
		lab.Without(t, fmt.Sprintf("no network namespace: %v", err))
	}
	t.Cleanup(func() { unix.Close(n.fd) })
	n.Kernel = Kernel{NetNS: n.fd}
	n.in(func() {
		if n.Handle, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
			t.Fatal(err)
		}
	})
	t.Cleanup(n.Handle.Close)
	return n
}

// onThread runs f on a thread of its own, which ends with it.
func onThread(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread may be in another namespace
		done <- f()
	}()
	return <-done
}

// in runs f in the namespace.
func (n *namespace) in(f func()) {
	n.t.Helper()
	err := onThread(func() error {
		if err := unix.Setns(n.fd, unix.CLONE_NEWNET); err != nil {
			return err
		}
		f()
		return nil
	})
	if err != nil {
		n.t.Fatal(err)
	}
}

// run runs a program in the namespace.
func (n *namespace) run(name string, arg ...string) string {
	n.t.Helper()
	var out []byte
	var err error
	n.in(func() { out, err = exec.Command(name, arg...).CombinedOutput() })
	if err != nil {
		n.t.Fatalf("%s %s: %v\n%s", name, strings.Join(arg, " "), err, out)
	}
	return string(out)
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
	var err error
	n.in(func() { // an ioctl: the thread's namespace counts
		err = netlink.LinkAdd(&netlink.Tuntap{LinkAttrs: netlink.LinkAttrs{Name: name}, Mode: netlink.TUNTAP_MODE_TAP, Flags: netlink.TUNTAP_DEFAULTS})
	})
	n.must(err)
	return n.up(name)
}

func hw(s string) net.HardwareAddr {
	m, err := net.ParseMAC(s)
	if err != nil {
		panic(err)
	}
	return m
}
