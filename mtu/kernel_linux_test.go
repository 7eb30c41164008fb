package mtu

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/safchain/ethtool"
	"github.com/vishvananda/netlink"

	"github.com/stackmend/stackmend/internal/lab/vlan"
)

// site is the story's stage: an instance on a compute host, a bond of two
// wires to the controller, and on both hosts a stack of VLANs.
type site struct {
	*lan
	tags []int // the outermost first
}

func newSite(t testing.TB, wireMTU int, offload bool, tags ...int) *site {
	s := &site{newLAN(t, "inst", "cmp", "ctl"), tags}
	for _, w := range []string{"e0", "e1"} {
		s.wire("cmp", w, "ctl", w, wireMTU)
	}
	for _, host := range []string{"cmp", "ctl"} {
		s.host(host, wireMTU, offload)
	}
	s.wire("inst", "eth0", "cmp", "vnet0", 1500)
	s.enslave("cmp", "vnet0", "br100")
	s.up("cmp", "vnet0")
	s.addr("inst", "eth0", "10.0.0.2/24")
	s.addr("ctl", "br100", "10.0.0.1/24")
	return s
}

func (s *site) host(name string, mtu int, offload bool) {
	s.in(name, func() error { return txvlan(offload, "e0", "e1") })
	bond := netlink.NewLinkBond(netlink.LinkAttrs{Name: "bond0"})
	bond.Mode, bond.Miimon = netlink.BOND_MODE_ACTIVE_BACKUP, 100
	bond.Primary = s.index(name, "e0") // both sides must choose the same wire
	s.add(name, bond, "")
	s.enslave(name, "e0", "bond0")
	s.enslave(name, "e1", "bond0")
	s.up(name, "e0", "e1")
	s.mtu(name, "bond0", mtu)
	s.add(name, &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br100"}}, "")
	below := "bond0"
	for i, id := range s.tags {
		master := ""
		if i == len(s.tags)-1 {
			master = "br100"
		}
		v := fmt.Sprintf("vlan%d", id)
		s.vlan(name, below, v, id, master)
		if master != "" && mtu > 1500 {
			s.mtu(name, v, 1500)
		}
		below = v
	}
}

func txvlan(on bool, links ...string) error {
	e, err := ethtool.NewEthtool()
	if err != nil {
		return err
	}
	defer e.Close()
	for _, l := range links {
		if err := e.Change(l, map[string]bool{"tx-vlan-hw-insert": on}); err != nil {
			return err
		}
	}
	return nil
}

// probe measures from a namespace.
func (l *lan) probe(from, method, to string, o ProbeOptions) Report {
	l.t.Helper()
	var s *Socket
	l.in(from, func() (err error) {
		s, err = ListenProbe(method, netip.MustParseAddrPort(to))
		return err
	})
	defer s.Close()
	r, err := Probe(l.t.Context(), s, o)
	if err != nil {
		l.t.Fatal(err)
	}
	r.Method, r.Target = method, to
	return r
}

// measure probes until no answer comes too late to count, as happens on a
// machine that has other things to do: nothing here loses packets.
func (l *lan) measure(from, to string) (r Report) {
	l.t.Helper()
	for range 5 {
		if r = l.probe(from, "icmp", to, ProbeOptions{}); r.Verdict != Lossy && r.Verdict != Undecided {
			break
		}
	}
	return r
}

// answers waits until the target answers at all: bonds and bridges take a
// moment to let frames through.
func (l *lan) answers(from, to string) {
	l.t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; {
		r := l.probe(from, "icmp", to, ProbeOptions{Min: 100, Max: 100, Packets: 10, Timeout: 300 * time.Millisecond})
		if r.Heard >= 4 {
			return
		}
		if time.Now().After(deadline) {
			l.t.Fatalf("%s never answers %s: %+v", to, from, r)
		}
	}
}

func pathFrom(t testing.TB, paths []Path, host, link string) Path {
	t.Helper()
	for _, p := range paths {
		if p.Entrance().Host == host && p.Entrance().Link == link {
			return p
		}
	}
	t.Fatalf("no path from %s/%s in %v", host, link, paths)
	return Path{}
}

// TestKernelStacks measures what passes every stack with a probe, and
// compares it with what is predicted from the links alone.
func TestKernelStacks(t *testing.T) {
	vlan.Inside(t)
	for _, c := range []struct {
		name    string
		mtu     int
		offload bool
		tags    []int
		after   func(*site)
		want    int // the largest IP packet
		verdict Verdict
	}{
		{"one VLAN", 1500, true, []int{100}, nil, 1500, Fits},
		{"one VLAN, no offload", 1500, false, []int{100}, nil, 1500, Fits},
		{"two VLANs", 1500, true, []int{20, 100}, nil, 1500, Fits},
		{"two VLANs, no offload: the incident", 1500, false, []int{20, 100}, nil, 1496, BlackHole},
		{"three VLANs", 1500, true, []int{20, 30, 100}, nil, 1496, BlackHole},
		{"three VLANs, no offload", 1500, false, []int{20, 30, 100}, nil, 1492, BlackHole},
		{"two VLANs, 1504 below", 1504, false, []int{20, 100}, nil, 1500, Fits},
		{"three VLANs, 1508 below", 1508, false, []int{20, 30, 100}, nil, 1500, Fits},
		{"two VLANs, instance at 1496", 1500, false, []int{20, 100}, func(s *site) { s.mtu("inst", "eth0", 1496) }, 1496, Fits},
		{"one VLAN, its MTU 1496 under the bridge", 1500, false, []int{100}, func(s *site) { s.mtu("cmp", "vlan100", 1496) }, 1500, Fits},
		{"one VLAN, its MTU 1400 under the bridge", 1500, false, []int{100}, func(s *site) { s.mtu("cmp", "vlan100", 1400) }, 1404, BlackHole},
		{"one VLAN, one side of the wire at 1496", 1500, false, []int{100}, func(s *site) { s.mtu("ctl", "bond0", 1496) }, 1496, BlackHole},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t, c.mtu, c.offload, c.tags...)
			if c.after != nil {
				c.after(s)
			}
			s.answers("inst", "10.0.0.1:0")
			paths, err := Paths(s.observe("inst", "cmp", "ctl"), nil)
			if err != nil {
				t.Fatal(err)
			}
			p := pathFrom(t, paths, "inst", "eth0")
			r := s.measure("inst", "10.0.0.1:0")
			t.Logf("predicted %d (%s), measured %d %q with %d packets", p.Largest, p.Limiting().says(), r.Largest, r.Verdict, r.Sent)
			if p.Largest != c.want || r.Largest != c.want || r.Verdict != c.verdict || !p.Sure || len(p.Unknown) > 0 {
				t.Errorf("want %d %q; predicted %+v; measured %+v", c.want, c.verdict, p, r)
			}
		})
	}
}

