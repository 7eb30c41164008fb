package mtu

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// A Capture is what one point saw of the pings that went by.
type Capture struct {
	Point  string // its name: outside, controller, compute, instance
	Source string
	Pings  []Sighting
	Cut    bool // the file ends in the middle of a packet
	Other  int  // packets that are no ping
}

// A Sighting is one echo request or reply at one point.
type Sighting struct {
	Ping  Ping
	At    time.Time
	Frame int   // bytes on the wire, with Ethernet header and tags
	IP    int   // bytes of the IP packet
	Tags  []Tag // the outermost first
}

// A Ping names one message of one ping.
type Ping struct {
	From, To netip.Addr
	ID, Seq  uint16
	Reply    bool
}

// MaxPings is how many pings of one capture are held.
const MaxPings = 1 << 18

// ReadCapture reads a capture file in the pcap or pcapng form, of Ethernet.
// What is cut in the middle is kept up to there, with Cut set. A file of
// another kind is an error.
//
// Each packet is decoded as far as its ICMP header; fragments after the first
// are other packets.
func ReadCapture(r io.Reader, point, source string) (Capture, error) {
	c := Capture{Point: point, Source: source}
	read, err := openCapture(r)
	if err != nil {
		return c, fmt.Errorf("mtu: %s: %w", source, err)
	}
	for len(c.Pings) < MaxPings {
		data, info, err := read()
		switch {
		case errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
			return c, nil
		case err != nil: // cut, or damaged from here on
			c.Cut = true
			return c, nil
		}
		s, ok := sight(data, info)
		if !ok {
			c.Other++
			continue
		}
		c.Pings = append(c.Pings, s)
	}
	return c, fmt.Errorf("mtu: %s: more than %d pings", source, MaxPings)
}

type readPacket func() ([]byte, gopacket.CaptureInfo, error)

func openCapture(r io.Reader) (readPacket, error) {
	b := bufio.NewReader(r)
	magic, err := b.Peek(4)
	if err != nil {
		return nil, fmt.Errorf("no capture: %w", cut(err))
	}
	if binary.BigEndian.Uint32(magic) == 0x0a0d0d0a {
		n, err := pcapgo.NewNgReader(b, pcapgo.DefaultNgReaderOptions)
		if err != nil {
			return nil, cut(err)
		}
		return n.ReadPacketData, ethernet(n.LinkType())
	}
	p, err := pcapgo.NewReader(b)
	if err != nil {
		return nil, cut(err)
	}
	return p.ReadPacketData, ethernet(p.LinkType())
}

func ethernet(t layers.LinkType) error {
	if t != layers.LinkTypeEthernet {
		return fmt.Errorf("captured on a link of type %v, not Ethernet (tcpdump -i any writes such files: name the link)", t)
	}
	return nil
}

const (
	typeIPv4 = 0x0800
	typeIPv6 = 0x86dd
	typeTag  = 0x8100
	typeSTag = 0x88a8
)

// sight decodes a frame down to its ping.
func sight(b []byte, info gopacket.CaptureInfo) (Sighting, bool) {
	s := Sighting{At: info.Timestamp, Frame: info.Length}
	if len(b) < etherHeader {
		return s, false
	}
	next := binary.BigEndian.Uint16(b[12:])
	b = b[etherHeader:]
	for (next == typeTag || next == typeSTag) && len(b) >= tagBytes {
		t := Tag{ID: int(binary.BigEndian.Uint16(b) & 0xfff), Protocol: "802.1Q"}
		if next == typeSTag {
			t.Protocol = "802.1ad"
		}
		s.Tags = append(s.Tags, t)
		next = binary.BigEndian.Uint16(b[2:])
		b = b[tagBytes:]
	}
	switch next {
	case typeIPv4:
		return s, s.ipv4(b)
	case typeIPv6:
		return s, s.ipv6(b)
	}
	return s, false
}

func (s *Sighting) ipv4(b []byte) bool {
	const icmp = 1
	if len(b) < ipv4Header || b[0]>>4 != 4 || b[9] != icmp {
		return false
	}
	header := int(b[0]&0xf) * 4
	if fragment := binary.BigEndian.Uint16(b[6:]) & 0x1fff; fragment != 0 || header < ipv4Header || len(b) < header {
		return false
	}
	s.IP = int(binary.BigEndian.Uint16(b[2:]))
	s.Ping.From, s.Ping.To = netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))
	return s.echo(b[header:], 8, 0)
}

func (s *Sighting) ipv6(b []byte) bool {
	const icmp = 58
	if len(b) < ipv6Header || b[0]>>4 != 6 || b[6] != icmp {
		return false
	}
	s.IP = ipv6Header + int(binary.BigEndian.Uint16(b[4:]))
	s.Ping.From, s.Ping.To = netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40]))
	return s.echo(b[ipv6Header:], 128, 129)
}

func (s *Sighting) echo(b []byte, request, reply byte) bool {
	if len(b) < 8 || b[0] != request && b[0] != reply {
		return false
	}
	s.Ping.Reply = b[0] == reply
	s.Ping.ID, s.Ping.Seq = binary.BigEndian.Uint16(b[4:]), binary.BigEndian.Uint16(b[6:])
	return true
}
