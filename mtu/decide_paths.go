package mtu

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/stackmend/stackmend"
)

// judgePaths reports each cause once, however many paths share it.
func (j *judge) judgePaths() {
	j.stacked()
	j.small()
	j.notSeen()
}

// stack is one VLAN that stands on another.
type stack struct{ host, inner, outer string }

// stacked finds VLANs on VLANs that the wire does not take, or takes only
// because a device keeps one tag beside the data.
func (j *judge) stacked() {
	worst := map[stack]*Path{}
	for i := range j.paths {
		p := &j.paths[i]
		for n := 1; n < len(p.Hops); n++ {
			in, out := p.Hops[n-1], p.Hops[n]
			if in.Up {
				in, out = out, in
			}
			if in.Kind != VLAN || out.Kind != VLAN || in.Host != out.Host || in.Tag == nil || out.Tag == nil {
				continue
			}
			at := stack{in.Host, in.Link, out.Link}
			if w := worst[at]; w == nil || p.short() > w.short() {
				worst[at] = p
			}
		}
	}
	for _, at := range slices.SortedFunc(maps.Keys(worst), compareStacks) {
		j.stackedVLAN(at, worst[at])
	}
}

func compareStacks(a, b stack) int {
	return cmp.Or(strings.Compare(a.host, b.host), strings.Compare(a.outer, b.outer), strings.Compare(a.inner, b.inner))
}

// short is by how many bytes a path takes less than the link it begins at
// promises.
func (p *Path) short() int { return p.Entrance().MTU - p.Largest }

// stackedVLAN makes the finding, if there is one: enough room for the second
// tag is no fault.
func (j *judge) stackedVLAN(at stack, p *Path) {
	f := stackmend.Finding{
		Code: CodeStackedVLAN, Status: stackmend.Fail, Subject: Port{at.host, at.inner}.String(),
		Confidence: stackmend.High,
		Fix:        j.unstack(at, p),
		Evidence:   append(j.pathEvidence(p), j.madeBy(at.host, at.outer)...),
	}
	frame := p.Entrance().MTU + etherHeader + tagBytes*len(p.Tags)
	message := fmt.Sprintf("%s stands on %s, which is a VLAN too: a packet of %d bytes becomes a frame of %d with the tags %s",
		at.inner, at.outer, p.Entrance().MTU, frame, tagList(p.Tags))
	switch limit := p.Limiting(); {
	case p.short() > 0 && p.Sure:
		f.Message = fmt.Sprintf("%s; %s: packets of more than %d bytes are lost, and nobody is told", message, limit.says(), p.Largest)
	case p.short() > 0:
		f.Confidence = stackmend.Medium
		f.Message = fmt.Sprintf("%s; %s: unless device and switch are known to take more, packets of more than %d bytes are lost, and nobody is told",
			message, limit.says(), p.Largest)
	case p.short() > -tagBytes && j.offloaded(p):
		f.Status = stackmend.Warn
		f.Message = fmt.Sprintf("%s; it passes only because %s keeps the outer tag beside the data", message, p.wireHop().Link)
	default:
		return
	}
	if line := j.settingOf(at.host, at.outer); line.Set() {
		f.Message += "; " + line.String()
	}
	j.add(f)
}

func (h Hop) says() string { return Port{h.Host, h.Link}.String() + ": " + h.Why }

// wireHop is the port at which the frame leaves the host.
func (p *Path) wireHop() Hop {
	for _, h := range slices.Backward(p.Hops) {
		if h.Host == p.Exit().Host && (h.Kind == Veth || h.Kind == Physical) {
			return h
		}
	}
	return p.Exit()
}

func (j *judge) offloaded(p *Path) bool {
	h := p.wireHop()
	g := j.hosts[h.Host]
	return g != nil && g.byName[h.Link] != nil && g.byName[h.Link].TxVLAN == OffloadOn && h.Kind == Veth
}

