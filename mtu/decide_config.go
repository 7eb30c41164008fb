package mtu

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/stackmend/stackmend"
)

// of returns the hosts that a configuration applies to.
func (j *judge) of(c Config) []*graph {
	var out []*graph
	for i := range j.s.Hosts {
		h := &j.s.Hosts[i]
		if g := j.hosts[h.Name]; g != nil && (c.Host == "" || c.Host == h.Name) {
			out = append(out, g)
		}
	}
	return out
}

// settingOf finds the line that put VLANs on a link.
func (j *judge) settingOf(host, link string) Setting {
	for _, c := range j.s.Configs {
		if c.Host != "" && c.Host != host {
			continue
		}
		for _, s := range c.VLANInterface {
			if s.Value == link {
				return s
			}
		}
		for _, m := range c.Mappings {
			if m.Interface == link {
				return m.Setting
			}
		}
	}
	return Setting{}
}

func (j *judge) madeBy(host, link string) []stackmend.Evidence {
	s := j.settingOf(host, link)
	if !s.Set() {
		return nil
	}
	return evidence(s.Source, s.Key+" = "+s.Value)
}

func (j *judge) config(c Config) {
	j.nowhere(c)
	for _, g := range j.of(c) {
		for _, s := range c.VLANInterface {
			j.vlanInterface(g, s, s.Value, stackmend.Fail, "nova puts every tenant's VLAN on it")
		}
		for _, m := range c.Mappings {
			j.mapping(g, m)
			j.physnetLink(g, c, m)
		}
		j.tunnelsOf(g, c)
	}
}

// nowhere finds settings that name a link which no host that was seen has.
func (j *judge) nowhere(c Config) {
	hosts := j.of(c)
	if len(hosts) == 0 {
		return
	}
	names := map[string]Setting{}
	for _, s := range c.VLANInterface {
		names[s.Value] = s
	}
	for _, m := range c.Mappings {
		names[m.Interface] = m.Setting
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if !slices.ContainsFunc(hosts, func(g *graph) bool { return g.byName[name] != nil }) {
			j.unseen(name, fmt.Sprintf("%s names a link that is in no network namespace that was seen", names[name]))
		}
	}
}

// mapping judges a physical network on a VLAN. That is a fault only where
// VLAN networks live on that physical network.
func (j *judge) mapping(g *graph, m Mapping) {
	status, why := stackmend.Warn, fmt.Sprintf("VLAN networks on %s, if there are any, get a tag on top of its tag", m.Physnet)
	if used, known := j.vlansOn(m.Physnet); known {
		if used == 0 {
			return
		}
		status, why = stackmend.Fail, fmt.Sprintf("%d VLAN networks on %s get a tag on top of its tag", used, m.Physnet)
	}
	l := g.byName[m.Interface]
	if l == nil || !l.isBridge() {
		j.vlanInterface(g, m.Setting, m.Interface, status, why)
		return
	}
	for _, p := range g.uplinksOf(l) {
		if p.Kind == VLAN && (l.Kind == Bridge || len(g.ports[l.Index]) > 0) {
			j.vlanInterface(g, m.Setting, p.Name, status, fmt.Sprintf("it is a port of %s; %s", l.Name, why))
		}
	}
}

// vlansOn counts the VLAN networks of a physical network; known is false
// where the networks, or their segments, were not seen.
func (j *judge) vlansOn(physnet string) (n int, known bool) {
	for _, w := range j.s.Networks {
		for _, s := range w.Segments {
			known = true
			if s.Type == "vlan" && s.Physnet == physnet {
				n++
			}
		}
	}
	return n, known
}

func (j *judge) vlanInterface(g *graph, s Setting, link string, status stackmend.Status, why string) {
	l := g.byName[link]
	if l == nil || l.Kind != VLAN {
		return
	}
	base := l.Name
	if p, _ := g.under(l); p != nil {
		base = p.Name
	}
	j.add(stackmend.Finding{
		Code: CodeVLANInterfaceIsVLAN, Status: status, Subject: g.name(l),
		Message:  fmt.Sprintf("%s: %s is itself VLAN %v on %s; %s", s, l.Name, l.Tag, base, why),
		Fix:      fmt.Sprintf("name %s instead, or a device that carries no tag", base),
		Evidence: append(evidence(s.Source, s.Key+" = "+s.Value), g.linkEvidence(l)...),
	})
}

