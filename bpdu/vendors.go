package bpdu

import (
	"net"
	"strings"
)

// words are what every line has that is of interest: "%" begins the mnemonics
// of most vendors, and the others' tell of BPDUs or are Juniper's traps. Few
// words with rare first letters make the difference between a hundred megabytes
// and gigabytes a second.
func words() []string { return []string{"BPDU", "%", "SNMP_TRAP_LINK_"} }

// A format reads the message of one kind of line: what follows its mnemonic.
// It reports false if that is not the form that it knows.
type format struct {
	vendor Vendor
	read   func(e *Event, body string) bool
}

// formats are keyed by mnemonic: what stands between "%" and ": ", without the
// severity, or what other vendors have in its place. No format looks for words
// anywhere in a line: a port's description is somebody's free text.
var formats = map[string]format{
	"SPANTREE/BLOCK_BPDUGUARD":          {"", readBlock},
	"STP/BLOCK_BPDUGUARD":               {Nexus, readBlock},
	"PM/ERR_DISABLE":                    {Cisco, readErrDisable},
	"PM/ERR_RECOVER":                    {Cisco, readErrRecover},
	"ETH/ERRDISABLE":                    {Arista, readErrDisable},
	"MLAG/INTF_INACTIVE_LOCAL":          {Arista, readMlagDown},
	"ETHPORT/IF_DOWN_ERROR_DISABLED":    {Nexus, readNexusDisabled},
	"ETHPORT/IF_DOWN_LINK_FAILURE":      {Nexus, readNexusDown},
	"ETHPORT/IF_UP":                     {Nexus, readNexusUp},
	"LINK/UPDOWN":                       {Cisco, readUpDown},
	"LINEPROTO/UPDOWN":                  {"", readUpDown},
	"ESWD_BPDU_BLOCK_ERROR_DISABLED":    {Juniper, readEswd("bpdu-block disabled port", Guarded)},
	"ESWD_BPDU_BLOCK_ERROR_ENABLED":     {Juniper, readEswd("bpdu-block enabled port", Recovered)},
	"L2CPD_RECEIVE_BPDU_BLOCK_ENABLED":  {Juniper, readL2cpd},
	"SNMP_TRAP_LINK_DOWN":               {Juniper, readTrap(Down)},
	"SNMP_TRAP_LINK_UP":                 {Juniper, readTrap(Up)},
	"MSTP/MSTPLOG_PROPORT_BPDU_GUARDED": {Huawei, readHuawei},
	"MSTP/PROPORT_BPDU_GUARDED":         {Huawei, readHuawei},
	"MSTP/PORT_BPDU_GUARDED":            {Huawei, readHuawei},
	"STP_BPDU_GUARD_ERR":                {DellOS, readDell(Guarded)},
	"STP_BPDU_GUARD_CLR":                {DellOS, readDell(Recovered)},
	"MSTP_IN_rx_bpdu":                   {MSTPD, readMstpd},
	"protected port":                    {HPE, readHPE},
}

// between returns what stands between two texts, the first of which must begin s.
func between(s, before, after string) (string, bool) {
	rest, ok := strings.CutPrefix(s, before)
	if !ok {
		return "", false
	}
	v, _, ok := strings.Cut(rest, after)
	return v, ok && v != ""
}

// port notes a port, if its name can be one.
func (e *Event) port(name string) bool {
	if name == "" || len(name) > 64 || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return false
	}
	e.Port = name
	return true
}

// readBlock: Arista's, IOS's and NX-OS's. Only Arista's has the source MAC, at
// its end.
func readBlock(e *Event, body string) bool {
	e.Kind = Guarded
	if name, ok := between(body, "Received BPDU packet on ", " with BPDU guard enabled."); ok {
		e.Vendor = Arista
		if i := strings.LastIndex(body, "(source mac "); i >= 0 {
			e.mac(strings.TrimRight(body[i+len("(source mac "):], ") ."))
		}
		return e.port(name)
	}
	name, ok := between(body, "Received BPDU on port ", " with BPDU Guard enabled.")
	if !ok {
		return false
	}
	if e.Vendor == "" {
		e.Vendor = Cisco
	}
	return e.port(strings.ReplaceAll(name, " ", "")) // "Gigabit Ethernet1/0/8"
}

// mac notes a source MAC in any of the usual forms.
func (e *Event) mac(text string) {
	if hw, err := net.ParseMAC(text); err == nil && len(hw) == 6 {
		e.MAC = hw.String()
		return
	}
	if hw, err := net.ParseMAC(strings.ReplaceAll(text, "-", ".")); err == nil && len(hw) == 6 { // Huawei: 00e0-fc12-3456
		e.MAC = hw.String()
	}
}

// readErrDisable: "bpduguard error detected on Gi1/0/12, putting Gi1/0/12 in
// err-disable state", and Arista's without the second half.
func readErrDisable(e *Event, body string) bool {
	e.Kind = Guarded
	rest, ok := strings.CutPrefix(body, "bpduguard error detected on ")
	if !ok {
		return false
	}
	name, _, _ := strings.Cut(rest, ",")
	return e.port(strings.TrimSuffix(strings.TrimSpace(name), "."))
}

func readErrRecover(e *Event, body string) bool {
	e.Kind = Recovered
	name, ok := strings.CutPrefix(body, "Attempting to recover from bpduguard err-disable state on ")
	return ok && e.port(strings.TrimSpace(name))
}

