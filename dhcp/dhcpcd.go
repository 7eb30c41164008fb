package dhcp

import "bytes"

// readDhcpcd reads what dhcpcd says, as of its src/dhcp.c at v9.4.1; what it
// says while debugging as well.
//
//	eth0: offered 10.2.0.21 from 10.2.0.1
//	eth0: leased 10.2.0.21 for 120 seconds
func readDhcpcd(l *logReader, m *message) bool {
	text := m.text
	if bytes.HasPrefix(text, []byte("dhcpcd-")) || bytes.HasPrefix(text, []byte("dhcpcd exited")) || bytes.HasPrefix(text, []byte("received SIG")) {
		m.Kind, m.Reason = Died, l.word(text)
		if text[6] == '-' { // dhcpcd-9.4.1 starting
			m.Kind, m.daemon = Began, true
		}
		return true
	}
	device, text, ok := bytes.Cut(text, []byte(": "))
	if !ok || len(device) == 0 || len(device) > 16 || bytes.ContainsRune(device, ' ') {
		return false
	}
	m.iface = device
	return l.dhcpcdOf(m, text)
}

func (l *logReader) dhcpcdOf(m *message, text []byte) bool {
	switch {
	case bytes.HasPrefix(text, []byte("renewing lease of ")):
		l.sends = Unicast
	case bytes.HasPrefix(text, []byte("soliciting")), bytes.Contains(text, []byte("rebinding")), bytes.HasPrefix(text, []byte("requesting lease of ")):
		l.sends = Broadcast
	}
	switch {
	case prefix(&text, "hardware address "):
		m.mac, m.note = first(parseMAC(field(&text))), true
	case prefix(&text, "soliciting a DHCP lease"):
		m.Kind, m.Cast = Discover, Broadcast
	case prefix(&text, "offered "):
		m.Kind = Offer
		m.addrFrom(text)
	case prefix(&text, "requesting lease of "), prefix(&text, "rebinding lease of "):
		m.Kind, m.Cast, m.Addr = Request, Broadcast, first(parseIPv4(field(&text)))
	case prefix(&text, "renewing lease of "):
		m.Kind, m.Cast, m.Addr = Request, Unicast, first(parseIPv4(field(&text)))
	case prefix(&text, "acknowledged "):
		m.Kind = Ack
		m.addrFrom(text)
	case prefix(&text, "leased "):
		m.Kind, m.Addr = Bound, first(parseIPv4(field(&text)))
		if rest, ok := after(text, "for "); ok {
			m.lease.Time = parseSeconds(field(&rest))
		}
	case prefix(&text, "sending "):
		return l.dhcpcdSent(m, text)
	case prefix(&text, "NAK"), prefix(&text, "Reject"):
		m.Kind, m.Reason = Nak, l.word(text)
	case prefix(&text, "DHCP lease expired"):
		m.Kind = Expired
	case prefix(&text, "failed to renew DHCP"), prefix(&text, "failed to rebind"), prefix(&text, "timed out"):
		m.Kind, m.Reason = GaveUp, l.word(m.text)
	case prefix(&text, "carrier lost"):
		m.Kind, m.Reason = SendFailed, "carrier lost"
	case prefix(&text, "checksum failure"), bytes.Contains(text, []byte("bad UDP checksum")), bytes.Contains(text, []byte("checksum failure")):
		m.Kind, m.Reason = BadChecksum, l.word(m.text)
	default:
		return false
	}
	return true
}

// addrFrom reads "10.2.0.21 from 10.2.0.1".
func (m *message) addrFrom(text []byte) {
	m.Addr, _ = parseIPv4(field(&text))
	if rest, ok := after(text, "from "); ok {
		m.Server, _ = parseIPv4(trim(bytes.Trim(field(&rest), "`'")))
	}
}

// dhcpcdSent reads "REQUEST (xid 0x5b3c), next in 3.9 seconds".
func (l *logReader) dhcpcdSent(m *message, text []byte) bool {
	kind, ok := kindOf(field(&text))
	if !ok {
		return false
	}
	m.Kind = kind
	if kind == Request { // as it said just before
		m.Cast = l.sends
	}
	if rest, ok := after(text, "xid "); ok {
		m.XID = parseXID(field(&rest))
	}
	return true
}

// first drops whether a value was there: its zero is not told.
func first[T any](v T, _ bool) T { return v }
