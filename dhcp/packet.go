package dhcp

import (
	"encoding/binary"
	"encoding/hex"
	"time"
)

// packet is what is read of a message of DHCP. [dhcpv4.FromBytes] reads whole
// ones only; captures have them cut and malformed too, and what stands before
// that is evidence. A test holds this reader to the other.
//
// [dhcpv4.FromBytes]: https://pkg.go.dev/github.com/insomniacslk/dhcp/dhcpv4#FromBytes
type packet struct {
	reply            bool
	kind             Kind
	xid              uint32
	ciaddr, yiaddr   IPv4
	giaddr           IPv4
	mac              MAC
	server, asked    IPv4
	lease, t1, t2    uint32 // seconds
	name, id, reason []byte
	flags            Flags
}

var messageKinds = [...]Kind{1: Discover, 2: Offer, 3: Request, 4: Decline, 5: Ack, 6: Nak, 7: Release, 8: Inform}

// headLen is the length of what stands before the options, with the cookie.
const headLen = 240

// parsePacket reads a message as of RFC 2131. It reports false if the client
// or the kind is not told.
func parsePacket(b []byte) (p packet, ok bool) {
	if len(b) < 44 || b[0] != 1 && b[0] != 2 || b[1] != 1 || b[2] != 6 {
		return p, false
	}
	p.reply = b[0] == 2
	p.xid = binary.BigEndian.Uint32(b[4:])
	copy(p.ciaddr[:], b[12:])
	copy(p.yiaddr[:], b[16:])
	copy(p.giaddr[:], b[24:])
	copy(p.mac[:], b[28:])
	if p.giaddr != (IPv4{}) {
		p.flags |= Relayed
	}
	if len(b) < headLen {
		p.flags |= Truncated
		return p, false // the kind is an option
	}
	if binary.BigEndian.Uint32(b[236:]) != 0x63825363 {
		return p, false // BOOTP
	}
	p.options(b[headLen:])
	return p, p.kind != 0
}

// options reads them up to where they are cut.
func (p *packet) options(b []byte) {
	for len(b) > 0 {
		code := b[0]
		if code == 255 {
			return
		}
		if code == 0 {
			b = b[1:]
			continue
		}
		if len(b) < 2 || len(b) < 2+int(b[1]) {
			break
		}
		p.option(code, b[2:2+int(b[1])])
		b = b[2+int(b[1]):]
	}
	p.flags |= Malformed // without their end
}

func (p *packet) option(code byte, v []byte) {
	switch code {
	case 53:
		if len(v) == 1 && int(v[0]) < len(messageKinds) {
			p.kind = messageKinds[v[0]]
		}
	case 54:
		address(&p.server, v)
	case 50:
		address(&p.asked, v)
	case 51:
		p.lease = seconds(v)
	case 58:
		p.t1 = seconds(v)
	case 59:
		p.t2 = seconds(v)
	case 12:
		p.name = v
	case 61:
		p.id = v
	case 56:
		p.reason = v
	}
}

func address(a *IPv4, v []byte) {
	if len(v) == 4 {
		copy(a[:], v)
	}
}

// seconds reads a time; infinite ones are as if not told.
func seconds(v []byte) uint32 {
	if len(v) != 4 || binary.BigEndian.Uint32(v) == 1<<32-1 {
		return 0
	}
	return binary.BigEndian.Uint32(v)
}

// addr is the address that the message is about.
func (p *packet) addr() IPv4 {
	for _, a := range []IPv4{p.yiaddr, p.asked, p.ciaddr} {
		if a != (IPv4{}) {
			return a
		}
	}
	return IPv4{}
}

// again is how soon a frame that is there twice (tcpdump -i any, a relay)
// comes again. Clients wait longer.
const again = 400 * time.Millisecond