func readMlagDown(e *Event, body string) bool {
	e.Kind = Down
	name, ok := between(body, "Local interface ", " is link down.")
	return ok && e.port(name)
}

func readNexusDisabled(e *Event, body string) bool {
	e.Kind = Down
	if strings.HasSuffix(body, "Reason:BPDUGuard)") {
		e.Kind = Guarded
	}
	return readNexusPort(e, body, " is down (Error disabled")
}

func readNexusDown(e *Event, body string) bool {
	e.Kind = Down
	return readNexusPort(e, body, " is down (")
}

func readNexusUp(e *Event, body string) bool {
	e.Kind = Up
	return readNexusPort(e, body, " is up")
}

// readNexusPort: "Interface Ethernet1/38 (description:SRV-01) is up ...".
func readNexusPort(e *Event, body, after string) bool {
	rest, ok := strings.CutPrefix(body, "Interface ")
	if !ok || !strings.Contains(rest, after) {
		return false
	}
	name, _, _ := strings.Cut(rest, " ")
	return e.port(name)
}

// readUpDown: "Line protocol on Interface Ethernet35 (Server35), changed state
// to down". What counts is the end: the description may say anything.
func readUpDown(e *Event, body string) bool {
	body = strings.TrimPrefix(body, "Line protocol on ")
	rest, ok := strings.CutPrefix(body, "Interface ")
	if !ok {
		return false
	}
	switch {
	case strings.HasSuffix(rest, ", changed state to down"), strings.HasSuffix(rest, ", changed state to administratively down"):
		e.Kind = Down
	case strings.HasSuffix(rest, ", changed state to up"):
		e.Kind = Up
	default:
		return false
	}
	return e.port(rest[:strings.IndexAny(rest, " ,")])
}

// readEswd: "ge-0/0/17.0: bpdu-block disabled port".
func readEswd(text string, k Kind) func(*Event, string) bool {
	return func(e *Event, body string) bool {
		e.Kind = k
		name, ok := strings.CutSuffix(body, ": "+text)
		return ok && e.port(strings.TrimSuffix(strings.TrimSpace(name), ".0"))
	}
}

// readL2cpd: "BPDU_PROTECT: Interface ge-0/0/6 is DOWN: BPDU error detected".
func readL2cpd(e *Event, body string) bool {
	e.Kind = Guarded
	name, ok := between(body, "BPDU_PROTECT: Interface ", " is DOWN: BPDU error detected")
	return ok && e.port(strings.TrimSuffix(name, ".0"))
}

// readTrap: "ifIndex 515, ifAdminStatus up(1), ifOperStatus down(2), ifName
// ge-0/0/2".
func readTrap(k Kind) func(*Event, string) bool {
	return func(e *Event, body string) bool {
		e.Kind = k
		i := strings.LastIndex(body, ", ifName ")
		return i >= 0 && e.port(strings.TrimSuffix(body[i+len(", ifName "):], ".0"))
	}
}

// readHuawei: "... (ProcessID=0, PortID=1, IfIndex=7, PortName=GE0/0/1,
// SrcMac=00e0-fc12-3456, TAG=100)".
func readHuawei(e *Event, body string) bool {
	e.Kind = Guarded
	i := strings.LastIndex(body, "(")
	if i < 0 || !strings.HasSuffix(body, ")") {
		return false
	}
	for field := range strings.SplitSeq(body[i+1:len(body)-1], ",") {
		k, v, _ := strings.Cut(strings.TrimSpace(field), "=")
		switch k {
		case "PortName":
			e.port(v)
		case "SrcMac":
			e.mac(v)
		case "TAG", "InstanceID":
			e.VLAN = v
		}
	}
	return e.Port != ""
}

// readDell takes the last word if it looks like a port. The text of the
// message is documented with "%s" at its end, which could not be seen filled in.
func readDell(k Kind) func(*Event, string) bool {
	return func(e *Event, body string) bool {
		e.Kind = k
		body = strings.TrimRight(body, ". ")
		last := body[strings.LastIndexAny(body, " .:")+1:]
		if strings.ContainsAny(last, "0123456789") {
			e.port(last)
		}
		return true
	}
}

// readMstpd: "br0:swp1 Received BPDU on BPDU Guarded Port - Port Down".
func readMstpd(e *Event, body string) bool {
	e.Kind = Guarded
	name, ok := strings.CutSuffix(body, " Received BPDU on BPDU Guarded Port - Port Down")
	if !ok {
		return false
	}
	if i := strings.LastIndexByte(name, ':'); i >= 0 {
		name = name[i+1:]
	}
	return e.port(name)
}

// readHPE: "Port 1/1/8 disabled - BPDU received on protected port on VLAN 10."
func readHPE(e *Event, body string) bool {
	e.Kind = Guarded
	body = strings.TrimPrefix(strings.TrimPrefix(body, "Port "), "port ")
	name, rest, ok := strings.Cut(body, " disabled ")
	_, after, said := strings.Cut(rest, "- BPDU received on protected port")
	if !ok || !said {
		return false
	}
	if vlan, ok := strings.CutPrefix(after, " on VLAN "); ok {
		e.VLAN = strings.TrimRight(vlan, ". ")
	}
	return e.port(name)
}
