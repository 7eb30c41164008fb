package mtu

import (
	"fmt"
	"slices"
)

// A Path is the way of a packet from a link where packets begin down to the
// wire.
type Path struct {
	Host string
	Hops []Hop
	// Largest is the largest IP packet, in bytes, that passes all hops whose
	// limit is known. 0: no hop's is.
	Largest int
	// Limit is the index of the hop that Largest comes from.
	Limit int
	// Sure says that the limit is a rule of the kernel that was measured or a
	// declared fact; otherwise a device or switch that nobody knows may take
	// more, or less.
	Sure bool
	// Unknown says what could not be seen of this path, and so may limit it
	// further.
	Unknown []string
	// Tags are those of the frame at the wire, the outermost first.
	Tags []Tag
	// Outside: the path ends at a port of the host, not inside of it.
	Outside bool

	arrived Port // at the other side of the last wire
}

// A Hop is one link of a path.
type Hop struct {
	Host string
	Link string
	Kind Kind
	MTU  int
	Up   bool     // on the far side, where the packet goes up the stack
	Tag  *Tag     // that it adds, or takes off on the way up
	VNI  int64    // of a tunnel; -1: chosen packet by packet
	Adds int      // bytes that it adds to the packet: encapsulation, not tags
	Also []string // other members of the bond, or other ports, not followed

	// Fits is the largest IP packet, as it enters the path, that this hop
	// takes; 0 if the hop does not look at the size. Why says by which rule.
	Fits int
	Why  string
	Sure bool
}

// Entrance returns the first hop.
func (p Path) Entrance() Hop { return p.Hops[0] }

// Exit returns the last hop: the port at the wire, or where sight ended.
func (p Path) Exit() Hop { return p.Hops[len(p.Hops)-1] }

// Limiting returns the hop that limits the path.
func (p Path) Limiting() Hop { return p.Hops[p.Limit] }

// maxBranches is how many ways out of one bridge are followed.
const maxBranches = 16

// Paths returns the paths of the hosts, from every link where packets begin,
// in the order of the hosts and links. Where two hosts are connected by a Wire
// or a veth pair, a path goes on at the other host. Links of one host that
// share a name or an index are an error.
func Paths(hosts []Host, wires []Wire) ([]Path, error) {
	w := newWiring(append(pairVeths(hosts), wires...))
	for i := range hosts {
		h := &hosts[i]
		g, err := newGraph(h)
		if err != nil {
			return nil, fmt.Errorf("mtu: host %s: %w", h.Name, err)
		}
		if w.graphs[h.Name] != nil {
			return nil, fmt.Errorf("mtu: host %q is given twice", h.Name)
		}
		w.graphs[h.Name] = g
	}
	var out []Path
	for _, h := range hosts {
		out = append(out, w.graphs[h.Name].paths(w)...)
	}
	join(out)
	return out, nil
}

func (g *graph) paths(w wiring) []Path {
	var out []Path
	for _, l := range g.entrances() {
		out = append(out, g.from(l, w)...)
	}
	return out
}

// walk is the state of a packet on its way down.
type walk struct {
	g       *graph
	w       wiring
	hops    []Hop
	links   []*Link
	adds    int   // bytes of encapsulation around the packet
	tags    []Tag // of the frame, the outermost first
	unknown []string
	arrived Port
	out     *[]Path
}

// from returns the paths that begin at l.
func (g *graph) from(l *Link, w wiring) []Path {
	var out []Path
	const usual = 8 // links between a packet and the wire
	k := walk{g: g, w: w, out: &out, hops: make([]Hop, 0, usual), links: make([]*Link, 0, usual)}
	k.enter(l)
	return out
}

func (k walk) enter(l *Link) {
	k.push(l, Hop{Fits: l.MTU, Why: "its MTU", Sure: true})
	if m := k.g.byIndex[l.Master]; m != nil && m.isBridge() {
		k.bridged(m, l)
		return
	}
	k.down(l)
}

// push notes a hop. Slices are clipped where the walk branches.
func (k *walk) push(l *Link, h Hop) {
	h.Host, h.Link, h.Kind, h.MTU = k.g.host.Name, l.Name, l.Kind, l.MTU
	k.hops, k.links = append(k.hops, h), append(k.links, l)
}