// unstack says what to do about a VLAN on a VLAN.
func (j *judge) unstack(at stack, p *Path) string {
	need := p.Entrance().MTU + tagBytes*(len(p.Tags)-1)
	g := j.hosts[at.host]
	base := g.byName[at.outer]
	for base != nil && base.Kind == VLAN {
		base, _ = g.under(base)
	}
	if base == nil {
		return fmt.Sprintf("put %s on the device below %s, or give every link below it, and the switch, %d", at.inner, at.outer, need)
	}
	fix := fmt.Sprintf("put %s on %s; or, if two tags are meant, give %s, its members, %s and the switch an MTU of %d on both sides",
		at.inner, base.Name, base.Name, at.outer, need)
	if line := j.settingOf(at.host, at.outer); line.Set() {
		fix = fmt.Sprintf("in %s set %s = %s (now %s); then make %s anew. Otherwise: %s", line.Source, line.Key, base.Name, line.Value, at.inner, fix)
	}
	return fix
}

// pathEvidence is the path, hop by hop.
func (j *judge) pathEvidence(p *Path) []stackmend.Evidence {
	var out []stackmend.Evidence
	for _, h := range p.Hops {
		g := j.hosts[h.Host]
		if g == nil || g.byName[h.Link] == nil {
			continue
		}
		out = append(out, stackmend.Evidence{Source: g.host.Source, Value: g.describe(g.byName[h.Link])})
	}
	return out
}

// cause is what a group of paths that are too small have in common.
type cause struct {
	at      Port
	largest int
	promise int
	sure    bool
}

func (j *judge) small() {
	groups := map[cause][]*Path{}
	for i := range j.paths {
		p := &j.paths[i]
		if p.Largest == 0 || p.short() <= 0 {
			continue
		}
		h := p.Limiting()
		c := cause{Port{h.Host, h.Link}, p.Largest, p.Entrance().MTU, p.Sure}
		groups[c] = append(groups[c], p)
	}
	causes := slices.SortedFunc(maps.Keys(groups), func(a, b cause) int {
		return cmp.Or(strings.Compare(a.at.String(), b.at.String()), a.largest-b.largest, a.promise-b.promise)
	})
	for _, c := range causes {
		j.smallPath(c, groups[c])
	}
}

func (j *judge) smallPath(c cause, paths []*Path) {
	var from []string
	for _, p := range paths {
		from = append(from, Port{p.Host, p.Entrance().Link}.String())
	}
	slices.Sort(from)
	f := stackmend.Finding{
		Code: CodePathTooSmall, Status: stackmend.Fail, Subject: c.at.String(), Confidence: stackmend.High,
		Message: fmt.Sprintf("the largest packet from %s is %d bytes, their MTU says %d; the limit is %s",
			list(from), c.largest, c.promise, paths[0].Limiting().says()),
		Fix:      fmt.Sprintf("raise %s by %d, or lower what begins there to %d", c.at, c.promise-c.largest, c.largest),
		Evidence: j.pathEvidence(paths[0]),
	}
	if !c.sure {
		f.Status, f.Confidence = stackmend.Unknown, stackmend.Medium
		f.Message = "if device and switch take no more than usual, " + f.Message
		f.Fix = "declare what the wire takes, or probe the path"
	}
	j.add(f)
}

// notSeen reports what keeps the paths from being known to their end.
func (j *judge) notSeen() {
	ports, other := map[string][]string{}, map[string][]string{}
	for _, p := range j.paths {
		for _, u := range p.Unknown {
			if port, ok := strings.CutPrefix(u, unseenBeyond); ok {
				ports[p.Host] = append(ports[p.Host], port)
				continue
			}
			other[u] = append(other[u], Port{p.Host, p.Entrance().Link}.String())
		}
	}
	for _, u := range slices.Sorted(maps.Keys(other)) {
		slices.Sort(other[u])
		j.unseen(list(other[u]), u)
	}
	for _, host := range slices.Sorted(maps.Keys(ports)) {
		slices.Sort(ports[host])
		j.add(stackmend.Finding{Code: CodeOtherSideNotSeen, Status: stackmend.Unknown, Subject: host,
			Message: fmt.Sprintf("what is beyond %s was not seen: the switch may take less", list(ports[host])),
			Fix:     "say what the wire takes, give the links of the host at its other end, or probe the path"})
	}
}
