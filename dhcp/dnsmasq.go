package dhcp

import "bytes"

// readDnsmasq reads what dnsmasq says, with and without --log-dhcp, as of its
// src/rfc2131.c and src/dhcp.c at v2.90.
func readDnsmasq(l *logReader, m *message) bool {
	text := m.text
	if len(text) > 0 && text[0] >= '0' && text[0] <= '9' { // --log-dhcp: the xid, in decimal
		xid, ok := parseDecimal(field(&text))
		if !ok {
			return false
		}
		m.XID = xid
	}
	if prefix(&text, "DHCP") {
		return l.readDnsmasqMessage(m, text)
	}
	switch {
	case prefix(&text, "available DHCP"), prefix(&text, "tags: "), prefix(&text, "DHCP packet: "):
		m.daemon, m.note = true, true
		return true
	case prefix(&text, "sent size:"):
		return l.dnsmasqSent(m, text)
	case prefix(&text, "client provides name: "):
		return l.dnsmasqName(m, text)
	case prefix(&text, "started, version "):
		m.Kind, m.daemon = Began, true
		l.trace.Server.Version = "dnsmasq " + l.word(trim(field(&text)))
		return true
	case prefix(&text, "exiting on receipt of"), prefix(&text, "FAILED to start up"):
		m.Kind, m.daemon = Ended, true
		m.Reason = l.word(m.text)
		return true
	case prefix(&text, "no address range available for DHCP request"):
		m.Kind, m.daemon = NoAddress, true
		m.Reason = l.word(m.text)
		return true
	}
	return false
}

// kindOf reads the name of a message without its DHCP.
func kindOf(name []byte) (Kind, bool) {
	switch string(name) {
	case "REQUEST":
		return Request, true
	case "ACK":
		return Ack, true
	case "DISCOVER":
		return Discover, true
	case "OFFER":
		return Offer, true
	case "NAK":
		return Nak, true
	case "DECLINE":
		return Decline, true
	case "RELEASE":
		return Release, true
	case "INFORM":
		return Inform, true
	}
	return 0, false
}

// readDnsmasqMessage reads REQUEST(tap1) 10.2.0.21 fa:16:3e:24:e7:22 and what
// follows: the name, or why not.
func (l *logReader) readDnsmasqMessage(m *message, text []byte) bool {
	open := bytes.IndexByte(text, '(')
	if open < 0 || open > 8 {
		return l.readDnsmasqRange(m, text)
	}
	kind, ok := kindOf(text[:open])
	end := bytes.IndexByte(text, ')')
	if !ok || end < open {
		return false
	}
	m.Kind, m.iface = kind, text[open+1:end]
	text = text[end+1:]
	word := field(&text)
	if a, is := parseIPv4(word); is {
		m.Addr = a
		word = field(&text)
	}
	if m.mac, ok = parseMAC(word); !ok {
		return false
	}
	m.rest(bytes.TrimSpace(text))
	if m.Kind.Asks() && m.XID != 0 && m.XID == l.nameOf.xid {
		m.name = l.nameOf.name
	}
	return true
}

// readDnsmasqRange reads "DHCP, IP range 10.2.0.10 -- 10.2.0.50, lease time
// 2m": the lease time of clients that are not told another.
func (l *logReader) readDnsmasqRange(m *message, text []byte) bool {
	m.daemon, m.note = true, true
	if !prefix(&text, ", IP range ") && !prefix(&text, ", static leases only on ") {
		return true
	}
	var r Range
	r.From, _ = parseIPv4(trim(field(&text)))
	if prefix(&text, "-- ") {
		r.To, _ = parseIPv4(trim(field(&text)))
	}
	if rest, ok := after(text, "lease time "); ok {
		r.Lease = parseLength(rest)
	}
	l.trace.Server.add(r)
	return true
}

// rest is what stands behind the MAC.
func (m *message) rest(text []byte) {
	if len(text) == 0 {
		return
	}
	switch {
	case m.Kind == Ack:
		m.name = text
	case m.Kind == Nak, m.Kind == Decline, m.Kind == Release:
		m.Reason = string(bytes.ToValidUTF8(text[:min(len(text), maxWord)], nil))
	case string(text) == "no address available", string(text) == "no leases left", string(text) == "no address configured":
		m.Kind, m.Reason = NoAddress, string(text)
	case m.Kind == Discover || m.Kind == Request:
		m.Kind, m.Reason = Ignored, string(bytes.ToValidUTF8(text[:min(len(text), maxWord)], nil))
	}
}

// dnsmasqSent reads what --log-dhcp says of an answer, after it: " 4 option:
// 51 lease-time  2m".
func (l *logReader) dnsmasqSent(m *message, text []byte) bool {
	m.note = true
	lease := leaseOption(text)
	if l.last == nil || lease == (Lease{}) {
		m.daemon = true
		return true
	}
	m.mac, m.lease = l.last.mac, lease
	l.told(l.last, lease.times().lease)
	return true
}

// leaseOption reads the option that is a time of the lease; of others it is
// zero.
func leaseOption(text []byte) (l Lease) {
	if !prefixOption(&text) {
		return l
	}
	number, _ := parseDecimal(field(&text))
	field(&text) // its name
	switch number {
	case 51:
		l.Time = parseLength(text)
	case 58:
		l.T1 = parseLength(text)
	case 59:
		l.T2 = parseLength(text)
	}
	return l
}

func prefixOption(text *[]byte) bool {
	rest, ok := after(*text, "option:")
	*text = rest
	return ok
}

// told gives the lease time to the answer that it is said of.
func (l *logReader) told(c *station, lease uint32) {
	if c.n == 0 || lease == 0 {
		return
	}
	if last := c.fromEnd(l.events, 0); last.kind == Ack {
		t, x := l.events.detailOf(last)
		t.lease, x.terms = lease, terms{}
		l.events.detail(last, t, x)
	}
}

// dnsmasqName notes the name that comes before the message that it is of.
func (l *logReader) dnsmasqName(m *message, text []byte) bool {
	m.daemon, m.note = true, true
	if l.last != nil && m.XID != 0 {
		l.nameOf.xid, l.nameOf.name = m.XID, appendClean(l.nameOf.name[:0], text)
	}
	return true
}
