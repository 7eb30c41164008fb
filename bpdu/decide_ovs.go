package bpdu

import (
	"fmt"
	"strings"

	"github.com/stackmend/stackmend"
)

// ovsDatapath is the master of the ports of Open vSwitch's kernel datapath.
const ovsDatapath = "ovs-system"

// ovsPort says what becomes of BPDUs that come in by a port of Open vSwitch.
// It was measured with Open vSwitch 3.1 on Linux 6.1: the package comment has
// it. The flows are not read, and so it is never called filtered.
func (s *Snapshot) ovsPort(l Link) stackmend.Finding {
	f := stackmend.Finding{Code: CodeNotApplicable, Status: stackmend.Unknown, Subject: s.Subject + " " + l.Name,
		Fix: "ovs-vsctl list bridge; ovs-ofctl dump-flows on each bridge between the instance and the uplink"}
	b, known := s.Host.OVS.bridge(l.Name)
	if !known {
		f.Message = "a port of Open vSwitch, whose action NORMAL drops BPDUs unless the bridge has other-config:forward-bpdu=true; its database was not read"
		return f
	}
	f.Evidence = []stackmend.Evidence{{Source: "ovsdb bridge " + b.Name, Value: fmt.Sprintf("forward-bpdu %v, stp %v, rstp %v", b.ForwardBPDU, b.STP, b.RSTP)}}
	if forward := s.Host.OVS.forwarders(); len(forward) > 0 {
		f.Code, f.Status, f.Confidence = CodeTapUnprotected, stackmend.Warn, stackmend.Medium
		f.Message = fmt.Sprintf("a port of Open vSwitch's %s, and %s pass BPDUs on (other-config:forward-bpdu=true)", b.Name, strings.Join(forward, ", "))
		f.Fix = "ovs-vsctl remove bridge " + forward[0] + " other-config forward-bpdu"
		return f
	}
	f.Message = fmt.Sprintf("a port of Open vSwitch's %s, whose action NORMAL drops BPDUs and PVST+; flows that name the port to send to (OVN's, the openvswitch firewall's) pass them, and are not read", b.Name)
	return f
}
