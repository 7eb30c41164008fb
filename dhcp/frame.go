package dhcp

import (
	"encoding/binary"
	"time"

	"github.com/gopacket/gopacket/layers"
)

// A frame is what is looked at of one: its ends, and where its IP begins.
type frame struct {
	at       time.Time
	cut      bool // the capture has its beginning alone
	tagged   bool
	src, dst MAC // dst zero: a link type that does not tell it
	kind     uint16
	ip       []byte // what follows the type
	udp      []byte // of DHCP: from the UDP header on
	size     int
}

// The types of Ethernet that matter.
const (
	typeIPv4 = 0x0800
	typeARP  = 0x0806
	typeIPv6 = 0x86dd
)

// ethernet reads the head of a frame, through VLAN tags.
func (f *frame) ethernet(b []byte, link layers.LinkType) bool {
	f.size = len(b)
	switch link {
	case layers.LinkTypeEthernet:
		if len(b) < 14 {
			return false
		}
		copy(f.dst[:], b)
		copy(f.src[:], b[6:])
		f.kind, f.ip = binary.BigEndian.Uint16(b[12:]), b[14:]
	case layers.LinkTypeLinuxSLL: // tcpdump -i any
		if len(b) < 16 {
			return false
		}
		copy(f.src[:], b[6:12])
		f.kind, f.ip = binary.BigEndian.Uint16(b[14:]), b[16:]
	case layers.LinkTypeLinuxSLL2:
		if len(b) < 20 {
			return false
		}
		copy(f.src[:], b[12:18])
		f.kind, f.ip = binary.BigEndian.Uint16(b), b[20:]
	default:
		return false
	}
	return f.untag()
}

func (f *frame) untag() bool {
	for f.kind == 0x8100 || f.kind == 0x88a8 || f.kind == 0x9100 {
		if len(f.ip) < 4 {
			return false
		}
		f.tagged = true
		f.kind, f.ip = binary.BigEndian.Uint16(f.ip[2:]), f.ip[4:]
	}
	return true
}

type class int

const (
	isOther class = iota
	isDHCP
	isV6
	isRA
	isUnreachable
)

// class tells what the frame is, without reading more of it than needed.
func (f *frame) class() class {
	b := f.ip
	switch f.kind {
	case typeIPv4:
		return f.classIPv4(b)
	case typeIPv6:
		return classIPv6(b)
	}
	return isOther
}

func (f *frame) classIPv4(b []byte) class {
	if len(b) < 20 || b[0]>>4 != 4 {
		return isOther
	}
	head := int(b[0]&15) * 4
	if head < 20 || len(b) < head+8 || b[6]&0x1f != 0 || b[7] != 0 { // a later fragment has no ports
		return isOther
	}
	// Ethernet pads short frames.
	if total := int(binary.BigEndian.Uint16(b[2:])); total >= head+8 && total < len(b) {
		b = b[:total]
	}
	rest := b[head:]
	switch b[9] {
	case 17:
		if dhcpPorts(rest) {
			f.udp = rest
			return isDHCP
		}
	case 1:
		if rest[0] == 3 && rest[1] == 3 && toServer(rest[8:]) {
			return isUnreachable
		}
	}
	return isOther
}

func dhcpPorts(udp []byte) bool {
	from, to := binary.BigEndian.Uint16(udp), binary.BigEndian.Uint16(udp[2:])
	return (from == 67 || from == 68) && (to == 67 || to == 68)
}

// toServer reports whether what an ICMP error quotes went to a DHCP server.
func toServer(b []byte) bool {
	if len(b) < 28 || b[0]>>4 != 4 || b[9] != 17 {
		return false
	}
	head := int(b[0]&15) * 4
	return len(b) >= head+4 && head >= 20 && binary.BigEndian.Uint16(b[head+2:]) == 67
}

// classIPv6 recognises DHCPv6 and router advertisements, in packets without
// extension headers.
func classIPv6(b []byte) class {
	if len(b) < 48 {
		return isOther
	}
	switch rest := b[40:]; {
	case b[6] == 17:
		if p := binary.BigEndian.Uint16(rest[2:]); p == 546 || p == 547 {
			return isV6
		}
	case b[6] == 58 && rest[0] == 134:
		return isRA
	}
	return isOther
}
