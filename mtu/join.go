package mtu

import (
	"fmt"
	"slices"
	"strings"
)

// joint is where two halves of a path meet: a port, and the tags of the
// frames there.
type joint struct {
	port Port
	tags string
}

func tagList(tags []Tag) string {
	words := make([]string, len(tags))
	for i, t := range tags {
		words[i] = t.String()
	}
	return strings.Join(words, ".")
}

// join continues paths that arrive at a port of another host that was seen,
// with the stack there that takes the same tags.
func join(paths []Path) {
	if !slices.ContainsFunc(paths, func(p Path) bool { return p.arrived != (Port{}) }) {
		return
	}
	halves := map[joint]*Path{}
	for i := range paths {
		p := &paths[i]
		if !p.Outside {
			continue
		}
		exit := p.Exit()
		for _, name := range append([]string{exit.Link}, exit.Also...) {
			at := joint{Port{exit.Host, name}, tagList(p.Tags)}
			if h := halves[at]; h == nil || p.Largest < h.Largest {
				halves[at] = p
			}
		}
	}
	joined := make([]Path, len(paths))
	for i, p := range paths {
		joined[i] = p.with(halves)
	}
	copy(paths, joined)
}

// with returns the path continued up the stack at the other side.
func (p Path) with(halves map[joint]*Path) Path {
	if p.arrived == (Port{}) {
		return p
	}
	far := halves[joint{p.arrived, tagList(p.Tags)}]
	if far == nil {
		if !p.carriesTunnel() && len(p.Tags) > 0 {
			p.Unknown = append(slices.Clip(p.Unknown), fmt.Sprintf("nothing was seen at %s that takes frames with the tags %s", p.arrived, tagList(p.Tags)))
		}
		return p
	}
	up := slices.Clone(far.Hops)
	slices.Reverse(up)
	for i := range up {
		up[i].Up = true
	}
	p.Hops = append(slices.Clip(p.Hops), up...)
	for _, u := range far.Unknown {
		if !slices.Contains(p.Unknown, u) {
			p.Unknown = append(slices.Clip(p.Unknown), u)
		}
	}
	p.limit()
	return p
}

func (p Path) carriesTunnel() bool {
	return slices.ContainsFunc(p.Hops, func(h Hop) bool { return h.Kind.IsTunnel() })
}

// pairVeths finds the wires between observed hosts that are veth pairs: those
// that were proven when they were read, and those where one link of exactly
// one other host names the indexes of both.
func pairVeths(hosts []Host) []Wire {
	type pair struct{ self, peer int }
	type end struct {
		port   Port
		proven string
	}
	ends := map[pair][]end{}
	for _, h := range hosts {
		for _, l := range h.Links {
			if l.Kind == Veth && l.Elsewhere {
				at := pair{l.Index, l.Peer}
				ends[at] = append(ends[at], end{Port{h.Name, l.Name}, l.PeerHost})
			}
		}
	}
	var out []Wire
	for at, near := range ends {
		for _, n := range near {
			var others []end
			for _, o := range ends[pair{at.peer, at.self}] {
				if o.port.Host != n.port.Host && (n.proven == "" || n.proven == o.port.Host) {
					others = append(others, o)
				}
			}
			alone := 1
			if at.self == at.peer {
				alone = 2 // the other end is in the same list
			}
			if len(others) == 1 && (n.proven != "" || len(near) == alone) {
				out = append(out, Wire{From: n.port, To: others[0].port, Source: "veth pair"})
			}
		}
	}
	slices.SortFunc(out, func(a, b Wire) int { return strings.Compare(a.From.String(), b.From.String()) })
	return out
}