// physnetLink compares a configured MTU with the link it is about.
func (j *judge) physnetLink(g *graph, c Config, m Mapping) {
	l := g.byName[m.Interface]
	if l == nil || l.Kind == OpenVSwitch {
		return
	}
	want, err := c.SegmentMTU(Segment{Type: "flat", Physnet: m.Physnet})
	if err != nil || want <= l.MTU {
		return
	}
	line := c.GlobalPhysnetMTU
	if of, _ := c.physnetMTUs(); of[m.Physnet] == want {
		line = c.PhysnetMTUs
	}
	j.configAbove(g, line, l, want, fmt.Sprintf("networks on %s get MTU %d", m.Physnet, want))
}

func (j *judge) configAbove(g *graph, line Setting, l *Link, want int, what string) {
	message := fmt.Sprintf("%s, %s has %d", what, l.Name, l.MTU)
	if line.Set() {
		message += "; " + line.String()
	} else {
		message += fmt.Sprintf("; global_physnet_mtu is not set and so %d", defaultGlobalPhysnetMTU)
	}
	j.add(stackmend.Finding{
		Code: CodeConfigAboveLink, Status: stackmend.Fail, Subject: g.name(l), Message: message,
		Fix:      fmt.Sprintf("raise %s to %d, or lower the setting to %d; networks keep the MTU they were made with", l.Name, want, l.MTU),
		Evidence: g.linkEvidence(l),
	})
}

// tunnelsOf compares what neutron reckons for tunnels with the links under
// the tunnels of a host.
func (j *judge) tunnelsOf(g *graph, c Config) {
	if !c.GlobalPhysnetMTU.Set() && !c.PathMTU.Set() && !c.OverlayIPVersion.Set() {
		return // no neutron configuration
	}
	reported := map[string]bool{}
	for i := range g.host.Links {
		l := &g.host.Links[i]
		if !l.Up || l.Kind != VXLAN && l.Kind != Geneve && l.Kind != GRETap {
			continue
		}
		j.underlayVersion(g, c, l)
		under, _ := g.under(l)
		if under == nil || reported[under.Name] {
			continue
		}
		reported[under.Name] = true
		j.underlayMTU(g, c, l, under)
	}
}

func (j *judge) underlayMTU(g *graph, c Config, l, under *Link) {
	add, err := c.encapsulation(map[Kind]string{VXLAN: "vxlan", Geneve: "geneve", GRETap: "gre"}[l.Kind])
	if err != nil {
		return
	}
	inner, err := c.SegmentMTU(Segment{Type: map[Kind]string{VXLAN: "vxlan", Geneve: "geneve", GRETap: "gre"}[l.Kind]})
	if err != nil || inner+add <= under.MTU {
		return
	}
	why := fmt.Sprintf("%s networks count on %d bytes under %s", l.Kind, inner+add, l.Name)
	if n, _ := c.PathMTU.number(0); n == 0 {
		why += "; path_mtu is 0 or not set, which means that global_physnet_mtu is taken, not that there is no limit"
	}
	j.configAbove(g, c.underlayLine(inner+add), under, inner+add, why)
}

// underlayLine is the setting that bounds the outer packets of tunnels.
func (c *Config) underlayLine(outer int) Setting {
	if n, _ := c.PathMTU.number(0); n == outer {
		return c.PathMTU
	}
	return c.GlobalPhysnetMTU
}

func (j *judge) underlayVersion(g *graph, c Config, l *Link) {
	version, err := c.OverlayIPVersion.number(4)
	at := netip.Addr{}
	for _, a := range []netip.Addr{l.Tunnel.Local, l.Tunnel.Remote} {
		if a.IsValid() {
			at = a
		}
	}
	if err != nil || !at.IsValid() || at.Is6() == (version == 6) {
		return
	}
	j.add(stackmend.Finding{
		Code: CodeUnderlayVersion, Status: stackmend.Fail, Subject: g.name(l),
		Message: fmt.Sprintf("overlay_ip_version is %d (%s), %s goes to %v: IPv6 adds 20 bytes more than IPv4", version, c.OverlayIPVersion, l.Name, at),
		Fix:     "set [ml2] overlay_ip_version to what the tunnels use; networks keep the MTU they were made with", Evidence: g.linkEvidence(l),
	})
}
