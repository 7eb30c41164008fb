package bpdu

import (
	"fmt"
	"slices"
	"strings"

	"github.com/stackmend/stackmend"
)

// bonds finds bonds whose members have all lost their carrier.
func (s *Snapshot) bonds() []stackmend.Finding {
	if s.Host == nil {
		return nil
	}
	var out []stackmend.Finding
	for _, b := range s.Host.Links {
		members := s.Host.ports(b.Name)
		if b.Kind != "bond" && b.Kind != "team" || len(members) == 0 || slices.ContainsFunc(members, func(l Link) bool { return l.Carrier }) {
			continue
		}
		out = append(out, s.bondDown(b, members))
	}
	return out
}

func (s *Snapshot) bondDown(b Link, members []Link) stackmend.Finding {
	f := stackmend.Finding{Code: CodeBondDown, Status: stackmend.Fail, Subject: s.Subject + " " + b.Name, Confidence: stackmend.Medium,
		Message: fmt.Sprintf("all %d members of the bond have no carrier", len(members)),
		Fix:     "read the switch's log for BPDU guard before a card or a cable is changed"}
	var other []string
	for _, l := range s.Host.Links {
		if l.Kind == "" && l.Ether && !l.Loop && l.Master != b.Name && l.Carrier {
			other = append(other, l.Name)
		}
	}
	switch {
	case len(members) > 1 && len(other) > 0:
		f.Message += fmt.Sprintf(", while %s has: suspect the switch that disabled its ports, not the card", strings.Join(other, ", "))
	case len(other) > 0:
		f.Message += fmt.Sprintf(", while %s has: the card, the cable or the switch", strings.Join(other, ", "))
		f.Confidence = stackmend.Low
	default:
		f.Message += ", and no other network card has: the switch, its power, or the host"
		f.Confidence = stackmend.Low
	}
	for _, m := range members {
		state := "no carrier"
		if !m.Admin {
			state = "set down by the host: that is no switch"
		}
		f.Evidence = append(f.Evidence, stackmend.Evidence{Source: m.Name, Against: !m.Admin,
			Value: fmt.Sprintf("%s, carrier lost %d times since boot", state, m.CarrierDowns)})
	}
	return f
}

// bridges finds bridges of the host that send BPDUs to an uplink themselves.
func (s *Snapshot) bridges() []stackmend.Finding {
	if s.Host == nil {
		return nil
	}
	var out []stackmend.Finding
	for _, b := range s.Host.Links {
		if up := s.Host.reach(b); b.Kind == "bridge" && b.STP && len(up) > 0 {
			out = append(out, stackmend.Finding{Code: CodeSource, Status: stackmend.Warn, Subject: s.Subject + " " + b.Name, Confidence: stackmend.High,
				Message:  fmt.Sprintf("spanning tree of the bridge is on: the host itself sends BPDUs to %s, whatever is filtered at taps", strings.Join(up, ", ")),
				Fix:      "ip link set " + b.Name + " type bridge stp_state 0, and in the network's configuration",
				Evidence: []stackmend.Evidence{{Source: b.Name, Value: "spanning tree on"}}})
		}
	}
	return out
}

// talkers are the sources that were heard or counted on this host.
func (s *Snapshot) talkers() []stackmend.Finding {
	var out []stackmend.Finding
	if s.Capture != nil {
		for _, t := range s.Capture.Talkers {
			out = append(out, s.heard(t))
		}
	}
	if s.Host == nil || s.Host.Table == nil {
		return out
	}
	for _, c := range s.Host.Table.Seen {
		f := s.source(s.Subject+" "+orGone(c.Tap), c.MAC, s.own(c.Tap, c.MAC))
		f.Message = "counted by the filter: " + f.Message
		f.Evidence = append(f.Evidence, stackmend.Evidence{Source: s.Host.Family.target(),
			Value: fmt.Sprintf("%d BPDUs dropped from %s at %s, the last %v ago", c.Packets, c.MAC, orGone(c.Tap), c.Idle.Round(1e9))})
		out = append(out, s.atTap(f, c.Tap))
	}
	return out
}

func orGone(tap string) string {
	if tap == "" {
		return "a tap that is gone"
	}
	return tap
}