// dhcp notes a message.
func (c *capture) dhcp(f *frame) {
	p, ok := parsePacket(f.udp[8:])
	if !ok {
		c.trace.Unread++
		return
	}
	t := c.client(p.mac)
	if t == nil {
		c.full++
		return
	}
	e := Event{Time: f.at, Number: c.trace.Units, XID: p.xid, Addr: p.addr(), Server: p.server, Kind: p.kind, Lease: inSeconds(p.lease),
		Cast: p.cast(f), Flags: p.flags | f.flags(p.reply)}
	if p.giaddr == (IPv4{}) && !p.reply {
		c.flow(p.mac).sent(f)
	}
	if c.repeats(t, &e) {
		return
	}
	if fl := c.flow(p.mac); fl != nil {
		e.Before = fl.before()
	}
	if p.kind == Request {
		c.minute.add(f.at)
	}
	c.tell(t, &e, &p)
	c.add(t, e)
}

// tell notes what the message says of its client.
func (c *capture) tell(t *station, e *Event, p *packet) {
	if !p.reply {
		e.Who = c.who(t, hostNames, p.name)
		if len(p.id) > 0 {
			c.who(t, clientIDs, hex.AppendEncode(c.hex[:0], p.id))
		}
		return
	}
	if p.kind == Nak {
		e.Reason = c.word(p.reason)
	}
	if p.kind == Ack && p.lease > 0 {
		t.addr, t.server, t.given, t.lease = e.Addr, p.server, keptTime(e.Time), times{p.lease, p.t1, p.t2}
	}
}

// repeats reports whether the capture has this message already.
func (c *capture) repeats(t *station, e *Event) bool {
	for i := range min(int(t.n), 4) {
		o := t.fromEnd(c.events, i)
		if e.Time.Sub(o.time()) > again {
			return false
		}
		if o.kind == e.Kind && o.xid == e.XID && c.serverOf(o) == e.Server && o.addr == e.Addr && (o.cast == e.Cast || e.Flags&Relayed != 0) {
			return true
		}
	}
	return false
}

func (c *capture) serverOf(k *kept) IPv4 {
	t, _ := c.events.detailOf(k)
	return t.server
}

// cast tells how the client's message was addressed. What a relay passes on it
// has had as a broadcast, though it sends it on as a unicast of its own.
func (p *packet) cast(f *frame) Cast {
	switch {
	case p.giaddr == (IPv4{}):
		return f.cast()
	case p.reply:
		return CastUnknown
	}
	return Broadcast
}

// cast tells how the packet is addressed.
func (f *frame) cast() Cast {
	if f.ip[16] == 255 || f.dst[0]&1 == 1 {
		return Broadcast
	}
	return Unicast
}

// flags are what is to be said of the frame. Only answers are summed: what a
// host sends itself is summed by its card, after the capture.
func (f *frame) flags(reply bool) (fl Flags) {
	if f.tagged {
		fl |= Tagged
	}
	whole := len(f.udp) >= 8 && len(f.udp) >= int(binary.BigEndian.Uint16(f.udp[4:]))
	if f.cut || !whole {
		return fl | Truncated
	}
	if reply {
		fl |= f.checksum()
	}
	return fl
}

// checksum judges the UDP checksum of a whole packet.
func (f *frame) checksum() Flags {
	n := int(binary.BigEndian.Uint16(f.udp[4:]))
	told := binary.BigEndian.Uint16(f.udp[6:])
	if told == 0 || n < 8 { // not used
		return 0
	}
	pseudo := sum(sum(uint64(17+n), f.ip[12:20]), nil)
	if fold(pseudo) == told {
		return PartialChecksum
	}
	if fold(sum(pseudo, f.udp[:n])) != 0xffff {
		return WrongChecksum
	}
	return 0
}

// sum adds up 16 bits at a time.
func sum(s uint64, b []byte) uint64 {
	for len(b) >= 8 {
		v := binary.BigEndian.Uint64(b)
		s += v>>48 + v>>32&0xffff + v>>16&0xffff + v&0xffff
		b = b[8:]
	}
	for ; len(b) >= 2; b = b[2:] {
		s += uint64(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		s += uint64(b[0]) << 8
	}
	return s
}

func fold(s uint64) uint16 {
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}
