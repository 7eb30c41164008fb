package bpdu

import "time"

// Kind is what a line of a switch's log says about a port.
type Kind string

// The kinds.
const (
	Guarded   Kind = "bpdu-guard" // a BPDU came in and the port was disabled
	Down      Kind = "down"
	Up        Kind = "up"
	Recovered Kind = "recovery" // the switch takes the port out of its disabled state
)

// Vendor names the software whose format a line has.
type Vendor string

// The vendors whose formats are known. testdata/README.md says where each
// format was seen. Of Dell OS10 only the name of the message could be verified,
// not where it has the port: its events may lack one.
const (
	Arista  Vendor = "arista-eos"
	Cisco   Vendor = "cisco-ios"
	Nexus   Vendor = "cisco-nxos"
	Juniper Vendor = "juniper-junos"
	Huawei  Vendor = "huawei-vrp"
	DellOS  Vendor = "dell-os10"
	MSTPD   Vendor = "mstpd" // Cumulus Linux and others
	HPE     Vendor = "hpe-aruba"
)

// An Event is one line of a switch's log, in one form for all vendors.
type Event struct {
	Time   time.Time
	Doubt  string // what Time does not rest on; empty: it is as the line says
	Switch string // as the line names it; empty: not told
	Vendor Vendor
	Port   string // as the switch names it; empty: the format does not tell it
	Kind   Kind
	MAC    string // source of the BPDU, in lower case with colons; empty: not told
	VLAN   string // VLAN or instance; empty: not told
	Source string // file and line
	Text   string // the line, cut
}
