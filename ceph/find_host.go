package ceph

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"github.com/stackmend/stackmend"
)

// findHost judges the host that this runs on.
func findHost(o Observed, p Policy) []stackmend.Finding {
	h := o.Host
	out := findRetransmissions(h, p)
	for _, tuned := range []func(*Host, Policy) []stackmend.Finding{
		findMinFree, findMemoryLeft, findLimits, findConntrack, findTimeWait, findBuffers, findIRQs, findStartLimits,
	} {
		for _, f := range tuned(h, p) {
			f.Code, f.Subject = cmp.Or(f.Code, CodeHostTuning), cmp.Or(f.Subject, h.Name)
			out = append(out, f)
		}
	}
	for _, u := range h.Unseen {
		if u.Source != "/proc/net/snmp" && u.Source != "/proc/meminfo" && u.Source != "sock_diag" {
			continue // the others are not to be had everywhere, and are only evidence
		}
		f := finding(stackmend.Unknown, h.Name, "cannot tell, for %s was not seen", u.Source)
		f.Code, f.Evidence = CodeHostTuning, []stackmend.Evidence{seen(u.Source, "%s", u.Reason)}
		if u.Source != "/proc/meminfo" {
			f.Code = CodeRetransmissions
		}
		out = append(out, f)
	}
	return out
}

// findRetransmissions: under 0.1 percent is healthy; 1 percent costs more than
// half of the throughput of a busy connection.
func findRetransmissions(h *Host, p Policy) []stackmend.Finding {
	share := percent(h.TCP.Retransmitted, h.TCP.Out)
	if h.TCP.Out < p.MinSegments || share < p.RetransmitWarn {
		return nil
	}
	f := finding(stackmend.Warn, h.Name, "%.2f%% of its TCP segments were sent again", share)
	f.Code = CodeRetransmissions
	if share >= p.RetransmitFail {
		f.Status = stackmend.Fail
	}
	f.Fix = "look at the links of the peers that stand out (ethtool -S, switch counters, MTU on both ends), and at full uplinks"
	f.Evidence = []stackmend.Evidence{seen("/proc/net/snmp", "%d of %d segments in %s", h.TCP.Retransmitted, h.TCP.Out, duration(h.Span))}
	for _, peer := range h.Peers[:min(len(h.Peers), 5)] {
		if peer.Retransmitted > 0 {
			f.Evidence = append(f.Evidence, seen("sock_diag", "%s: %d of %d segments", peer.Addr, peer.Retransmitted, peer.Out))
		}
	}
	f.Evidence = append(f.Evidence, byDistance(h, p.Places)...)
	if h.TCP.ChecksumErrors > 0 {
		f.Evidence = append(f.Evidence, seen("/proc/net/snmp", "%d segments came with a wrong checksum", h.TCP.ChecksumErrors))
		f.Fix += "; segments arrive damaged: compare the firmware of the cards, and try with checksum offload off (ethtool -K)"
	} else {
		f.Evidence = append(f.Evidence, against("/proc/net/snmp", "no wrong checksums: offloads are not to blame, leave them on"))
	}
	for _, n := range h.NICs {
		f.Evidence = append(f.Evidence, seen("ethtool -i", "%s: driver %s, firmware %s, %d CRC errors", n.Name, cmp.Or(n.Driver, "unknown"), cmp.Or(n.Firmware, "unknown"), n.CRCErrors))
	}
	return []stackmend.Finding{f}
}

// byDistance groups the peers by how far they are, where a map is given: a
// fault of this host's card shows everywhere, one of an uplink only beyond it.
func byDistance(h *Host, places map[string]Place) []stackmend.Evidence {
	var here Place
	for _, p := range places {
		if p.Host == h.Name {
			here = p
		}
	}
	if here.Host == "" {
		return nil
	}
	sums := map[string]Peer{}
	for _, peer := range h.Peers {
		distance := "not in the map"
		if at, ok := places[peer.Addr]; ok {
			switch {
			case at.Host == here.Host:
				distance = "the same host"
			case at.Switch == here.Switch:
				distance = "the same switch " + here.Switch
			default:
				distance = "beyond the uplink, at switch " + at.Switch
			}
		}
		sum := sums[distance]
		sum.Out, sum.Retransmitted = sum.Out+peer.Out, sum.Retransmitted+peer.Retransmitted
		sums[distance] = sum
	}
	var out []stackmend.Evidence
	for _, d := range sorted(sums) {
		out = append(out, seen("sock_diag", "%s: %d of %d segments (%.2f%%)", d, sums[d].Retransmitted, sums[d].Out, percent(sums[d].Retransmitted, sums[d].Out)))
	}
	return out
}

