package dhcp

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/stackmend/stackmend/internal/logtail"
)

// Host is what a compute or network node says of the known culprits.
type Host struct {
	Name    string
	Taps    []Tap
	Guests  []Guest
	Dnsmasq []Process
	Unseen  []string
}

// Tap is a link with its counters, as of Documentation/ABI/testing/sysfs-class-net-statistics
// of Linux. TX is towards the instance: dropped there is what the instance did
// not read.
type Tap struct {
	Name                 string
	TXPackets, TXDropped uint64
	RXPackets, RXDropped uint64
}

// Guest is a running qemu.
type Guest struct {
	PID     int
	Name    string // libvirt's
	UUID    string
	Version string // as libvirt's log tells; empty: not told
	MACs    []MAC
	Virtio  bool
	VHost   bool // frames go by the kernel, past qemu
}

// Process is a running dnsmasq.
type Process struct {
	PID  int
	Args []string
}

// ObserveHost reads a node's /proc, /sys and libvirt's logs below root:
// os.DirFS("/"), or a copy of them. What cannot be read is in Host.Unseen.
func ObserveHost(ctx context.Context, root fs.FS, name string) (*Host, error) {
	h := &Host{Name: name}
	if err := h.processes(ctx, root); err != nil {
		return nil, err
	}
	h.taps(root)
	for i := range h.Guests {
		h.version(ctx, root, &h.Guests[i])
	}
	return h, ctx.Err()
}

// processes finds qemu and dnsmasq by their command lines.
func (h *Host) processes(ctx context.Context, root fs.FS) error {
	entries, err := fs.ReadDir(root, "proc")
	if err != nil {
		return fmt.Errorf("dhcp: %w", err)
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		b, err := fs.ReadFile(root, path.Join("proc", e.Name(), "cmdline"))
		if err != nil || len(b) == 0 {
			continue // it ended, or is the kernel's
		}
		h.process(pid, strings.Split(strings.TrimRight(string(b), "\x00"), "\x00"))
	}
	return nil
}

func (h *Host) process(pid int, args []string) {
	switch base := path.Base(args[0]); {
	case base == "dnsmasq":
		h.Dnsmasq = append(h.Dnsmasq, Process{pid, args})
	case strings.HasPrefix(base, "qemu-system-") || base == "qemu-kvm" || base == "kvm":
		h.Guests = append(h.Guests, guest(pid, args))
	}
}

// guest reads the command line of a qemu.
func guest(pid int, args []string) Guest {
	g := Guest{PID: pid}
	for i, a := range args {
		value := ""
		if i+1 < len(args) {
			value = args[i+1]
		}
		switch a {
		case "-name":
			first, _, _ := strings.Cut(value, ",")
			g.Name = strings.TrimPrefix(first, "guest=")
		case "-uuid":
			g.UUID = value
		case "-netdev":
			g.VHost = g.VHost || strings.Contains(value, "vhost=on") || strings.Contains(value, `"vhost":true`)
		case "-device":
			g.device(value)
		}
	}
	return g
}

// device reads a network card: driver,...,mac=..., or the same as JSON.
func (g *Guest) device(value string) {
	for _, key := range []string{"mac=", `"mac":"`} {
		if _, rest, ok := strings.Cut(value, key); ok && len(rest) >= 17 {
			if m, err := ParseMAC(rest[:17]); err == nil && !slices.Contains(g.MACs, m) {
				g.MACs = append(g.MACs, m)
				g.Virtio = g.Virtio || strings.Contains(value, "virtio-net")
			}
		}
	}
}

// taps reads the counters of the links of instances.
func (h *Host) taps(root fs.FS) {
	entries, err := fs.ReadDir(root, "sys/class/net")
	if err != nil {
		h.Unseen = append(h.Unseen, fmt.Sprintf("the counters of taps: %v", err))
		return
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), "tap") && !strings.HasPrefix(e.Name(), "vnet") {
			continue
		}
		t := Tap{Name: e.Name()}
		for file, n := range map[string]*uint64{"tx_packets": &t.TXPackets, "tx_dropped": &t.TXDropped, "rx_packets": &t.RXPackets, "rx_dropped": &t.RXDropped} {
			b, err := fs.ReadFile(root, path.Join("sys/class/net", e.Name(), "statistics", file))
			if err == nil {
				*n, err = strconv.ParseUint(string(bytes.TrimSpace(b)), 10, 64)
			}
			if err != nil {
				h.Unseen = append(h.Unseen, fmt.Sprintf("%s of %s: %v", file, e.Name(), err))
			}
		}
		h.Taps = append(h.Taps, t)
	}
}

// version finds the newest start of the guest in libvirt's log of it: "qemu
// version: 7.2.9...".
func (h *Host) version(ctx context.Context, root fs.FS, g *Guest) {
	if g.Name == "" || strings.ContainsAny(g.Name, "/\\") {
		return
	}
	r, err := logtail.Open(ctx, root, "var/log/libvirt/qemu/"+g.Name+".log", logtail.Options{Match: []string{"qemu version: "}, MaxLine: maxLine})
	if err != nil {
		h.Unseen = append(h.Unseen, fmt.Sprintf("the version of qemu of %s: %v", g.Name, err))
		return
	}
	defer r.Close()
	for line := range r.Lines() {
		rest, _ := after(line.Text, "qemu version: ")
		g.Version = string(bytes.ToValidUTF8(trim(field(&rest)), nil))
	}
}
