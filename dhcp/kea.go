package dhcp

import "bytes"

// readKea reads what Kea's DHCPv4 server says, as of
// src/bin/dhcp4/dhcp4_messages.mes at Kea-2.2.0. At its usual level it tells of
// leases alone; each then stands for the request that it answers.
//
//	INFO  [kea-dhcp4.leases/12.34] DHCP4_LEASE_ALLOC [hwtype=1 fa:16:3e:24:e7:22], cid=[no info], tid=0x5b3c: lease 10.2.0.21 has been allocated for 120 seconds
func readKea(l *logReader, m *message) bool {
	id, text := keaID(m.text)
	switch string(id) {
	case "DHCP4_STARTED":
		m.Kind, m.daemon = Began, true
		_, version, _ := bytes.Cut(text, []byte("version "))
		l.trace.Server.Version = "Kea " + l.word(trim(field(&version)))
		return true
	case "DHCP4_SHUTDOWN":
		m.Kind, m.daemon = Ended, true
		m.Reason = "shut down"
		return true
	}
	label, body, ok := bytes.Cut(text, []byte(": "))
	if !ok || !m.keaLabel(label) {
		return false
	}
	return l.keaClient(m, id, body)
}

// keaID finds the name of the message.
func keaID(text []byte) (id, rest []byte) {
	for len(text) > 0 {
		word := field(&text)
		if bytes.HasPrefix(word, []byte("DHCP4_")) || bytes.HasPrefix(word, []byte("ALLOC_ENGINE_V4")) {
			return word, text
		}
	}
	return nil, nil
}

// keaLabel reads [hwtype=1 fa:16:3e:24:e7:22], cid=[01:fa:..], tid=0x5b3c.
func (m *message) keaLabel(text []byte) (ok bool) {
	if rest, is := after(text, "hwtype="); is {
		field(&rest)
		hw, _, _ := bytes.Cut(rest, []byte("]"))
		m.mac, ok = parseMAC(hw)
	}
	if rest, is := after(text, "cid=["); is {
		if id, _, is := bytes.Cut(rest, []byte("]")); is && !bytes.Equal(id, []byte("no info")) {
			m.id = id
		}
	}
	if rest, is := after(text, "tid="); is {
		m.XID = parseXID(field(&rest))
	}
	return ok
}

func (l *logReader) keaClient(m *message, id, body []byte) bool {
	switch string(id) {
	case "DHCP4_LEASE_ADVERT", "DHCP4_LEASE_OFFER":
		l.keaLease(m, body, Discover, Offer)
	case "DHCP4_INIT_REBOOT": // whether it may is told after it, and only if so
		return l.keaReboot(m, body)
	case "DHCP4_LEASE_ALLOC", "DHCP4_LEASE_REUSE":
		l.keaLease(m, body, Request, Ack)
	case "DHCP4_PACKET_RECEIVED", "DHCP4_PACKET_SEND":
		return l.keaPacket(m, body)
	case "DHCP4_RELEASE":
		m.Kind = Release
	case "DHCP4_DECLINE_LEASE":
		m.Kind = Decline
	case "ALLOC_ENGINE_V4_ALLOC_FAIL", "ALLOC_ENGINE_V4_ALLOC_FAIL_NO_POOLS", "ALLOC_ENGINE_V4_ALLOC_FAIL_SHARED_NETWORK",
		"ALLOC_ENGINE_V4_ALLOC_FAIL_SUBNET", "ALLOC_ENGINE_V4_ALLOC_FAIL_CLASSES":
		m.Kind, m.Reason = NoAddress, l.word(body)
	case "DHCP4_PACKET_NAK_0001", "DHCP4_PACKET_NAK_0002", "DHCP4_PACKET_NAK_0003", "DHCP4_PACKET_NAK_0004":
		m.Kind, m.Reason = Nak, l.word(body)
	case "DHCP4_PACKET_DROP_0005", "DHCP4_PACKET_DROP_0006", "DHCP4_PACKET_DROP_0007", "DHCP4_PACKET_DROP_0008",
		"DHCP4_PACKET_DROP_0009", "DHCP4_PACKET_DROP_0010", "DHCP4_PACKET_DROP_0011":
		m.Kind, m.Reason = Ignored, l.word(body)
	default:
		return false
	}
	return true
}

// keaLease is an answer; without the packets themselves, its request as well.
func (l *logReader) keaLease(m *message, body []byte, ask, answer Kind) {
	if rest, ok := after(body, "lease "); ok {
		m.Addr, _ = parseIPv4(field(&rest))
	}
	if rest, ok := after(body, " for "); ok {
		m.lease.Time = parseSeconds(field(&rest))
	}
	if l.packets {
		m.note = true
		return
	}
	if m.XID == 0 || m.XID != l.reboot {
		m.Kind = ask
		l.note()
	}
	m.Kind = answer
	m.Event.Lease = m.lease.Time
}

// keaReboot is a request for the lease that the client had before: "client is
// in INIT-REBOOT state and requests address 10.2.0.21".
func (l *logReader) keaReboot(m *message, body []byte) bool {
	rest, ok := after(body, "requests address ")
	if !ok || l.packets {
		return false
	}
	m.Kind, m.Cast = Request, Broadcast
	m.Addr, _ = parseIPv4(field(&rest))
	l.reboot = m.XID
	return true
}

// keaPacket reads what is told at debug level 40 and higher: DHCPREQUEST (type
// 3) received from 10.2.0.21 to 10.2.0.1 on interface eth0.
func (l *logReader) keaPacket(m *message, body []byte) bool {
	_, body, ok := bytes.Cut(body, []byte("DHCP"))
	if !ok {
		return false
	}
	if m.Kind, ok = kindOf(field(&body)); !ok {
		return false
	}
	l.packets = true
	if rest, ok := after(body, "received from "); ok && m.Kind.Asks() {
		from, _ := parseIPv4(field(&rest))
		field(&rest)
		to, _ := parseIPv4(field(&rest))
		m.Cast = Unicast
		if to == (IPv4{255, 255, 255, 255}) {
			m.Cast = Broadcast
		}
		m.Addr = from
	}
	if rest, ok := after(body, "interface "); ok {
		m.iface = trim(field(&rest))
	}
	return true
}
