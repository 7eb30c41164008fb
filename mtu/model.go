package mtu

import (
	"fmt"
	"net/netip"
	"time"
)

// Kind is the kernel's own word for a kind of link ("vlan", "bond",
// "bridge", "veth", "tun", "vxlan", ...). A link without one is a physical
// device.
type Kind string

// The kinds that this package knows something about. Any other is kept and
// treated as one whose forwarding cannot be seen.
const (
	Physical    Kind = ""
	Loopback    Kind = "loopback"
	VLAN        Kind = "vlan"
	Bond        Kind = "bond"
	Team        Kind = "team"
	Bridge      Kind = "bridge"
	OpenVSwitch Kind = "openvswitch"
	Veth        Kind = "veth"
	Tun         Kind = "tun" // a tap or tun device
	Dummy       Kind = "dummy"
	Macvlan     Kind = "macvlan"
	Macvtap     Kind = "macvtap"
	IPvlan      Kind = "ipvlan"
	VRF         Kind = "vrf"
	VXLAN       Kind = "vxlan"
	Geneve      Kind = "geneve"
	GRE         Kind = "gre"
	GRETap      Kind = "gretap"
	ERSpan      Kind = "erspan"
	IP6GRE      Kind = "ip6gre"
	IP6GRETap   Kind = "ip6gretap"
	IPIP        Kind = "ipip"
	SIT         Kind = "sit"
	IP6Tunnel   Kind = "ip6tnl"
)

// Offload says whether a device takes a VLAN tag beside the data. The zero
// value is not known.
type Offload uint8

// The values of an Offload.
const (
	OffloadUnknown Offload = iota
	OffloadOff
	OffloadOn
)

// A Link is one network device of a host.
type Link struct {
	Name  string
	Index int
	Kind  Kind
	MTU   int // bytes of IP packet that it is said to take

	MinMTU, MaxMTU int // what the device permits; 0: not known or not bounded

	Up      bool // set up by the administrator
	Carrier bool // frames can pass; operstate UNKNOWN counts as up

	Parent    int    // index of the link it stands on; 0: none
	Peer      int    // of a veth: the other end's index, there
	Elsewhere bool   // parent or peer is in another network namespace
	PeerHost  string // of a veth: the Host that has the other end, if that is proven
	Master    int    // index of the bridge, bond or team it is a port of; 0: none

	Tag       Tag    // of a vlan
	Mode      string // of a bond
	Tunnel    Tunnel // of vxlan, geneve, gre and their kin
	TxVLAN    Offload
	Addresses []netip.Addr
}

// A Tag is a VLAN tag.
type Tag struct {
	ID       int
	Protocol string // "802.1Q" or "802.1ad"
}

func (t Tag) String() string {
	if t.Protocol != "" && t.Protocol != "802.1Q" {
		return fmt.Sprintf("%d (%s)", t.ID, t.Protocol)
	}
	return fmt.Sprint(t.ID)
}

// A Tunnel is what a tunnel's link tells of its outer packets.
type Tunnel struct {
	Local, Remote netip.Addr
	ID            int64 // VNI; -1: chosen packet by packet
	IPv6          bool  // the outer packet is IPv6
	Key, Sum      bool  // GRE
	External      bool  // remote and ID are chosen packet by packet
	EncapLimit    bool  // an IPv6 destination option of 8 bytes is added
}

// A Host is one host, or one network namespace of it, as it was seen.
type Host struct {
	Name   string
	Source string // where this was seen: a command, a file
	Links  []Link
	Unseen []string // what could not be seen there
}

// A Port names a link of a host.
type Port struct{ Host, Link string }

func (p Port) String() string {
	if p.Host == "" {
		return p.Link
	}
	return p.Host + "/" + p.Link
}

// A Wire is what a port is connected to. Without it nothing is known beyond
// the port.
type Wire struct {
	From Port
	To   Port // the port at the other end, or behind the switch; zero: not said
	// Frame is the largest frame that the switch in between takes, in bytes
	// with the Ethernet header (14) and tags, without the check sequence.
	// 0: not known.
	Frame  int
	Source string
}

// A Snapshot is everything that was seen. It is plain data; give Check what
// there is and leave out the rest.
type Snapshot struct {
	Taken    time.Time
	Hosts    []Host
	Wires    []Wire
	Configs  []Config
	Networks []Network
	Captures []Capture // of pings, in the order in which a packet passes the points
	Probes   []Report
	From     []Port   // judge only paths that begin here; empty: all
	Unseen   []string // what could not be seen, for example a file
}

// Settings of one host, or of the controllers, that decide about MTUs. A
// zero Setting was not set.
type Config struct {
	Host string // to whose links it applies; empty: to all hosts

	VLANInterface []Setting // nova.conf: vlan_interface, flat_interface
	Mappings      []Mapping // physical_interface_mappings, bridge_mappings

	GlobalPhysnetMTU Setting // neutron.conf; neutron's default is 1500
	PathMTU          Setting // [ml2] path_mtu; 0 is "not set"
	PhysnetMTUs      Setting // [ml2] physical_network_mtus
	OverlayIPVersion Setting // [ml2] overlay_ip_version
	GeneveHeader     Setting // [ml2_type_geneve] max_header_size
	MechanismDrivers Setting // [ml2] mechanism_drivers
}

// A Setting is one line of a configuration file.
type Setting struct {
	Section, Key, Value string
	Source              string // file:line
}

// Set reports whether the setting was made at all.
func (s Setting) Set() bool { return s.Key != "" }

func (s Setting) String() string {
	if !s.Set() {
		return "(not set)"
	}
	return fmt.Sprintf("%s: [%s] %s = %s", s.Source, s.Section, s.Key, s.Value)
}

// A Mapping sends a physical network to an interface or a bridge.
type Mapping struct {
	Physnet, Interface string
	Setting            Setting
}

// A Network is a Neutron network, as GET /v2.0/networks tells it.
type Network struct {
	ID, Name string
	MTU      int
	Segments []Segment // empty: the caller may not see them
}

// A Segment is where a network lives.
type Segment struct {
	Type    string // flat, vlan, vxlan, gre, geneve, local
	Physnet string
	ID      int // VLAN ID or VNI
}
