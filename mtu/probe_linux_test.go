package mtu

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/stackmend/stackmend/internal/lab"
)

// routed is here - router - there, with a router that is the host's kernel.
// The link behind it takes 1400 bytes.
type routed struct{ *lan }

func newRouted(t testing.TB, far int) routed {
	l := routed{newLAN(t, "here", "router", "there")}
	l.wire("here", "e0", "router", "a0", 1500)
	l.wire("router", "b0", "there", "e0", far)
	for _, a := range [][3]string{
		{"here", "e0", "10.1.0.2/24"}, {"router", "a0", "10.1.0.1/24"}, {"router", "b0", "10.2.0.1/24"}, {"there", "e0", "10.2.0.2/24"},
		{"here", "e0", "fd01::2/64"}, {"router", "a0", "fd01::1/64"}, {"router", "b0", "fd02::1/64"}, {"there", "e0", "fd02::2/64"},
	} {
		l.addr(a[0], a[1], a[2])
	}
	l.sysctl("router", "net/ipv4/ip_forward", "1")
	l.sysctl("router", "net/ipv6/conf/all/forwarding", "1")
	for _, r := range [][2]string{{"here", "10.1.0.1"}, {"there", "10.2.0.1"}, {"here", "fd01::1"}, {"there", "fd02::1"}} {
		l.do(r[0], func(h *netlink.Handle) error { return h.RouteAdd(&netlink.Route{Gw: net.ParseIP(r[1])}) })
	}
	l.answers("here", "10.2.0.2:0")
	l.answers("here", "[fd02::2]:0")
	return l
}

func (l *lan) sysctl(ns, name, value string) {
	l.t.Helper()
	l.in(ns, func() error { return os.WriteFile("/proc/sys/"+name, []byte(value), 0o644) })
}

func (l *lan) nft(ns, rules string) {
	l.t.Helper()
	lab.Need(l.t, "nft")
	l.in(ns, func() error {
		cmd := exec.Command("nft", "-f", "-")
		cmd.Stdin = strings.NewReader(rules)
		out, err := cmd.CombinedOutput()
		if err != nil {
			return errors.New(string(out))
		}
		return nil
	})
}

const (
	silent = `table inet t { chain o { type filter hook output priority 0; icmp type destination-unreachable drop; icmpv6 type packet-too-big drop; }; }`
	lossy  = `table inet t { chain f { type filter hook forward priority 0; icmp type echo-request numgen inc mod 10 == 3 drop; }; }`
	closed = `table inet t { chain f { type filter hook forward priority 0; drop; }; }`
)

func (l *lan) want(r Report, verdict Verdict, largest int) {
	l.t.Helper()
	if r.Verdict != verdict || largest > 0 && r.Largest != largest || r.Sent > 40 {
		l.t.Errorf("want %q %d in at most 40 packets: %+v", verdict, largest, r)
	}
}

func TestProbe(t *testing.T) {
	t.Run("router answers", func(t *testing.T) {
		t.Parallel()
		l := newRouted(t, 1400)
		r := l.probe("here", "icmp", "10.2.0.2:0", ProbeOptions{})
		l.want(r, TooBig, 1400)
		if r.Told != 1400 || r.ToldBy != "10.1.0.1" {
			t.Errorf("told %d by %s", r.Told, r.ToldBy)
		}
		r = l.probe("here", "icmp", "[fd02::2]:0", ProbeOptions{Min: 1280})
		l.want(r, TooBig, 1400)
		if r.Told != 1400 || r.ToldBy != "fd01::1" {
			t.Errorf("told %d by %s", r.Told, r.ToldBy)
		}
	})
	t.Run("router is silent", func(t *testing.T) {
		t.Parallel()
		l := newRouted(t, 1437)
		l.nft("router", silent)
		r := l.probe("here", "icmp", "10.2.0.2:0", ProbeOptions{})
		l.want(r, BlackHole, 1437)
		if r.Lost != 1438 {
			t.Errorf("%+v", r)
		}
		l.want(l.probe("here", "icmp", "[fd02::2]:0", ProbeOptions{Min: 1280}), BlackHole, 1437)
	})
	t.Run("router loses a tenth", func(t *testing.T) {
		t.Parallel()
		l := newRouted(t, 1500)
		l.nft("router", lossy)
		l.want(l.probe("here", "icmp", "10.2.0.2:0", ProbeOptions{}), Lossy, 1500)
	})
	t.Run("silent and loses a tenth", func(t *testing.T) {
		t.Parallel()
		l := newRouted(t, 1300)
		l.nft("router", silent)
		l.nft("router", strings.Replace(lossy, " t ", " u ", 1))
		l.want(l.probe("here", "icmp", "10.2.0.2:0", ProbeOptions{}), BlackHole, 1300)
	})
	t.Run("filtered", func(t *testing.T) {
		t.Parallel()
		l := newRouted(t, 1500)
		l.nft("router", closed)
		l.want(l.probe("here", "icmp", "10.2.0.2:0", ProbeOptions{Timeout: 300 * time.Millisecond}), NoAnswer, 0)
	})
	t.Run("own link", func(t *testing.T) {
		t.Parallel()
		l := newRouted(t, 1500)
		r := l.probe("here", "icmp", "10.2.0.2:0", ProbeOptions{})
		l.want(r, Fits, 1500)
		if r.Own != 1500 {
			t.Errorf("%+v", r)
		}
	})
	t.Run("unprivileged", func(t *testing.T) {
		t.Parallel()
		l := newRouted(t, 1400)
		l.sysctl("here", "net/ipv4/ping_group_range", "0 0")
		for _, to := range []string{"10.2.0.2:0", "[fd02::2]:0"} {
			var s *Socket
			l.in("here", func() (err error) {
				s, err = listenProbe("icmp", netip.MustParseAddrPort(to), false)
				return err
			})
			defer s.Close()
			r, err := Probe(t.Context(), s, ProbeOptions{Min: 1280})
			if err != nil {
				t.Fatal(err)
			}
			l.want(r, TooBig, 1400)
		}
	})
	t.Run("udp", func(t *testing.T) {
		t.Parallel()
		l := newRouted(t, 1400)
		var c net.PacketConn
		l.in("there", func() (err error) {
			c, err = net.ListenPacket("udp", "10.2.0.2:7")
			return err
		})
		defer c.Close()
		go echo(c)
		l.want(l.probe("here", "udp", "10.2.0.2:7", ProbeOptions{}), TooBig, 1400)
		l.sysctl("there", "net/ipv4/icmp_ratelimit", "0")
		l.want(l.probe("here", "udp", "10.2.0.2:9", ProbeOptions{}), TooBig, 1400) // closed: says so
		l.nft("router", silent)
		l.want(l.probe("here", "udp", "10.2.0.2:7", ProbeOptions{}), BlackHole, 1400)
	})
}

func echo(c net.PacketConn) {
	b := make([]byte, 1<<16)
	for {
		n, from, err := c.ReadFrom(b)
		if err != nil {
			return
		}
		if _, err := c.WriteTo(b[:n], from); err != nil {
			continue // larger than its own route takes
		}
	}
}

func TestListenProbeRefuses(t *testing.T) {
	for _, c := range []struct {
		method string
		to     netip.AddrPort
	}{{"icmp", netip.AddrPort{}}, {"udp", netip.MustParseAddrPort("127.0.0.1:0")}, {"sctp", netip.MustParseAddrPort("127.0.0.1:1")}} {
		if s, err := ListenProbe(c.method, c.to); err == nil {
			s.Close()
			t.Errorf("%s to %v was accepted", c.method, c.to)
		}
	}
}
