package dhcp

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// A station is a client as it is kept while a log or capture is read: two lines
// of a processor's cache, without pointers. Of many clients nearly every event
// is of one that no cache has.
type station struct {
	chain           // its events
	mac      MAC    // as of Track, like the rest
	iface    uint16 // in recorder.names, from 1; 0: none, or in rest
	rest     uint32 // in recorder.rests, from 1; 0: nothing is told of it that others do not tell
	lease    times
	addr     IPv4
	server   IPv4
	given    int64     // when the lease was
	nameHash uint64    // of the first of its names, as a log had it; 0: not known
	firstWho [2]uint32 // the first of its names and of its client identifiers, in recorder.texts

	left    int64    // here the second line begins
	name    [55]byte // the first of its names, where it is that short
	nameLen uint8    // 0: none, or in recorder.texts
}

// What station.firstWho has.
const (
	hostNames = iota
	clientIDs
)

// A rest is what is told of few clients.
type rest struct {
	host, iface string
	more        [2][]string // names and client identifiers behind the first
}

// times are those of a lease, in seconds.
type times struct{ lease, t1, t2 uint32 }

func (l *Lease) times() times {
	return times{wholeSeconds(l.Time), wholeSeconds(l.T1), wholeSeconds(l.T2)}
}

// tell takes over the times that are told.
func (t *times) tell(told times) {
	t.lease, t.t1, t.t2 = cmp.Or(told.lease, t.lease), cmp.Or(told.t1, t.t1), cmp.Or(told.t2, t.t2)
}

// lastLease is the last one that was told.
func (c *station) lastLease() Lease {
	return Lease{Addr: c.addr, Server: c.server, At: keptAt(c.given), Time: inSeconds(c.lease.lease), T1: inSeconds(c.lease.t1), T2: inSeconds(c.lease.t2)}
}

func inSeconds(n uint32) time.Duration { return time.Duration(n) * time.Second }

// newClient makes a client; nil: there are too many.
func (r *recorder) newClient(m MAC) *station {
	if int(r.clients.n) >= r.o.MaxClients {
		return nil
	}
	c := r.clients.at(r.clients.grow())
	c.mac, c.given = m, untold
	return c
}

// restOf is what is told of few clients.
func (r *recorder) restOf(c *station) *rest {
	if c.rest == 0 {
		c.rest = r.rests.grow()
	}
	return r.rests.at(c.rest)
}

// setInterface notes the interface of a client.
func (r *recorder) setInterface(c *station, name []byte) {
	word := r.word(name)
	if c.iface = r.words[word]; c.iface == 0 && word != r.interfaceOf(c) {
		r.restOf(c).iface = word
	}
}

func (r *recorder) interfaceOf(c *station) string {
	if c.iface != 0 {
		return r.names[c.iface-1]
	}
	if c.rest != 0 {
		return r.rests.at(c.rest).iface
	}
	return ""
}

func (r *recorder) hostOf(c *station) string {
	if c.rest == 0 {
		return ""
	}
	return r.rests.at(c.rest).host
}

// who notes a name or client identifier, and returns its number.
func (r *recorder) who(c *station, what int, name []byte) uint8 {
	if len(name) == 0 {
		return 0
	}
	if string(r.first(c, what)) == string(name) {
		return 1
	}
	return r.whoElse(c, what, name)
}

// first returns the first name or client identifier; nil: there is none.
func (r *recorder) first(c *station, what int) []byte {
	if what == hostNames && c.nameLen > 0 {
		return c.name[:c.nameLen]
	}
	if at := c.firstWho[what]; at != 0 {
		return r.texts.at(at)
	}
	return nil
}

func (r *recorder) setFirst(c *station, what int, text []byte) {
	if what == hostNames && len(text) <= len(c.name) {
		c.nameLen = uint8(copy(c.name[:], text))
		return
	}
	c.firstWho[what] = r.texts.put(text)
}

// whoElse is who of a name that is not the first, as far as one can see.
func (r *recorder) whoElse(c *station, what int, name []byte) uint8 {
	var list []string
	if r.first(c, what) != nil {
		list, _ = r.whoOf(c, what, nil)
	}
	if i := slices.Index(list, string(name)); i >= 0 {
		return uint8(i + 1)
	}
	if len(list) >= maxNames {
		return maxNames
	}
	r.clean = appendClean(r.clean[:0], name)
	if i := slices.Index(list, string(r.clean)); i >= 0 || len(r.clean) == 0 {
		return uint8(i + 1)
	}
	if len(list) == 0 {
		r.setFirst(c, what, r.clean)
		return 1
	}
	rest := r.restOf(c)
	rest.more[what] = append(rest.more[what], string(r.clean))
	return uint8(len(list) + 1)
}

// whoOf appends the names or client identifiers of a client to words, and
// returns them alone too.
func (r *recorder) whoOf(c *station, what int, words []string) (all, own []string) {
	n := len(words)
	if first := r.first(c, what); first != nil {
		words = append(words, string(first))
	}
	if c.rest != 0 {
		words = append(words, r.rests.at(c.rest).more[what]...)
	}
	if len(words) == n {
		return words, nil
	}
	return words, words[n:len(words):len(words)]
}

// maxNames bounds the names of one MAC.
const maxNames = 8

// makeTracks makes tracks of all clients, sorted.
func (r *recorder) makeTracks() []*Track {
	n := int(r.clients.n)
	list := slices.Grow([]*Track(nil), n)[:n]
	var parts sync.WaitGroup
	for from := 0; from < n; from += tracksAtOnce {
		parts.Go(func() { r.makeSome(list[from:min(n, from+tracksAtOnce)], uint32(from+1)) })
	}
	parts.Wait()
	slices.SortFunc(list, func(a, b *Track) int {
		if c := cmp.Compare(keyOf(a.MAC), keyOf(b.MAC)); c != 0 {
			return c
		}
		return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.Interface, b.Interface))
	})
	return list
}

// tracksAtOnce are made by one goroutine.
const tracksAtOnce = 10_000

// makeSome makes the tracks of clients from a number on.
func (r *recorder) makeSome(list []*Track, number uint32) {
	tracks := make([]Track, len(list))
	words := make([]string, 0, 2*len(list)) // what lists of names are parts of
	for i := range tracks {
		t, c := &tracks[i], r.clients.at(number+uint32(i))
		t.MAC, t.Host, t.Interface = c.mac, r.hostOf(c), r.interfaceOf(c)
		t.Lease, t.Left = c.lastLease(), c.left
		t.Events = Events{r.events, c.chain}
		words, t.Names = r.whoOf(c, hostNames, words)
		words, t.ClientIDs = r.whoOf(c, clientIDs, words)
		if r.beside != nil {
			r.beside(t)
		}
		list[i] = t
	}
}