// looped reports, and notes, that the links go round in a circle.
func (k *walk) looped(l *Link) bool {
	if !slices.Contains(k.links, l) {
		return false
	}
	k.end(fmt.Sprintf("the links go round in a circle at %s", l.Name))
	return true
}

// down goes on below l, which has been pushed.
func (k walk) down(l *Link) {
	switch {
	case l.isBridge():
		k.bridge(l, nil)
	case l.isBond():
		k.members(l)
	case l.Kind == VLAN:
		tag := l.Tag
		k.hops[len(k.hops)-1].Tag = &tag
		k.tags = append([]Tag{tag}, k.tags...)
		k.stand(l)
	case l.Kind.IsTunnel():
		k.tunnel(l)
	case l.Kind == Macvlan, l.Kind == Macvtap, l.Kind == IPvlan:
		k.stand(l)
	case l.Kind == Physical, l.Kind == Veth:
		k.wire(l)
	case l.Kind == Dummy, l.Kind == Tun:
		k.end("")
	default:
		k.end(fmt.Sprintf("nothing is known of links of kind %q (%s)", l.Kind, l.Name))
	}
}

// stand goes on with the link that l stands on.
func (k walk) stand(l *Link) {
	p, unknown := k.g.under(l)
	if p == nil {
		if unknown == "" {
			unknown = fmt.Sprintf("what %s stands on was not seen", l.Name)
		}
		k.end(unknown)
		return
	}
	if k.looped(p) {
		return
	}
	k.push(p, Hop{})
	k.down(p)
}

// bridged goes from a port into its bridge. A bridge's own MTU bounds only
// packets that begin at the bridge.
func (k walk) bridged(bridge, from *Link) {
	if k.looped(bridge) {
		return
	}
	k.push(bridge, Hop{})
	k.bridge(bridge, from)
}

func (k walk) bridge(bridge, from *Link) {
	if bridge.Kind == OpenVSwitch {
		k.end(fmt.Sprintf("where the flows of %s send a frame is not seen from its links", bridge.Name))
		return
	}
	var ways []*Link
	for _, p := range k.g.uplinksOf(bridge) {
		if p != from && len(ways) <= maxBranches {
			ways = append(ways, p)
		}
	}
	if len(ways) == 0 {
		k.end("") // frames stay on this host
		return
	}
	for _, p := range ways[:min(len(ways), maxBranches)] {
		b := k
		if len(ways) > 1 {
			b = k.branch()
		}
		if len(ways) > maxBranches {
			b.unknown = append(b.unknown, fmt.Sprintf("%s has more than %d ways out, the others were not followed", bridge.Name, maxBranches))
		}
		b.port(p)
	}
}

func (k walk) branch() walk {
	k.hops, k.links = slices.Clone(k.hops), slices.Clone(k.links)
	k.tags, k.unknown = slices.Clone(k.tags), slices.Clone(k.unknown)
	return k
}

// port sends the frame out of a bridge: the kernel's is_skb_forwardable takes
// mtu + 14 + 4 bytes, and no tag is in the data twice.
func (k walk) port(p *Link) {
	if k.looped(p) {
		return
	}
	k.push(p, Hop{
		Fits: p.MTU + tagBytes - tagBytes*len(k.tags) - k.adds, Sure: true,
		Why: fmt.Sprintf("a bridge passes frames of %d bytes to it", p.MTU+etherHeader+tagBytes),
	})
	k.down(p)
}

// end makes the path of the walk.
func (k *walk) end(unknown string) {
	if unknown != "" {
		k.unknown = append(k.unknown, unknown)
	}
	last := k.links[len(k.links)-1]
	p := Path{Host: k.hops[0].Host, Hops: k.hops, Unknown: k.unknown, Tags: k.tags,
		Outside: last.Kind == Physical || last.Kind == Veth, arrived: k.arrived}
	p.limit()
	*k.out = append(*k.out, p)
}

// limit finds the hop that takes the least.
func (p *Path) limit() {
	p.Largest, p.Sure = 0, true
	for i, h := range p.Hops {
		if h.Why != "" && (p.Largest == 0 || h.Fits < p.Largest) {
			p.Largest, p.Limit, p.Sure = max(h.Fits, 1), i, h.Sure
		}
	}
}
