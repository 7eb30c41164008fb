package dhcp

import (
	"math/bits"
	"slices"
)

// adopted joins the logs of clients that do not tell their MAC to the client
// that they must be of.
func adopted(groups map[MAC][]View, orphans []View) map[MAC][]View {
	if len(orphans) == 0 {
		return groups
	}
	known := index(groups)
	alone, single := onlyOne(groups)
	for _, o := range orphans {
		m, ok := known.owner(o.Track)
		if !ok && single && len(orphans) == 1 {
			m = alone
		}
		groups[m] = append(groups[m], o)
	}
	return groups
}

func onlyOne(groups map[MAC][]View) (MAC, bool) {
	for m := range groups {
		return m, len(groups) == 1
	}
	return MAC{}, false
}

// owners are the clients that used a transaction or an address.
type owners struct {
	xid  map[uint32][]MAC
	addr map[IPv4][]MAC
}

func index(groups map[MAC][]View) owners {
	o := owners{map[uint32][]MAC{}, map[IPv4][]MAC{}}
	for m, views := range groups {
		for _, v := range views {
			for _, e := range v.Track.Events.List() {
				if e.XID != 0 {
					note(o.xid, e.XID, m)
				}
				if e.Addr != (IPv4{}) {
					note(o.addr, e.Addr, m)
				}
			}
		}
	}
	return o
}

// note adds a client to the owners of a key.
func note[K comparable](all map[K][]MAC, key K, m MAC) {
	if !slices.Contains(all[key], m) {
		all[key] = append(all[key], m)
	}
}

// owner finds the one client that a track can be of: by transactions first,
// for addresses pass from one client to another.
func (o owners) owner(t *Track) (MAC, bool) {
	var byXID, byAddr []MAC
	for _, e := range t.Events.List() {
		if e.XID != 0 {
			byXID = append(append(byXID, o.xid[e.XID]...), o.xid[bits.ReverseBytes32(e.XID)]...)
		}
		if (e.Kind == Ack || e.Kind == Bound) && e.Addr != (IPv4{}) {
			byAddr = append(byAddr, o.addr[e.Addr]...)
		}
	}
	for _, found := range [][]MAC{byXID, byAddr} {
		if len(found) > 0 && !slices.ContainsFunc(found, func(m MAC) bool { return m != found[0] }) {
			return found[0], true
		}
	}
	return MAC{}, false
}