// sysctl is the first number of a setting; -1 if it was not seen.
func (h *Host) sysctl(name string) int64 {
	n, err := strconv.ParseInt(h.Sysctl[name], 10, 64)
	if err != nil {
		return -1
	}
	return n
}

func tune(name, reason, fix string, evidence ...stackmend.Evidence) []stackmend.Finding {
	return []stackmend.Finding{{Status: stackmend.Warn, Message: name + ": " + reason, Fix: fix, Evidence: evidence}}
}

// findMinFree: without a reserve the network card's allocations fail under
// load, packets are dropped and OSDs look dead.
func findMinFree(h *Host, p Policy) []stackmend.Finding {
	kb := h.sysctl("vm.min_free_kbytes")
	if kb < 0 || kb<<10 >= p.MinFree || len(h.Processes) == 0 || h.Memory.Total < 64<<30 {
		return nil
	}
	return tune("vm.min_free_kbytes", "too little is kept free for the network under load", "sysctl -w vm.min_free_kbytes=1048576 on a host with memory to spare",
		seen("/proc/sys/vm/min_free_kbytes", "%d of %s", kb, bytesText(h.Memory.Total)))
}

// findMemoryLeft: what is available is what stands between the OSDs and the
// kernel's OOM killer.
func findMemoryLeft(h *Host, _ Policy) []stackmend.Finding {
	if h.Memory.Total == 0 || h.Memory.Available*20 >= h.Memory.Total || len(h.Processes) == 0 {
		return nil
	}
	f := finding(stackmend.Fail, "", "only %s of %s are available", bytesText(h.Memory.Available), bytesText(h.Memory.Total))
	f.Code = CodeMemory
	f.Fix = "lower osd_memory_target on this host now; raising it, or restarting into recovery, feeds the OOM killer"
	f.Evidence = []stackmend.Evidence{seen("/proc/meminfo", "MemAvailable %s", bytesText(h.Memory.Available))}
	for _, k := range h.oomKills(nil) {
		f.Evidence = append(f.Evidence, stackmend.Evidence{Source: "kernel log", Value: k.Text, At: k.At})
	}
	return []stackmend.Finding{f}
}

// findLimits: OSDs near the limit of their cgroup.
func findLimits(h *Host, _ Policy) []stackmend.Finding {
	var out []stackmend.Finding
	for _, p := range h.Processes {
		if p.CgroupLimit <= 0 || p.Anon*10 < p.CgroupLimit*8 {
			continue
		}
		f := finding(stackmend.Warn, osdName(p.OSD), "uses %s of the %s that its cgroup permits", bytesText(p.Anon), bytesText(p.CgroupLimit))
		f.Code = CodeMemory
		if p.Anon*10 >= p.CgroupLimit*9 {
			f.Status = stackmend.Fail
		}
		f.Fix = "a limit only moves the kill into the container: lower osd_memory_target below 0.8 of it, or raise it"
		f.Evidence = []stackmend.Evidence{seen("/proc/"+strconv.Itoa(p.PID)+"/status", "RssAnon %s; cgroup usage %s includes page cache", bytesText(p.Anon), bytesText(p.Used))}
		out = append(out, f)
	}
	return out
}