// TestKernelTunnels compares the kernel's own MTU of each tunnel with the
// overhead that this package reckons with.
func TestKernelTunnels(t *testing.T) {
	vlan.Inside(t)
	l := newLAN(t, "h")
	l.add("h", &netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Name: "dum0"}}, "")
	l.addr("h", "dum0", "10.9.0.1/24")
	l.addr("h", "dum0", "fd00::1/64")
	dev := l.index("h", "dum0")
	v4, v6 := netip.MustParseAddr("10.9.0.2").AsSlice(), netip.MustParseAddr("fd00::2").AsSlice()
	l4, l6 := netip.MustParseAddr("10.9.0.1").AsSlice(), netip.MustParseAddr("fd00::1").AsSlice()
	at := func(name string) netlink.LinkAttrs { return netlink.LinkAttrs{Name: name} }
	for _, k := range []netlink.Link{
		&netlink.Vxlan{LinkAttrs: at("vx4"), VxlanId: 5, VtepDevIndex: dev, Group: v4, Port: 4789},
		&netlink.Vxlan{LinkAttrs: at("vx6"), VxlanId: 6, VtepDevIndex: dev, Group: v6, Port: 4790},
		&netlink.Gretap{LinkAttrs: at("gt4"), Local: l4, Remote: v4},
		&netlink.Gretap{LinkAttrs: at("gt4k"), Local: l4, Remote: v4, IKey: 5, OKey: 5},
		&netlink.Gretun{LinkAttrs: at("gre4"), Local: l4, Remote: v4},
		&netlink.Gretap{LinkAttrs: at("gt6"), Local: l6, Remote: v6},
		&netlink.Iptun{LinkAttrs: at("ipip4"), Local: l4, Remote: v4},
		&netlink.Geneve{LinkAttrs: at("gnv4"), ID: 9, Remote: v4, Dport: 6081},
		&netlink.Geneve{LinkAttrs: at("gnv6"), ID: 9, Remote: v6, Dport: 6082},
	} {
		l.add("h", k, "")
	}
	h := l.observe("h")[0]
	n := 0
	for i := range h.Links {
		k := &h.Links[i]
		if !k.Kind.IsTunnel() || !k.Up {
			continue
		}
		n++
		if k.MTU+k.Overhead() != 1500 {
			t.Errorf("%s: the kernel chose %d over 1500, this package reckons with %d bytes more: %+v", k.Name, k.MTU, k.Overhead(), k)
		}
	}
	if n != 9 {
		t.Errorf("%d tunnels were read, 9 made", n)
	}
}
