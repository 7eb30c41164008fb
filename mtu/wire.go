package mtu

import (
	"fmt"
	"strings"
)

// wiring finds what a port is connected to.
type wiring struct {
	byPort map[Port]Wire
	graphs map[string]*graph
}

func newWiring(wires []Wire) wiring {
	w := wiring{make(map[Port]Wire, 2*len(wires)), map[string]*graph{}}
	for _, x := range wires {
		w.byPort[x.From] = x
		if x.To != (Port{}) {
			y := x
			y.From, y.To = x.To, x.From
			w.byPort[x.To] = y
		}
	}
	return w
}

// at finds the wire of a port; one declared without a host is that of every
// host's port of this name.
func (w wiring) at(p Port) (Wire, bool) {
	if x, ok := w.byPort[p]; ok {
		return x, true
	}
	x, ok := w.byPort[Port{Link: p.Link}]
	return x, ok
}

// far returns the link at the other end of a wire, if it was seen.
func (w wiring) far(x Wire) (*graph, *Link) {
	if g := w.graphs[x.To.Host]; g != nil {
		return g, g.byName[x.To.Link]
	}
	return nil, nil
}

// wire takes the packet to a port to the outside, and beyond if that was
// seen.
//
// What fits was measured with veth as the wire: a frame passes if
// 14 + IP length + 4 x (tags in the data) <= mtu + 14 + 4, where mtu is that
// of the receiving end. A device that takes the outermost tag beside the data
// does not count it; on a real wire it is counted all the same.
func (k walk) wire(l *Link) {
	x, declared := k.w.at(Port{k.g.host.Name, l.Name})
	if peer := k.g.byIndex[l.Peer]; l.Kind == Veth && !l.Elsewhere && peer != nil {
		k.receive(l, k.g, peer)
		return
	}
	if g, far := k.w.far(x); declared && far != nil && l.Kind == Veth && x.Frame == 0 {
		k.receive(l, g, far)
		return
	}
	k.send(l, x, declared)
	if g, far := k.w.far(x); far != nil {
		k.hops[len(k.hops)-1].lower(k.arrives(l, far), "what "+x.To.String()+" takes", len(k.tags) < 2 || x.Frame > 0)
		k.into(g, far)
		return
	}
	k.end("")
}

// send bounds the packet by the sending port, where the receiving one is not
// known, and by what the wire is declared to take.
func (k *walk) send(l *Link, x Wire, declared bool) {
	at := &k.hops[len(k.hops)-1]
	switch {
	case x.Frame > 0 && len(k.tags) > 1: // declared: better than any guess about the port
		at.lower(x.Frame-etherHeader-tagBytes*len(k.tags)-k.adds, k.wireTakes(x), true)
	case x.Frame > 0:
		at.lower(l.MTU-k.adds, "its MTU", true)
		at.lower(x.Frame-etherHeader-tagBytes*len(k.tags)-k.adds, k.wireTakes(x), true)
	case l.Kind == Veth:
		at.lower(k.arrives(l, l), k.portTakes(l), l.TxVLAN != OffloadUnknown || len(k.tags) < 2)
	default:
		at.lower(l.MTU-k.adds-tagBytes*max(0, len(k.tags)-1), k.portTakes(l), len(k.tags) < 2)
	}
	if !declared {
		k.unknown = append(k.unknown, unseenBeyond+k.g.host.Name+"/"+l.Name)
	}
}

const unseenBeyond = "the other side was not seen: "

func (k *walk) wireTakes(x Wire) string {
	return fmt.Sprintf("the wire takes frames of %d bytes, and %d tags are in the frame (%s)", x.Frame, len(k.tags), x.Source)
}

func (k *walk) portTakes(l *Link) string {
	n, note := k.tagsInData(l), ""
	if l.Kind == Physical {
		n = len(k.tags)
		note = "; a device that takes two tags is not known to be there"
	}
	return fmt.Sprintf("a port with MTU %d takes frames of %d bytes, %d tags are in the data%s",
		l.MTU, l.MTU+etherHeader+tagBytes, n, note)
}

// arrives is the largest packet that far takes when l sends it.
func (k *walk) arrives(l, far *Link) int {
	return far.MTU + tagBytes - k.adds - tagBytes*k.tagsInData(l)
}

// tagsInData counts the tags that are part of the frame's data at l.
func (k *walk) tagsInData(l *Link) int {
	if n := len(k.tags); n > 0 && l.TxVLAN == OffloadOn {
		return n - 1
	}
	return len(k.tags)
}

// receive crosses a veth pair.
func (k walk) receive(l *Link, g *graph, far *Link) {
	k.hops[len(k.hops)-1].lower(k.arrives(l, far),
		fmt.Sprintf("its other end %s has %s", far.Name, strings.TrimPrefix(k.portTakes(far), "a port with ")),
		l.TxVLAN != OffloadUnknown || len(k.tags) < 2)
	k.into(g, far)
}

// into goes on in the host where the packet arrived: through its bridge, or
// it ends there; what stands on that port is joined later.
func (k walk) into(g *graph, far *Link) {
	m := g.byIndex[far.Master]
	if m == nil || !m.isBridge() {
		k.arrived = Port{g.host.Name, far.Name}
		k.end("")
		return
	}
	if k.looped(far) {
		return
	}
	k.g = g
	k.push(far, Hop{})
	k.bridged(m, far)
}

// lower notes a limit at a hop if it is the first or lower than the one there.
func (h *Hop) lower(fits int, why string, sure bool) {
	if h.Why == "" || fits < h.Fits {
		h.Fits, h.Why, h.Sure = fits, why, sure
	}
}
