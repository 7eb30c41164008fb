package dhcp

import "bytes"

// readDhcpd reads what ISC dhcpd says, as of its server/dhcp.c at v4_4_3.
//
//	DHCPDISCOVER from fa:16:3e:24:e7:22 (vm-a) via eth0: network 10.2.0.0/24: no free leases
//	DHCPREQUEST for 10.2.0.21 (10.2.0.1) from fa:16:3e:24:e7:22 (vm-a) via eth0: wrong network.
//	DHCPACK on 10.2.0.21 to fa:16:3e:24:e7:22 (vm-a) via eth0
func readDhcpd(l *logReader, m *message) bool {
	text := m.text
	if prefix(&text, "DHCP") {
		return readDhcpdMessage(m, text)
	}
	switch {
	case prefix(&text, "Server starting service"), prefix(&text, "Internet Systems Consortium DHCP Server"):
		m.Kind, m.daemon = Began, true
		l.trace.Server.Version = "ISC dhcpd " + l.word(text)
	case bytes.Contains(text, []byte("exiting")), prefix(&text, "Received signal"):
		m.Kind, m.daemon = Ended, true
		m.Reason = l.word(m.text)
	case prefix(&text, "reuse_lease:"):
		m.daemon, m.note = true, true
	case prefix(&text, "No subnet declaration for"), prefix(&text, "Can't open lease database"):
		m.Kind, m.daemon = Ignored, true
		m.Reason = l.word(m.text)
	default:
		return false
	}
	return true
}

func readDhcpdMessage(m *message, text []byte) bool {
	kind, ok := kindOf(field(&text))
	if !ok {
		return false
	}
	m.Kind = kind
	before, rest, ok := bytes.Cut(text, []byte(" via "))
	if !ok {
		return false
	}
	m.dhcpdWords(before)
	if m.mac == (MAC{}) {
		return false
	}
	device, why, refused := bytes.Cut(rest, []byte(": "))
	m.iface = trim(field(&device))
	if refused {
		m.dhcpdRefusal(why)
	}
	return true
}

// dhcpdWords reads "for A (S) from MAC (name)", "on A to MAC (name)".
func (m *message) dhcpdWords(text []byte) {
	for len(text) > 0 {
		word := field(&text)
		inner := bytes.Trim(word, "()")
		if a, ok := parseIPv4(inner); ok {
			if word[0] == '(' {
				m.Server = a
			} else {
				m.Addr = a
			}
		} else if mac, ok := parseMAC(inner); ok {
			m.mac = mac
		} else if len(word) > 2 && word[0] == '(' {
			m.name = inner
		}
	}
}

// dhcpdRefusal is what stands behind the interface.
func (m *message) dhcpdRefusal(why []byte) {
	reason := string(bytes.ToValidUTF8(why[:min(len(why), maxWord)], nil))
	switch {
	case bytes.Contains(why, []byte("no free leases")), bytes.Contains(why, []byte("no available leases")):
		m.Kind, m.Reason = NoAddress, reason
	case m.Kind.Asks() && !bytes.HasPrefix(why, []byte("lease ")):
		m.Kind, m.Reason = Ignored, reason
	default:
		m.Reason = reason
	}
}
