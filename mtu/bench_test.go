package mtu

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stackmend/stackmend/internal/lab"
)

// bigHost is a compute host of the kind that has n links: a bond, VLANs on it
// with a bridge each, and taps.
func bigHost(n int) []map[string]any {
	up := []string{"BROADCAST", "MULTICAST", "UP", "LOWER_UP"}
	link := func(i int, name, kind string, data map[string]any) map[string]any {
		return map[string]any{"ifindex": i, "ifname": name, "flags": up, "mtu": 1500, "qdisc": "noqueue", "operstate": "UP",
			"linkmode": "DEFAULT", "group": "default", "txqlen": 1000, "link_type": "ether", "address": "2a:41:aa:db:89:2a",
			"broadcast": "ff:ff:ff:ff:ff:ff", "promiscuity": 0, "allmulti": 0, "min_mtu": 68, "max_mtu": 65535,
			"linkinfo": map[string]any{"info_kind": kind, "info_data": data}, "inet6_addr_gen_mode": "eui64", "num_tx_queues": 1}
	}
	out := []map[string]any{link(1, "bond0", "bond", map[string]any{"mode": "802.3ad"})}
	for i := 0; i < 2; i++ {
		e := link(2+i, fmt.Sprintf("e%d", i), "", nil)
		e["master"] = "bond0"
		delete(e, "linkinfo")
		out = append(out, e)
	}
	for i := 4; len(out) < n; i += 6 {
		id := i / 6
		v := link(i, fmt.Sprintf("vlan%d", id), "vlan", map[string]any{"protocol": "802.1Q", "id": id % 4094})
		br := fmt.Sprintf("br%d", id)
		v["link"], v["master"] = "bond0", br
		out = append(out, v, link(i+1, br, "bridge", map[string]any{"stp_state": 0}))
		for k := 0; k < 4; k++ {
			tap := link(i+2+k, fmt.Sprintf("tap%d-%d", id, k), "tun", map[string]any{"type": "tap"})
			tap["master"] = br
			out = append(out, tap)
		}
	}
	return out[:n]
}

// BenchmarkTenThousandLinks compares judging with reading the same links.
func BenchmarkTenThousandLinks(b *testing.B) {
	text, err := json.Marshal(bigHost(10_005))
	if err != nil {
		b.Fatal(err)
	}
	h, err := ReadLinks(bytes.NewReader(text), "h", "bench")
	if err != nil {
		b.Fatal(err)
	}
	snapshot := &Snapshot{Hosts: []Host{h}}
	t := lab.Alternate(b, func() {
		if _, err := ReadLinks(bytes.NewReader(text), "h", "bench"); err != nil {
			b.Fatal(err)
		}
	}, func() {
		if r := Check(snapshot); len(r.Findings) != 1 {
			b.Fatal(codes(r))
		}
	})
	b.ReportMetric(float64(t[0].Microseconds())/1e3, "ms/read")
	b.ReportMetric(float64(t[1].Microseconds())/1e3, "ms/judge")
	b.ReportMetric(float64(t[1])/float64(t[0]), "x-read")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkProbe searches 68 to 9216 for limits that nobody tells: what counts
// is the packets and the rounds, of which each is a round trip or, where a
// packet vanishes, the wait for it.
func BenchmarkProbe(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	var packets, rounds, most, longest int
	for b.Loop() {
		path := &simulated{rng: rng, limit: 68 + rng.IntN(9216-68)}
		s, err := newSearch(path, ProbeOptions{Timeout: 20 * time.Millisecond})
		if err != nil {
			b.Fatal(err)
		}
		for sizes := s.first(); len(sizes) > 0; sizes = s.next() {
			if err := s.round(b.Context(), sizes); err != nil {
				b.Fatal(err)
			}
		}
		if r := s.report(); r.Verdict != BlackHole || r.Largest != path.limit {
			b.Fatalf("limit %d: %+v", path.limit, r)
		}
		packets, rounds = packets+path.sent, rounds+s.rounds
		most, longest = max(most, path.sent), max(longest, s.rounds)
	}
	b.ReportMetric(float64(packets)/float64(b.N), "packets")
	b.ReportMetric(float64(most), "packets-at-most")
	b.ReportMetric(float64(rounds)/float64(b.N), "rounds")
	b.ReportMetric(float64(longest), "rounds-at-most")
}
