package bpdu

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
)

// Type is what kind of BPDU a frame has.
type Type string

// The types.
const (
	ConfigBPDU Type = "config" // IEEE 802.1D
	TCN        Type = "tcn"    // topology change notification
	RSTP       Type = "rstp"   // 802.1w
	MSTP       Type = "mstp"   // 802.1s
	SPT        Type = "spt"    // 802.1aq
	PVST       Type = "pvst"   // Cisco's PVST+ and Rapid PVST+, one for each VLAN
)

// A BPDU is what a frame of the spanning tree says.
type BPDU struct {
	Source, Destination string // MAC addresses
	Tags                []int  // VLANs of the frame's tags, outermost first
	Type                Type
	Version             int // protocol version of the BPDU
	TopologyChange      bool
	Root, Bridge        string // priority.MAC; empty in a TCN
	Cost                uint32
	Port                uint16
	VLAN                int // of PVST+: the VLAN that it speaks of; 0: not said
}

// ErrNotBPDU: the frame is not one of the spanning tree.
var ErrNotBPDU = errors.New("bpdu: not a BPDU")

// DecodeFrame reads an Ethernet frame, with any tags, as 802.1D-2004 clause 9
// has it: LLC 42-42-03 to the bridge group address, or SNAP 00-00-0c/010b of
// PVST+. The error is compatible with errors.Is(err, ErrNotBPDU) for any other
// frame, and says what is missing in one that was cut or lies about its length.
// gopacket's layers.STP does not read a TCN, which is 4 bytes.
func DecodeFrame(frame []byte) (BPDU, error) {
	if len(frame) < 14 {
		return BPDU{}, fmt.Errorf("%w: %d bytes", ErrNotBPDU, len(frame))
	}
	b := BPDU{Destination: net.HardwareAddr(frame[:6]).String(), Source: net.HardwareAddr(frame[6:12]).String()}
	rest := frame[12:]
	for isTag(binary.BigEndian.Uint16(rest)) {
		if len(rest) < 6 || len(b.Tags) == 8 {
			return BPDU{}, fmt.Errorf("%w: cut within its tags", ErrNotBPDU)
		}
		b.Tags = append(b.Tags, int(binary.BigEndian.Uint16(rest[2:])&0xfff))
		rest = rest[4:]
	}
	length := int(binary.BigEndian.Uint16(rest))
	rest = rest[2:]
	if length > 1500 {
		return BPDU{}, fmt.Errorf("%w: EtherType %#04x", ErrNotBPDU, length)
	}
	if length < len(rest) {
		rest = rest[:length] // what follows is padding
	}
	if llc, ok := bytes.CutPrefix(rest, []byte{0x42, 0x42, 0x03}); ok {
		return b, b.decode(llc)
	}
	if snap, ok := bytes.CutPrefix(rest, []byte{0xaa, 0xaa, 0x03, 0x00, 0x00, 0x0c, 0x01, 0x0b}); ok {
		err := b.decode(snap)
		b.Type = PVST
		b.VLAN = pvstVLAN(snap)
		return b, err
	}
	return BPDU{}, fmt.Errorf("%w: neither LLC 42 nor SNAP 010b", ErrNotBPDU)
}

// isTag: 802.1Q, 802.1ad and the older kind of QinQ.
func isTag(etherType uint16) bool {
	return etherType == 0x8100 || etherType == 0x88a8 || etherType == 0x9100
}

// decode reads the BPDU proper.
func (b *BPDU) decode(p []byte) error {
	if len(p) < 4 || p[0] != 0 || p[1] != 0 {
		return fmt.Errorf("%w: protocol identifier or length", ErrNotBPDU)
	}
	b.Version = int(p[2])
	switch p[3] {
	case 0x80:
		b.Type = TCN
		b.TopologyChange = true
		return nil
	case 0x00:
		b.Type = ConfigBPDU
	case 0x02:
		b.Type = map[int]Type{2: RSTP, 3: MSTP, 4: SPT}[b.Version]
		if b.Type == "" {
			return fmt.Errorf("%w: version %d", ErrNotBPDU, b.Version)
		}
	default:
		return fmt.Errorf("%w: type %#02x", ErrNotBPDU, p[3])
	}
	if len(p) < 35 {
		return fmt.Errorf("bpdu: %s BPDU of %s cut after %d bytes", b.Type, b.Source, len(p))
	}
	b.TopologyChange = p[4]&1 != 0
	b.Root, b.Bridge = bridgeID(p[5:13]), bridgeID(p[17:25])
	b.Cost, b.Port = binary.BigEndian.Uint32(p[13:17]), binary.BigEndian.Uint16(p[25:27])
	return nil
}

func bridgeID(p []byte) string {
	return fmt.Sprintf("%d.%s", binary.BigEndian.Uint16(p), net.HardwareAddr(p[2:8]))
}

// pvstVLAN reads the TLV at the end of a PVST+ BPDU: type 0, length 2, VLAN.
func pvstVLAN(p []byte) int {
	for _, at := range []int{36, 35} { // after RSTP's version 1 length, or after a config BPDU
		if len(p) >= at+6 && bytes.Equal(p[at:at+4], []byte{0, 0, 0, 2}) {
			return int(binary.BigEndian.Uint16(p[at+4:]))
		}
	}
	return 0
}
