package pressure

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/stackmend/stackmend/ceph"
)

// sysctls are what a storage host under recovery wants at least.
func sysctls() map[string]int64 {
	return map[string]int64{
		"vm.min_free_kbytes":             1 << 20, // 1 GiB, as in the incident
		"net.core.rmem_max":              16 << 20,
		"net.core.wmem_max":              16 << 20,
		"net.core.netdev_max_backlog":    50000,
		"net.ipv4.tcp_max_tw_buckets":    1 << 20,
		"net.netfilter.nf_conntrack_max": 1 << 20,
	}
}

// HostDiff writes, as a diff and the commands that would make it so, what a
// storage host's kernel and cards might be changed to. Nothing here runs them:
// such a change is one of the whole host, and its owner's. What was not seen is
// said and not judged.
func HostDiff(h *ceph.Host) string {
	var b strings.Builder
	fmt.Fprintf(&b, "--- %s: as it is\n+++ %s: to be considered; run it yourself\n", h.Name, h.Name)
	want := sysctls()
	for _, name := range slices.Sorted(maps.Keys(want)) {
		now, err := strconv.ParseInt(h.Sysctl[name], 10, 64)
		least := want[name]
		if name == "vm.min_free_kbytes" && h.Memory.Total > 0 { // not more than a twentieth of the host
			least = min(least, h.Memory.Total>>10/20)
		}
		switch {
		case err != nil:
			fmt.Fprintf(&b, " # %s was not seen\n", name)
		case now < least:
			fmt.Fprintf(&b, "-%s = %d\n+%s = %d\n", name, now, name, least)
		}
	}
	if h.TrackedStorage > 0 {
		fmt.Fprintf(&b, " # %d connections between storage hosts are tracked: exempt them (raw table, NOTRACK)\n", h.TrackedStorage)
	}
	for _, n := range h.NICs {
		if n.CRCErrors > 0 {
			fmt.Fprintf(&b, " # %s (%s, firmware %s) has %d CRC errors: compare the firmware, then cable and optics\n", n.Name, n.Driver, n.Firmware, n.CRCErrors)
		}
		if h.TCP.ChecksumErrors > 0 {
			fmt.Fprintf(&b, "+ethtool -K %s rx off tx off   # segments come damaged (%d); to find out, and back again\n", n.Name, h.TCP.ChecksumErrors)
		}
	}
	return b.String()
}