// findConntrack: tracking storage connections costs time, and a full table
// drops packets.
func findConntrack(h *Host, p Policy) []stackmend.Finding {
	count, limit := h.sysctl("net.netfilter.nf_conntrack_count"), h.sysctl("net.netfilter.nf_conntrack_max")
	if limit > 0 && float64(count) > p.ConntrackFilled*float64(limit) {
		f := tune("connection tracking", "its table is nearly full; beyond it packets are dropped", "do not track storage traffic (raw table: CT --notrack for 3300, 6789, 6800-7568), or raise nf_conntrack_max",
			seen("/proc/sys/net/netfilter", "%d of %d", count, limit))
		f[0].Status = stackmend.Fail
		return f
	}
	if h.TrackedStorage > 0 {
		return tune("connection tracking", "storage traffic is tracked, for nothing", "raw table: CT --notrack for 3300, 6789, 6800-7568 between storage hosts",
			seen("/proc/net/nf_conntrack", "%d of %d tracked connections are storage traffic", h.TrackedStorage, h.Tracked))
	}
	return nil
}

func findTimeWait(h *Host, p Policy) []stackmend.Finding {
	var out []stackmend.Finding
	if h.TimeWait > int64(p.TimeWait) {
		out = tune("TIME_WAIT", "many connections are opened and closed", "find the client that does not keep its connection; tcp_tw_reuse=1 helps clients that run out of ports",
			seen("/proc/net/sockstat", "%d sockets in TIME_WAIT, tcp_max_tw_buckets %s", h.TimeWait, h.Sysctl["net.ipv4.tcp_max_tw_buckets"]))
	}
	if h.sysctl("net.ipv4.tcp_tw_recycle") > 0 {
		f := tune("tcp_tw_recycle", "it drops connections of clients behind one address, and of hosts whose clocks differ", "sysctl -w net.ipv4.tcp_tw_recycle=0; newer kernels do not have it for this reason",
			seen("/proc/sys/net/ipv4/tcp_tw_recycle", "1"))
		f[0].Status = stackmend.Fail
		out = append(out, f...)
	}
	return out
}

// findBuffers: a window of less than 4 MiB does not fill a 10 Gb/s link at 3 ms.
func findBuffers(h *Host, _ Policy) []stackmend.Finding {
	var small []stackmend.Evidence
	for _, name := range []string{"net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"} {
		var lo, mid, hi int64
		if n, err := fmt.Sscan(h.Sysctl[name], &lo, &mid, &hi); n == 3 && err == nil && hi < 4<<20 {
			small = append(small, seen(name, "at most %s", bytesText(hi)))
		}
	}
	if len(small) == 0 {
		return nil
	}
	return tune("TCP buffers", "they are too small for fast links", "sysctl -w net.ipv4.tcp_rmem=\"4096 131072 16777216\" and tcp_wmem likewise", small...)
}

// findIRQs: one CPU that takes the packets of all cards is full before the
// link is.
func findIRQs(h *Host, p Policy) []stackmend.Finding {
	if h.CPUs < 4 || h.Span <= 0 || len(h.NetRX) == 0 {
		return nil
	}
	var sum int64
	for _, n := range h.NetRX {
		sum += n
	}
	most := slices.Max(h.NetRX)
	if float64(sum)/h.Span.Seconds() < 5000 || float64(most) < p.IRQShare*float64(sum) {
		return nil
	}
	return tune("interrupts", "one CPU takes most of the network's", "spread the queues of the cards: irqbalance, ethtool -L, or smp_affinity; RPS where a card has one queue",
		seen("/proc/softirqs", "CPU %d took %d of %d NET_RX in %s, %d CPUs", slices.Index(h.NetRX, most), most, sum, duration(h.Span), h.CPUs))
}

// findStartLimits: systemd gives an OSD up after a few starts.
func findStartLimits(h *Host, _ Policy) []stackmend.Finding {
	var out []stackmend.Finding
	for _, u := range h.Units {
		if u.Result != "start-limit-hit" {
			continue
		}
		f := finding(stackmend.Fail, osdName(u.OSD), "systemd has given it up: it was started too often")
		f.Code = CodeFlapping
		f.Fix = "find out why it ends, then `systemctl reset-failed` and start it"
		f.Evidence = []stackmend.Evidence{u.evidence()}
		out = append(out, f)
	}
	return out
}
