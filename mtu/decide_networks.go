package mtu

import (
	"fmt"
	"strings"

	"github.com/stackmend/stackmend"
)

// networks compares the MTU of each network with today's configuration and
// with the paths that carry it.
func (j *judge) networks() {
	carriers := j.carriers()
	var unjudged []string
	for _, n := range j.s.Networks {
		if n.MTU == 0 {
			continue // neutron knows no bound and announces none
		}
		judged := false
		subject := n.ID
		if n.Name != "" {
			subject = n.Name + " (" + n.ID + ")"
		}
		for _, c := range j.s.Configs {
			if c.neutronServer() && len(n.Segments) > 0 {
				j.networkConfig(subject, n, c)
				judged = true
			}
		}
		for _, s := range n.Segments {
			judged = j.networkPaths(subject, n, s, carriers) || judged
		}
		if !judged {
			unjudged = append(unjudged, subject)
		}
	}
	if len(unjudged) > 0 {
		j.unseen(list(unjudged), fmt.Sprintf("%d networks could be compared with nothing: no link that was seen carries them, and neutron's configuration, or their provider:* attributes, which administrators see, were not given", len(unjudged)))
	}
}

// neutronServer reports that the configuration is neutron's server's, who
// reckons the MTUs, rather than an agent's.
func (c *Config) neutronServer() bool {
	return c.GlobalPhysnetMTU.Set() || c.PathMTU.Set() || c.PhysnetMTUs.Set() || c.OverlayIPVersion.Set() || c.MechanismDrivers.Set()
}

func (j *judge) networkConfig(subject string, n Network, c Config) {
	lowest := 0
	for _, s := range n.Segments {
		m, err := c.SegmentMTU(s)
		if err != nil {
			j.unseen(subject, err.Error())
			return
		}
		if m > 0 && (lowest == 0 || m < lowest) {
			lowest = m
		}
	}
	f := stackmend.Finding{Subject: subject, Evidence: append(evidence("networks", fmt.Sprintf("mtu %d %v", n.MTU, n.Segments)), c.evidence()...)}
	switch {
	case lowest == 0 || n.MTU == lowest:
		return
	case n.MTU > lowest:
		f.Code, f.Status = CodeNetworkAbovePath, stackmend.Fail
		f.Message = fmt.Sprintf("the network has MTU %d, its configuration gives %d today: it is older than the configuration", n.MTU, lowest)
		f.Fix = fmt.Sprintf("openstack network set --mtu %d %s; instances learn it by DHCP when they renew or reboot", lowest, n.ID)
	default:
		f.Code, f.Status, f.Confidence = CodeNetworkStale, stackmend.Warn, stackmend.Low
		f.Message = fmt.Sprintf("the network has MTU %d, its configuration gives %d today: it is older than the configuration, or was lowered on purpose", n.MTU, lowest)
		f.Fix = fmt.Sprintf("if it was not on purpose: openstack network set --mtu %d %s", lowest, n.ID)
	}
	j.add(f)
}

func (c *Config) evidence() []stackmend.Evidence {
	var out []stackmend.Evidence
	for _, s := range []Setting{c.GlobalPhysnetMTU, c.PhysnetMTUs, c.PathMTU, c.OverlayIPVersion, c.GeneveHeader} {
		if s.Set() {
			out = append(out, stackmend.Evidence{Source: s.Source, Value: s.Key + " = " + s.Value})
		}
	}
	return out
}

// carrier is what tells the networks on the links apart: a tag or a VNI.
type carrier struct {
	kind string
	id   int64
}

// carriers indexes the paths by the innermost tag, or VNI, they put on.
func (j *judge) carriers() map[carrier][]*Path {
	out := map[carrier][]*Path{}
	for i := range j.paths {
		p := &j.paths[i]
		for _, h := range p.Hops {
			var at carrier
			switch {
			case h.Tag != nil:
				at = carrier{"vlan", int64(h.Tag.ID)}
			case h.Kind.IsTunnel() && h.VNI > 0:
				at = carrier{string(h.Kind), h.VNI}
			default:
				continue
			}
			out[at] = append(out[at], p)
			break
		}
	}
	return out
}

func (j *judge) networkPaths(subject string, n Network, s Segment, carriers map[carrier][]*Path) (judged bool) {
	var paths []*Path
	if s.Type == "vlan" {
		paths = j.mapped(s)
	}
	if len(paths) == 0 { // no mapping tells where: by the tag or VNI on the links
		paths = carriers[carrier{strings.Replace(s.Type, "gre", "gretap", 1), int64(s.ID)}]
	}
	var worst *Path
	for _, p := range paths {
		if p.Largest > 0 && p.Largest < n.MTU && (worst == nil || p.Largest < worst.Largest) {
			worst = p
		}
	}
	if worst == nil {
		return len(paths) > 0
	}
	f := stackmend.Finding{Code: CodeNetworkAbovePath, Status: stackmend.Fail, Subject: subject, Confidence: stackmend.High,
		Message: fmt.Sprintf("the network has MTU %d, its path from %s takes %d; the limit is %s",
			n.MTU, Port{worst.Host, worst.Entrance().Link}, worst.Largest, worst.Limiting().says()),
		Fix:      fmt.Sprintf("mend the path, or until then: openstack network set --mtu %d %s", worst.Largest, n.ID),
		Evidence: append(evidence("networks", fmt.Sprintf("mtu %d %v", n.MTU, s)), j.pathEvidence(worst)...),
	}
	if !worst.Sure {
		f.Status, f.Confidence = stackmend.Unknown, stackmend.Medium
		f.Message = "if device and switch take no more than usual, " + f.Message
	}
	j.add(f)
	return true
}

// mapped returns the paths that a VLAN segment takes by the mappings: a tag
// on top of the interface that its physical network is mapped to.
func (j *judge) mapped(s Segment) []*Path {
	var out []*Path
	for _, c := range j.s.Configs {
		for _, m := range c.Mappings {
			if m.Physnet != s.Physnet {
				continue
			}
			for _, g := range j.of(c) {
				out = append(out, g.tagged(m.Interface, Tag{s.ID, "802.1Q"}, newWiring(j.s.Wires))...)
			}
		}
	}
	return out
}

// tagged returns the paths of frames with one more tag from a link, or a
// bridge, on.
func (g *graph) tagged(link string, t Tag, w wiring) []*Path {
	l := g.byName[link]
	if l == nil {
		return nil
	}
	var paths []Path
	k := walk{g: g, w: w, out: &paths, tags: []Tag{t}}
	k.push(l, Hop{})
	k.down(l)
	var out []*Path
	for i := range paths {
		out = append(out, &paths[i])
	}
	return out
}
