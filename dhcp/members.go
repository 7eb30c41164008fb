package dhcp

import (
	"cmp"
	"iter"
	"slices"
)

// A member is a track that belongs to a client, by its place in the snapshot:
// of many clients a list of these is small.
type member struct {
	client       uint64 // keyOf its MAC
	trace, track uint32
}

// members are the tracks of all clients, in the order of clients and of the
// traces within each.
func (s *Snapshot) members() []member {
	var all, heard, orphans []member
	for i, trace := range s.Traces {
		for j, t := range trace.Tracks {
			m := member{keyOf(t.MAC), uint32(i), uint32(j)}
			switch {
			case t.Events.n == 0:
			case t.Heard:
				heard = append(heard, m)
			case t.MAC == (MAC{}):
				orphans = append(orphans, m)
			default:
				all = append(all, m)
			}
		}
	}
	sortMembers(all)
	sortMembers(heard)
	near := len(all)
	for i, m := range heard { // all that there is of this client
		if _, known := slices.BinarySearchFunc(all[:near], m, compareClients); !known && (i == 0 || heard[i-1].client != m.client) {
			all = append(all, m)
		}
	}
	sortMembers(all)
	all = append(all, s.adopted(all, orphans)...)
	sortMembers(all)
	return all
}

func compareClients(a, b member) int { return cmp.Compare(a.client, b.client) }

func sortMembers(all []member) {
	if !slices.IsSortedFunc(all, compareClients) {
		slices.SortStableFunc(all, compareClients)
	}
}

// clientsOf gives the members of each client.
func clientsOf(all []member) iter.Seq[[]member] {
	return func(yield func([]member) bool) {
		for len(all) > 0 {
			n := 1
			for n < len(all) && all[n].client == all[0].client {
				n++
			}
			if !yield(all[:n]) {
				return
			}
			all = all[n:]
		}
	}
}

// countClients counts the clients among sorted members.
func countClients(all []member) (n int) {
	for range clientsOf(all) {
		n++
	}
	return n
}

// track is the track of a member.
func (s *Snapshot) track(m member) *Track { return s.Traces[m.trace].Tracks[m.track] }

// views are those of one client.
func (s *Snapshot) views(of []member) []View {
	views := make([]View, len(of))
	for i, m := range of {
		trace := s.Traces[m.trace]
		views[i] = View{Track: s.track(m), Trace: trace, Point: trace.Point}
	}
	return views
}

// macOf is the MAC of a key.
func macOf(key uint64) (m MAC) {
	for i := range m {
		m[i] = byte(key >> (8 * (len(m) - 1 - i)))
	}
	return m
}
