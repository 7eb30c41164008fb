package dhcp

import (
	"math/bits"
	"slices"
)

// adopted joins the logs of clients that do not tell their MAC to the client
// that they must be of: to one of the members, which are sorted.
func (s *Snapshot) adopted(members, orphans []member) []member {
	if len(orphans) == 0 {
		return nil
	}
	known := s.index(members)
	for i := range orphans {
		o := &orphans[i]
		m, ok := known.owner(s.track(*o))
		if !ok && len(orphans) == 1 && countClients(members) == 1 {
			m = macOf(members[0].client)
		}
		o.client = keyOf(m)
	}
	return orphans
}

// owners are the clients that used a transaction or an address.
type owners struct {
	xid  map[uint32][]MAC
	addr map[IPv4][]MAC
}

func (s *Snapshot) index(members []member) owners {
	o := owners{map[uint32][]MAC{}, map[IPv4][]MAC{}}
	for _, m := range members {
		mac := macOf(m.client)
		for _, e := range s.track(m).Events.List() {
			if e.XID != 0 {
				note(o.xid, e.XID, mac)
			}
			if e.Addr != (IPv4{}) {
				note(o.addr, e.Addr, mac)
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
