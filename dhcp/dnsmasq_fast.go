package dhcp

import "bytes"

// again reads a line of dnsmasq that begins as the last one did, to the second,
// and tells of a request or its answer: nearly all lines of a busy server's log.
// It reports false, having done nothing, where anything is unusual.
func (l *logReader) again(text []byte, number int64) bool {
	if len(l.head0) == 0 || !bytes.HasPrefix(text, l.head0) {
		return false
	}
	text = text[len(l.head0):]
	e := Event{Time: l.m0.Time, Doubt: l.m0.Doubt, Number: number}
	switch {
	case prefix(&text, "DHCPREQUEST("):
		e.Kind = Request
	case prefix(&text, "DHCPACK("):
		e.Kind = Ack
	default:
		return false
	}
	end := bytes.IndexByte(text, ')')
	if end < 0 || end+2 > len(text) {
		return false
	}
	iface := text[:end]
	text = text[end+2:]
	ip := bytes.IndexByte(text, ' ')
	if ip < 0 || len(text) < ip+18 || len(text) > ip+18 && text[ip+18] != ' ' {
		return false
	}
	var ok bool
	if e.Addr, ok = parseIPv4(text[:ip]); !ok {
		return false
	}
	m, ok := parseMAC(text[ip+1 : ip+18])
	if !ok {
		return false
	}
	return l.known(m, e, iface, bytes.TrimSpace(text[ip+18:]))
}

// known adds an event of a client that is known by this name and interface.
func (l *logReader) known(m MAC, e Event, iface, name []byte) bool {
	t := l.last
	if t == nil || t.MAC != m {
		if t = l.tracks.get(m); t == nil {
			return false
		}
		l.last = t
	}
	if t.Interface != string(iface) {
		return false
	}
	switch {
	case e.Kind == Request && len(name) > 0: // why it is not served
		return false
	case e.Kind == Request:
		l.minute.add(e.Time)
	default:
		if len(name) > 0 && (len(t.Names) != 1 || t.Names[0] != string(name)) {
			return false
		}
		e.Who = uint8(min(len(name), 1))
		e.Lease, t.Lease.At, t.Lease.Addr = t.Lease.Time, e.Time, e.Addr
	}
	l.add(t, e)
	return true
}

// remember keeps how a line of dnsmasq began, for the next one.
func (l *logReader) remember(text []byte) {
	m := &l.m
	l.head0 = l.head0[:0]
	if n := len(text) - len(m.text); l.spoke.format == Dnsmasq && n > 0 && m.XID == 0 {
		l.head0 = append(l.head0, text[:n]...)
		l.m0 = m.Event
	}
}