// own reports whether the MAC is that of the port whose tap this is.
func (s *Snapshot) own(tap, mac string) bool {
	p, ok := s.Cloud.ByTap(tap)
	return ok && p.Port.MAC == mac
}

// heard tells of BPDUs that were captured.
func (s *Snapshot) heard(t Talker) stackmend.Finding {
	var types []string
	for _, ty := range t.Types {
		types = append(types, string(ty))
	}
	value := fmt.Sprintf("%d BPDUs (%s) from %s to %s, tags %v", t.Frames, strings.Join(types, ", "), t.MAC, t.Example.Destination, t.Example.Tags)
	if t.Unreadable > 0 {
		value += fmt.Sprintf(", and %d frames to those addresses that are no BPDUs", t.Unreadable)
	}
	l, known := Link{}, false
	if s.Host != nil {
		l, known = s.Host.Link(t.Device)
	}
	where := s.Subject + " " + t.Device
	evidence := stackmend.Evidence{Source: "capture on " + t.Device, Value: value, At: t.First}
	switch {
	case t.Frames == 0:
		return stackmend.Finding{Code: CodeSource, Status: stackmend.OK, Subject: where, Evidence: []stackmend.Evidence{evidence},
			Message: "frames to the addresses of BPDUs that are none, or that are cut"}
	case known && !l.IsTap() && !t.Out:
		return stackmend.Finding{Code: CodeSource, Status: stackmend.OK, Subject: where, Evidence: []stackmend.Evidence{evidence},
			Message: "BPDUs come in from the network, as switches send them"}
	case t.Out:
		return stackmend.Finding{Code: CodeSource, Status: s.outStatus(l), Subject: where, Evidence: []stackmend.Evidence{evidence},
			Message: "BPDUs leave by this device: from an instance whose tap is not filtered, or from a bridge of the host with spanning tree on",
			Fix:     "filter the tap that they come in by; on a bridge that holds an uplink, turn spanning tree off"}
	}
	f := s.source(where, t.MAC, s.own(t.Device, t.MAC))
	f.Message = "heard on this host: " + f.Message
	f.Evidence = append(f.Evidence, evidence)
	return s.atTap(f, t.Device)
}

func (s *Snapshot) outStatus(l Link) stackmend.Status {
	if l.leaves() {
		return stackmend.Fail
	}
	return stackmend.OK
}

// atTap adds whose the tap is, where BPDUs came in whose source is not the
// port's own: then it is the tap that counts, for the source is the
// instance's to choose.
func (s *Snapshot) atTap(f stackmend.Finding, tap string) stackmend.Finding {
	p, ok := s.Cloud.ByTap(tap)
	if !ok || f.Code == CodeSource && f.Confidence == stackmend.High {
		return f
	}
	f.Code, f.Status, f.Confidence = CodeSource, stackmend.Warn, stackmend.High
	f.Message = fmt.Sprintf("BPDUs came in by the tap of %s, with a source MAC that is not its own", p)
	f.Evidence = append(f.Evidence, stackmend.Evidence{Source: "tap " + tap, Value: p.String()})
	f.Fix = beforeAll + "Filter its tap (-protect), or add it to the allow-list if it bridges by design."
	return f
}

// taps finds instances that could send BPDUs to an uplink.
func (s *Snapshot) taps() []stackmend.Finding {
	if s.Host == nil {
		return nil
	}
	var out []stackmend.Finding
	for _, l := range s.Host.Links {
		if !l.IsTap() {
			continue
		}
		bridge, ok := s.Host.Link(l.Master)
		if !ok || bridge.Kind != "bridge" {
			continue // Open vSwitch: notApplicable; no bridge: it reaches nothing
		}
		uplinks := s.Host.reach(bridge)
		if len(uplinks) == 0 {
			continue
		}
		if f, ok := s.Host.Table.filter(l.Name); ok && f.Fault == "" {
			continue
		}
		out = append(out, s.unprotected(l, bridge, uplinks))
	}
	return out
}

