package dhcp

import (
	"bytes"
)

// readDhclient reads what ISC dhclient says, as of its client/dhclient.c at
// v4_4_3 and as older ones say it, and the reasons of its script.
//
//	DHCPREQUEST for 10.2.0.21 on eth0 to 10.2.0.1 port 67 (xid=0x5b3c)
//	DHCPACK of 10.2.0.21 from 10.2.0.1
//	bound to 10.2.0.21 -- renewal in 56 seconds.
func readDhclient(l *logReader, m *message) bool {
	text := m.text
	if prefix(&text, "DHCP") {
		return readDhclientMessage(m, text)
	}
	switch {
	case prefix(&text, "bound to "):
		m.Kind = Bound
		m.Addr, _ = parseIPv4(trim(field(&text)))
		if rest, ok := after(text, "renewal in "); ok {
			m.lease.T1 = parseSeconds(field(&rest))
		}
	case prefix(&text, "Listening on "), prefix(&text, "Sending on "):
		return readDhclientDevice(m, text)
	case prefix(&text, "No DHCPOFFERS received"), prefix(&text, "No working leases"), prefix(&text, "Unable to obtain a lease"):
		m.Kind, m.Reason = GaveUp, l.word(m.text)
	case prefix(&text, "reason="):
		return readDhclientReason(m, text)
	case prefix(&text, "Internet Systems Consortium DHCP Client"):
		m.Kind, m.daemon = Began, true
	case bytes.Contains(text, []byte("bad udp checksums")), bytes.Contains(text, []byte("bad IP checksums")):
		m.Kind, m.Reason = BadChecksum, l.word(text)
	case prefix(&text, "send_packet: "), prefix(&text, "receive_packet failed"), bytes.Contains(text, []byte("Network is down")):
		m.Kind, m.Reason = SendFailed, l.word(m.text)
	case prefix(&text, "exiting"), prefix(&text, "Received signal"), prefix(&text, "Killed old client"):
		m.Kind, m.Reason = Died, l.word(m.text)
	default:
		return false
	}
	return true
}

func readDhclientMessage(m *message, text []byte) bool {
	kind, ok := kindOf(field(&text))
	if !ok {
		return false
	}
	m.Kind = kind
	for len(text) > 0 {
		switch word := field(&text); string(word) {
		case "for", "of":
			m.Addr, _ = parseIPv4(field(&text))
		case "from":
			m.Server, _ = parseIPv4(trim(field(&text)))
		case "on":
			m.iface = field(&text)
		case "to":
			m.to(field(&text))
		default:
			if bytes.HasPrefix(word, []byte("(xid=")) {
				m.XID = parseXID(word)
			}
		}
	}
	return true
}

// to is where a request goes.
func (m *message) to(word []byte) {
	a, ok := parseIPv4(word)
	switch {
	case !ok:
	case a == IPv4{255, 255, 255, 255}:
		m.Cast = Broadcast
	default:
		m.Cast, m.Server = Unicast, a
	}
}

// readDhclientDevice reads LPF/eth0/fa:16:3e:24:e7:22: whose log this is.
func readDhclientDevice(m *message, text []byte) bool {
	m.note = true
	parts := bytes.Split(bytes.TrimSpace(text), []byte("/"))
	if len(parts) != 3 {
		m.daemon = true
		return true
	}
	mac, ok := parseMAC(parts[2])
	m.iface, m.mac, m.daemon = parts[1], mac, !ok
	return true
}

// readDhclientReason reads what dhclient's script was called for.
func readDhclientReason(m *message, text []byte) bool {
	kinds := map[string]Kind{"EXPIRE": Expired, "FAIL": GaveUp, "STOP": Died}
	reason := field(&text)
	kind, ok := kinds[string(reason)]
	if rest, is := after(text, "interface="); is {
		m.iface = field(&rest)
	}
	m.Kind, m.Reason, m.note, m.daemon = kind, string(reason), !ok, !ok // PREINIT comes before any word of the client
	return true
}
