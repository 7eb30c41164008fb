package bpdu

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Host is what the kernel of a compute node says.
type Host struct {
	Name  string
	Links []Link
	// Family is where filters stand, or would: empty, not known.
	Family Family
	// Table is our own table, nil if there is none.
	Table *Table
	// OVS is what Open vSwitch says, nil: it was not asked.
	OVS *OVS
	// Others are the tables of others in the netdev and bridge families.
	// What their rules do is not judged.
	Others []OtherTable
	Unseen []string // what the kernel did not tell: no CAP_NET_ADMIN
}

// A Link is a network device.
type Link struct {
	Index  int
	Name   string
	Kind   string // "" is hardware; else bridge, bond, vlan, vxlan, tun, veth, macvtap, openvswitch ...
	MAC    string
	Alias  string
	Master string // its bridge or bond
	Lower  int    // index of the device below, where that is in the same namespace
	Loop   bool
	Ether  bool
	Admin  bool // set up
	// Carrier, or for devices that know none: set up.
	Carrier      bool
	CarrierDowns uint32 // how often the carrier was lost since boot

	STP   bool // of a bridge: the kernel's spanning tree is on
	Guard bool // of a bridge's port: BPDU guard
	State string
}

// Link returns the device of a name.
func (h *Host) Link(name string) (Link, bool) {
	i := slices.IndexFunc(h.Links, func(l Link) bool { return l.Name == name })
	if i < 0 {
		return Link{}, false
	}
	return h.Links[i], true
}

// ports returns the devices below a bridge or bond.
func (h *Host) ports(master string) []Link {
	var out []Link
	for _, l := range h.Links {
		if l.Master == master && master != "" {
			out = append(out, l)
		}
	}
	return out
}

// IsTap reports whether an instance is behind the device: a tap of kind tun,
// or a veth that Neutron or libvirt named as one.
func (l Link) IsTap() bool {
	if !l.Ether {
		return false
	}
	switch l.Kind {
	case "tun":
		return true
	case "veth":
		return strings.HasPrefix(l.Name, "tap") || strings.HasPrefix(l.Name, "vnet")
	}
	return false
}

// Uplinks of a bridge are the ports by which frames leave the host: hardware,
// bonds, VLANs and tunnels. A tap is none, whatever it is called.
func (h *Host) uplinks(bridge string) []Link {
	return slices.DeleteFunc(h.ports(bridge), func(l Link) bool { return !l.leaves() })
}

// leaves reports whether frames leave the host by the device.
func (l Link) leaves() bool {
	switch l.Kind {
	case "", "bond", "team", "vlan", "vxlan", "geneve", "gretap", "ip6gretap":
		return true
	case "veth":
		return !l.IsTap()
	}
	return false
}

// A Table is what stands in our own table.
type Table struct {
	Foreign string // why it is not ours although it is called so; empty: it is
	Taps    []TapFilter
	Seen    []Counter
}

// A TapFilter is the filter of one tap.
type TapFilter struct {
	Tap     string
	Packets uint64 // BPDUs dropped
	Bytes   uint64
	Fault   string // why it does not filter; empty: it does
}

// A Counter counts the BPDUs of one source at one tap.
type Counter struct {
	Tap     string // empty: the device is gone
	MAC     string
	Packets uint64
	Bytes   uint64
	Idle    time.Duration // since the last one
}

// An OtherTable is a table of somebody else.
type OtherTable struct {
	Family string // netdev or bridge
	Name   string
	Chains int
}

// filter returns the filter of a tap.
func (t *Table) filter(tap string) (TapFilter, bool) {
	if t == nil || t.Foreign != "" {
		return TapFilter{}, false
	}
	i := slices.IndexFunc(t.Taps, func(f TapFilter) bool { return f.Tap == tap })
	if i < 0 {
		return TapFilter{}, false
	}
	return t.Taps[i], true
}

// names of the taps in the table, sorted.
func (t *Table) names() []string {
	if t == nil {
		return nil
	}
	var out []string
	for _, f := range t.Taps {
		out = append(out, f.Tap)
	}
	slices.Sort(out)
	return out
}

// Filtered says in a few words whether a tap is filtered by our table.
func (h *Host) Filtered(tap string) string {
	f, ok := h.Table.filter(tap)
	switch {
	case len(h.Unseen) > 0 && h.Table == nil:
		return "not known"
	case !ok:
		return "not filtered"
	case f.Fault != "":
		return "not filtered: " + f.Fault
	}
	return fmt.Sprintf("filtered, %d BPDUs dropped", f.Packets)
}
