package bpdu

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend/internal/lab"
	"github.com/stackmend/stackmend/internal/lab/netns"
)

// BenchmarkForwarding measures with iperf3 what an instance gets through its
// tap and the bridge to the uplink. In one run our filter comes and goes every
// second; what counts is the seconds with it beside those without.
func BenchmarkForwarding(b *testing.B) {
	lab.Need(b, "ip", "nsenter", "iperf3")
	node := newNamespace(b)
	instance, network := netns.New(b), netns.New(b)
	for name, ns := range map[string]*netns.Namespace{"tap1": instance, "up0": network} {
		node.veth(name, "peer")
		peer, err := node.LinkByName("peer")
		node.must(err)
		node.must(node.LinkSetNsFd(peer, ns.FD))
		address := map[string]string{"tap1": "192.0.2.1/24", "up0": "192.0.2.2/24"}[name]
		ns.Run("ip", "address", "add", address, "dev", "peer")
		ns.Run("ip", "link", "set", "peer", "up")
	}
	node.bridge("br0", node.up("tap1"), node.up("up0"))
	for b.Loop() {
		var rates [2][]float64 // without, with
		for i, r := range iperf(b, instance, network, func(second int) {
			node.protect([]string{"tap1"}[:second%2]...)
		}) {
			rates[i/2%2] = append(rates[i/2%2], r)
		}
		without, with := median(rates[0]), median(rates[1])
		b.ReportMetric(without/1e9, "Gbit/s-without")
		b.ReportMetric(with/1e9, "Gbit/s-with")
		b.ReportMetric(with/without, "x-without")
		half := len(rates[0]) / 2
		b.ReportMetric(median(rates[0][half:])/median(rates[0][:half]), "x-noise")
	}
	b.ReportMetric(0, "ns/op")
}

// iperf runs for sixteen seconds and returns the bits per second of each half
// second. It calls each at the beginning of every second.
func iperf(b *testing.B, from, to *netns.Namespace, each func(second int)) []float64 {
	b.Helper()
	const seconds = "16"
	start := func(n *netns.Namespace, arg ...string) *lab.Process {
		enter := fmt.Sprintf("--net=/proc/%d/fd/%d", os.Getpid(), n.FD)
		return lab.Start(b, "nsenter", append([]string{enter, "iperf3"}, arg...)...)
	}
	server := start(to, "--server", "--one-off", "--forceflush")
	server.Until(b, "listening", func() bool { return strings.Contains(server.Output(), "Server listening") })
	each(0)
	client := start(from, "--client", "192.0.2.2", "--time", seconds, "--interval", "0.5", "--json")
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	ended := make(chan error, 1)
	go func() { ended <- client.Wait() }()
	for second := 1; ; second++ {
		select {
		case <-tick.C:
			each(second)
			continue
		case err := <-ended:
			if err != nil {
				b.Fatalf("%v\n%s", err, client.Output())
			}
		}
		break
	}
	var out struct {
		Intervals []struct {
			Sum struct {
				Rate float64 `json:"bits_per_second"`
			} `json:"sum"`
		} `json:"intervals"`
	}
	if err := json.Unmarshal([]byte(client.Output()), &out); err != nil || len(out.Intervals) < 30 {
		b.Fatalf("%v\n%s", err, client.Output())
	}
	var rates []float64
	for _, i := range out.Intervals {
		rates = append(rates, i.Sum.Rate)
	}
	return rates
}

func median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	return s[len(s)/2]
}
