package dhcp

import "bytes"

// readUdhcpc reads what busybox's udhcpc says, as of
// networking/udhcp/dhcpc.c at 1_35_0 and as older ones say it.
//
//	broadcasting select for 10.2.0.21, server 10.2.0.1
//	lease of 10.2.0.21 obtained from 10.2.0.1, lease time 120
func readUdhcpc(l *logReader, m *message) bool {
	text := m.text
	switch {
	case prefix(&text, "started, v"):
		m.Kind, m.daemon = Began, true
	case prefix(&text, "broadcasting discover"), prefix(&text, "sending discover"), prefix(&text, "Sending discover"):
		m.Kind, m.Cast = Discover, Broadcast
	case prefix(&text, "broadcasting select for "), prefix(&text, "sending select for "), prefix(&text, "Sending select for "):
		m.Kind, m.Cast = Request, Broadcast
		m.Addr, _ = parseIPv4(trim(bytes.TrimSuffix(field(&text), []byte("..."))))
	case prefix(&text, "sending renew to "), prefix(&text, "Sending renew"), prefix(&text, "unicasting renew"):
		m.Kind, m.Cast = Request, Unicast
		prefix(&text, "server ")
		m.Server, _ = parseIPv4(trim(field(&text)))
	case prefix(&text, "broadcasting renew"), prefix(&text, "sending rebind"):
		m.Kind, m.Cast = Request, Broadcast
	case prefix(&text, "lease of "), prefix(&text, "Lease of "):
		m.udhcpcLease(text)
	default:
		return l.udhcpcTrouble(m, text)
	}
	return true
}

func (m *message) udhcpcLease(text []byte) {
	m.Kind = Bound
	m.Addr, _ = parseIPv4(field(&text))
	if rest, ok := after(text, "from "); ok {
		m.Server, _ = parseIPv4(trim(field(&rest)))
	}
	if rest, ok := after(text, "lease time "); ok {
		m.lease.Time = parseSeconds(field(&rest))
	}
}

func (l *logReader) udhcpcTrouble(m *message, text []byte) bool {
	switch {
	case prefix(&text, "no lease"), prefix(&text, "No lease"):
		m.Kind, m.Reason = GaveUp, l.word(m.text)
	case prefix(&text, "lease lost"), prefix(&text, "Lease lost"):
		m.Kind = Expired
	case bytes.Contains(text, []byte("DHCP NAK")):
		m.Kind = Nak
	case prefix(&text, "received SIG"), prefix(&text, "Received SIG"):
		m.Kind, m.Reason = Died, l.word(m.text)
	case bytes.Contains(text, []byte("checksum")):
		m.Kind, m.Reason = BadChecksum, l.word(m.text)
	case bytes.Contains(text, []byte("Network is down")), bytes.Contains(text, []byte("Network is unreachable")):
		m.Kind, m.Reason = SendFailed, l.word(m.text)
	default:
		return false
	}
	return true
}
