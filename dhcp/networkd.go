package dhcp

import "bytes"

// readNetworkd reads what systemd-networkd says, as of
// src/network/networkd-dhcp4.c and src/libsystemd-network/sd-dhcp-client.c at
// v252; its requests are told at the level of debugging alone.
//
//	eth0: DHCPv4 address 10.2.0.21/24, gateway 10.2.0.1 acquired from 10.2.0.1
//	eth0: DHCPv4 client: REQUEST (renewing)
func readNetworkd(l *logReader, m *message) bool {
	device, text, ok := bytes.Cut(m.text, []byte(": "))
	if !ok || len(device) > 16 || bytes.ContainsRune(device, ' ') {
		return false
	}
	m.iface = device
	switch {
	case prefix(&text, "DHCPv4 address "), prefix(&text, "DHCPv4: address "):
		m.Kind = Bound
		m.addrFrom(text)
	case prefix(&text, "DHCPv4 client"), prefix(&text, "DHCP CLIENT"):
		return l.networkdState(m, text)
	case prefix(&text, "DHCP lease lost"), prefix(&text, "DHCPv4 lease lost"):
		m.Kind, m.Reason = Expired, "lease lost"
	case prefix(&text, "DHCPv4 connection timed out"), prefix(&text, "DHCPv4 timed out"):
		m.Kind, m.Reason = GaveUp, "timed out"
	case prefix(&text, "Lost carrier"):
		m.Kind, m.Reason = SendFailed, "carrier lost"
	default:
		return false
	}
	return true
}

// networkdState reads ": REQUEST (renewing)" and " (0x5b3c): DISCOVER".
func (l *logReader) networkdState(m *message, text []byte) bool {
	head, state, ok := bytes.Cut(text, []byte(": "))
	if !ok {
		return false
	}
	m.XID = parseXID(head)
	word := field(&state)
	if kind, ok := kindOf(word); ok {
		m.Kind = kind
		m.networkdCast(state)
		return true
	}
	switch string(word) {
	case "EXPIRED":
		m.Kind = Expired
	case "STOPPED":
		m.Kind, m.Reason = Died, "stopped"
	default:
		m.note, m.daemon = true, true
	}
	return true
}

func (m *message) networkdCast(state []byte) {
	switch {
	case !m.Kind.Asks():
	case bytes.Contains(state, []byte("renewing")):
		m.Cast = Unicast
	default:
		m.Cast = Broadcast
	}
}

// readKernel reads that the kernel killed a client.
func readKernel(l *logReader, m *message) bool {
	for _, name := range []string{"dhclient", "dhcpcd", "udhcpc", "systemd-network"} {
		if bytes.Contains(m.text, []byte("("+name+")")) && bytes.Contains(m.text, []byte("Killed process")) {
			m.Kind, m.Reason = Died, l.word(m.text)
			return true
		}
	}
	return false
}
