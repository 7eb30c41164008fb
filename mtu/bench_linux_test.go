package mtu

import (
	"context"
	"fmt"
	"os/exec"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/stackmend/stackmend/internal/lab"
)

// BenchmarkObserve compares reading over netlink with its yardstick, the
// command that people use.
func BenchmarkObserve(b *testing.B) {
	lab.Need(b, "ip")
	l := newLAN(b, "h")
	const pairs = 1000
	l.do("h", func(h *netlink.Handle) error {
		for i := range pairs {
			v := netlink.NewVeth(netlink.LinkAttrs{Name: fmt.Sprintf("a%d", i)})
			v.PeerName = fmt.Sprintf("b%d", i)
			if err := h.LinkAdd(v); err != nil {
				return err
			}
		}
		return nil
	})
	t := lab.Alternate(b, func() {
		l.in("h", func() error { return exec.Command("ip", "-d", "-j", "link").Run() })
	}, func() {
		if h, err := Observe(context.Background(), l.ns["h"]); err != nil || len(h[0].Links) != 2*pairs+1 {
			b.Fatal(err)
		}
	})
	b.ReportMetric(float64(t[0].Microseconds())/1e3, "ms/ip")
	b.ReportMetric(float64(t[1].Microseconds())/1e3, "ms/observe")
	b.ReportMetric(float64(t[1])/float64(t[0]), "x-ip")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkBlackHole compares the probe with its yardstick, tracepath, where a
// router drops what is too big without a word.
func BenchmarkBlackHole(b *testing.B) {
	lab.Need(b, "tracepath", "nft")
	const fits = 1437
	l := newRouted(b, fits)
	l.nft("router", silent)
	var said []byte
	t := lab.Alternate(b, func() {
		l.in("here", func() (err error) {
			said, err = exec.Command("tracepath", "-n", "-m", "4", "10.2.0.2").Output()
			return err
		})
	}, func() {
		l.want(l.probe("here", "icmp", "10.2.0.2:0", ProbeOptions{}), BlackHole, fits)
	})
	b.Logf("with %d bytes that fit, tracepath says:\n%s", fits, said)
	b.ReportMetric(t[0].Seconds(), "s/tracepath")
	b.ReportMetric(t[1].Seconds(), "s/probe")
	b.ReportMetric(float64(t[1])/float64(t[0]), "x-tracepath")
	b.ReportMetric(0, "ns/op")
}
