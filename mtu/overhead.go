package mtu

// Sizes in bytes. They are those of the kernel's include/net/vxlan.h,
// geneve.h, ip_tunnels.h and of neutron-lib's constants.
const (
	etherHeader = 14
	tagBytes    = 4
	ipv4Header  = 20
	ipv6Header  = 40
	udpHeader   = 8
	vxlanHeader = 8
	geneveBase  = 8
	greHeader   = 4
	ovnGeneve   = 38 // [ml2_type_geneve] max_header_size that OVN asks for: UDP, geneve and its options, inner Ethernet
)

// IsTunnel reports whether links of this kind put packets into packets.
func (k Kind) IsTunnel() bool {
	switch k {
	case VXLAN, Geneve, GRE, GRETap, ERSpan, IP6GRE, IP6GRETap, IPIP, SIT, IP6Tunnel:
		return true
	}
	return false
}

// Overhead returns how many bytes a tunnel adds to an inner IP packet: outer
// IP header, tunnel header and, where frames are carried, the inner Ethernet
// header; inner tags are not counted. It returns 0 for other kinds.
func (l *Link) Overhead() int {
	outer := ipv4Header
	if l.Tunnel.IPv6 {
		outer = ipv6Header
	}
	switch l.Kind {
	case VXLAN:
		return outer + udpHeader + vxlanHeader + etherHeader
	case Geneve:
		return outer + udpHeader + geneveBase + etherHeader
	case GRE:
		return ipv4Header + l.Tunnel.gre()
	case GRETap:
		return ipv4Header + l.Tunnel.gre() + etherHeader
	case ERSpan: // GRE with sequence number, the ERSPAN header, the inner frame
		return ipv4Header + 8 + 8 + etherHeader
	case IP6GRE:
		return ipv6Header + l.Tunnel.gre() + l.Tunnel.limit()
	case IP6GRETap:
		return ipv6Header + l.Tunnel.gre() + l.Tunnel.limit() + etherHeader
	case IPIP, SIT:
		return ipv4Header
	case IP6Tunnel:
		return ipv6Header + l.Tunnel.limit()
	}
	return 0
}

func (t Tunnel) gre() int {
	n := greHeader
	if t.Key {
		n += 4
	}
	if t.Sum {
		n += 4
	}
	return n
}

func (t Tunnel) limit() int {
	if t.EncapLimit {
		return 8
	}
	return 0
}