// reach returns the uplinks that frames from a port of the bridge get to: its
// own, and those of the bridge that Neutron's hybrid plugging connects it to
// (tap, qbr, qvb) are a veth here.
func (h *Host) reach(bridge Link) []string {
	var out []string
	for _, l := range h.uplinks(bridge.Name) {
		out = append(out, l.Name)
	}
	return out
}

// unprotected says what the kernel does with BPDUs of this tap as it is. It was
// measured on Linux 6.18: the package comment has the table.
func (s *Snapshot) unprotected(l, bridge Link, uplinks []string) stackmend.Finding {
	f := stackmend.Finding{Code: CodeTapUnprotected, Status: stackmend.Warn, Subject: s.Subject + " " + l.Name, Confidence: stackmend.High,
		Fix: "filter it: -protect " + l.Name}
	to := fmt.Sprintf("uplink %s of %s", strings.Join(uplinks, ", "), bridge.Name)
	switch {
	case bridge.STP && l.Guard:
		f.Message = "a BPDU sets the port to disabled, which cuts the instance off, and PVST+ passes to the " + to + "; the host itself sends BPDUs there"
		f.Fix += "; turn spanning tree of " + bridge.Name + " off"
	case bridge.STP:
		f.Message = "its STP BPDUs are stopped, PVST+ passes to the " + to + ", and the host itself sends BPDUs there"
		f.Fix += "; turn spanning tree of " + bridge.Name + " off"
	case l.Guard:
		f.Message = "its BPDUs reach the " + to + ": the bridge port's guard does nothing while spanning tree is off"
	default:
		f.Message = "its BPDUs reach the " + to
	}
	if t, ok := s.Host.Table.filter(l.Name); ok {
		f.Message += "; our filter of it does not work: " + t.Fault
	}
	f.Evidence = append(f.Evidence, stackmend.Evidence{Source: bridge.Name, Value: fmt.Sprintf("spanning tree %s, guard of %s %s", onOff(bridge.STP), l.Name, onOff(l.Guard))})
	for _, o := range s.Host.Others {
		f.Evidence = append(f.Evidence, stackmend.Evidence{Source: "nft " + o.Family + " " + o.Name, Against: true,
			Value: fmt.Sprintf("%d chains of somebody else, which may filter it: not judged", o.Chains)})
	}
	return f
}

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}

// notApplicable names the ports that a filter on this host does not reach, or
// of which it was not measured.
func (s *Snapshot) notApplicable() []stackmend.Finding {
	var out []stackmend.Finding
	add := func(subject, message, fix string) {
		out = append(out, stackmend.Finding{Code: CodeNotApplicable, Status: stackmend.Unknown, Subject: subject, Message: message, Fix: fix})
	}
	if s.Cloud != nil && s.Host != nil {
		for _, p := range s.Cloud.Ports {
			if sameHost(p.Host, s.Host.Name) && outOfReach(p) {
				add(s.Subject+" port "+p.ID, fmt.Sprintf("vif_type %s, vnic_type %s: its frames do not pass the host's network stack", p.VIFType, p.VNICType),
					"filter on the card's own switch, or on the physical switch (BPDU filter on the port)")
			}
		}
	}
	if s.Host != nil {
		for _, l := range s.Host.Links {
			switch {
			case l.IsTap() && l.Master == ovsDatapath:
				out = append(out, s.ovsPort(l))
			case l.Kind == "macvtap":
				add(s.Subject+" "+l.Name, "a macvtap: its frames go straight to the device below", "BPDU filter on the physical switch's port")
			}
		}
	}
	return out
}

// sameHost compares names of which one may have its domain and the other not.
func sameHost(a, b string) bool {
	shortA, domainA, _ := strings.Cut(a, ".")
	shortB, domainB, _ := strings.Cut(b, ".")
	return a != "" && shortA == shortB && (domainA == domainB || domainA == "" || domainB == "")
}

// outOfReach: SR-IOV and vhost-user ports.
func outOfReach(p Port) bool {
	return p.VIFType == "vhostuser" || p.VIFType == "hw_veb" || p.VIFType == "hostdev_physical" ||
		strings.HasPrefix(p.VNICType, "direct") || p.VNICType == "virtio-forwarder" || p.VNICType == "vdpa"
}
