package bootvolume

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stackmend/stackmend"
)

// A rush is the requests for volumes that are under way at once.
type rush struct {
	most              int64
	told              bool          // by Snapshot.Batch; otherwise seen
	shortest, longest time.Duration // that HAProxy had an answer after; zero: not seen
	dropped           int64         // waited in a queue of HAProxy until its timeout
}

func (c rush) String() string {
	if c.told {
		return fmt.Sprintf("a batch of %d", c.most)
	}
	return fmt.Sprintf("%d requests that were under way at once", c.most)
}

// isCinder goes by the name and the port where no request was seen.
func (s *Snapshot) isCinder(p Proxy) bool {
	const port = "8776"
	return strings.Contains(strings.ToLower(p.Name), "cinder") || slices.Contains(p.Ports, port) ||
		slices.ContainsFunc(p.Servers, func(s Server) bool { return portOf(s.Address) == port }) ||
		slices.ContainsFunc(s.Logs.Requests, func(r Request) bool { return r.createsVolume() && r.Backend == p.Name })
}

// rush is what a batch brings to a backend: what was seen, or more if told.
func (s *Snapshot) rush(p Proxy, boots []Boot) rush {
	var c rush
	var way underWay
	paired := make(map[Request]bool)
	for _, b := range boots {
		if b.HAProxy != nil {
			paired[*b.HAProxy] = true
		}
		way.boot(b, p.Name)
	}
	for _, r := range s.Logs.Requests {
		if !r.createsVolume() || r.Backend != p.Name {
			continue
		}
		if c.add(r); !paired[r] {
			way.add(r.At, r.At.Add(max(r.Total, 0)))
		}
	}
	c.most = way.most()
	if s.Batch > c.most {
		c.most, c.told = s.Batch, true
	}
	return c
}

func (c *rush) add(r Request) {
	switch {
	case r.Term != "" && strings.HasPrefix(r.Term[1:], "Q"):
		c.dropped++
	case r.Status >= 200 && r.Status < 300 && r.Total > 0:
		c.longest = max(c.longest, r.Total)
		if c.shortest == 0 || r.Total < c.shortest {
			c.shortest = r.Total
		}
	}
}

// underWay counts what is under way at once.
type underWay []turn

type turn struct {
	at time.Time
	by int64
}

func (w *underWay) add(begin, end time.Time) {
	if !begin.IsZero() && end.After(begin) {
		*w = append(*w, turn{begin, 1}, turn{end, -1})
	}
}

// boot is under way from when nova asked until it had an answer.
func (w *underWay) boot(b Boot, backend string) {
	begin, end := b.Begun, b.Ended
	if b.Cinder != nil && !b.Cinder.Accepted.IsZero() {
		end = b.Cinder.Accepted
	}
	if h := b.HAProxy; h != nil {
		if h.Backend != backend {
			return
		}
		end = h.At.Add(max(h.Total, 0))
		if begin.IsZero() || h.At.Before(begin) {
			begin = h.At
		}
	}
	w.add(begin, end)
}

func (w underWay) most() (most int64) {
	slices.SortFunc(w, func(a, b turn) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.by, b.by)) })
	now := int64(0)
	for _, c := range w {
		now += c.by
		most = max(most, now)
	}
	return most
}

// connections judges how many requests are let through at once, against how
// many a batch needs.
func (s *Snapshot) connections(boots []Boot) []stackmend.Finding {
	var all []stackmend.Finding
	var whole rush
	for _, p := range s.Proxies {
		if p.Kind == "frontend" || p.Disabled || p.isGalera() || !s.isCinder(p) {
			continue
		}
		c := s.rush(p, boots)
		if c.most > whole.most {
			whole = c
		}
		all = append(all, s.fronts(p).tooFew(c.most, c.String())...)
		all = append(all, p.queue(c)...)
	}
	if len(s.Proxies) > 0 && s.Proxies[0].Process > 0 && whole.most > s.Proxies[0].Process {
		all = append(all, tooFew("haproxy.cfg: global", s.Proxies[0].Process, whole.most, whole.String()))
	}
	return append(all, s.sessions()...)
}

// fronts are what takes the connections of a backend.
type fronts []Proxy

func (s *Snapshot) fronts(of Proxy) (all fronts) {
	if of.Kind == "listen" {
		all = fronts{of}
	}
	for _, p := range s.Proxies {
		if p.Kind != "backend" && !p.Disabled && slices.Contains(p.Backends, of.Name) {
			all = append(all, p)
		}
	}
	return all
}

// limit is what they take together by their own maxconn; zero: one of them has
// none, or it is not known.
func (f fronts) limit() (n int64) {
	for _, p := range f {
		if p.MaxConn <= 0 {
			return 0
		}
		n += p.MaxConn
	}
	return n
}

func (f fronts) tooFew(need int64, who string) []stackmend.Finding {
	limit := f.limit()
	if limit == 0 || need <= limit {
		return nil
	}
	return []stackmend.Finding{tooFew(f[0].subject(), limit, need, who)}
}

func tooFew(subject string, limit, need int64, who string) stackmend.Finding {
	f := warn(CodeConnectionsTooFew, subject,
		fmt.Sprintf("maxconn lets %d connections through at once, for %s: the others wait in the kernel, where HAProxy does not see them and its log says nothing", limit, who),
		fmt.Sprintf("maxconn of at least %d, and idle connections that are kept alive come on top; each takes memory and two file descriptors", need))
	f.Confidence = stackmend.Medium // other clients, and connections that are kept alive, count too
	return f
}

// queue judges what waits in HAProxy for a server that has its maxconn.
func (p Proxy) queue(c rush) []stackmend.Finding {
	servers := p.writers()
	room, wait := p.room(servers), p.waitsInQueue()
	if c.dropped == 0 && (room <= 0 || wait <= 0 || c.most <= room) {
		return nil
	}
	f := warn(CodeTimeoutTooShort, p.subject(), "", "")
	if c.dropped > 0 {
		f.Evidence = []stackmend.Evidence{{Source: "haproxy", Value: fmt.Sprintf("%d requests for volumes ended in the queue (sQ)", c.dropped)}}
		f.Confidence = stackmend.High
	}
	if room <= 0 || c.most <= room { // other requests have the servers
		f.Message = fmt.Sprintf("%d requests for volumes waited for a server until timeout queue (%v) was over", c.dropped, wait)
		f.Fix = "a higher maxconn at the servers, or a longer timeout queue; a cinder-api that is stuck then holds what waits for it that long"
		return []stackmend.Finding{f}
	}
	rounds := (c.most - 1) / room // that the last one lets go before it
	least, most := time.Duration(rounds)*c.shortest, time.Duration(rounds)*c.longest
	each := (c.most + int64(len(servers)) - 1) / int64(len(servers))
	if p.Balance == "source" {
		each = c.most
	}
	f.Message = fmt.Sprintf("maxconn of the servers lets %d requests through at once, for %s: the others wait in HAProxy, which gives up after timeout queue (%v) with a 503", room, c, wait)
	f.Fix = fmt.Sprintf("maxconn of at least %d at each server, which a cinder-api must bear", each)
	switch {
	case least == 0 && c.dropped == 0:
		f.Status, f.Message = stackmend.Unknown, f.Message+"; how long cinder takes for one was not seen"
		f.Fix += "; or give HAProxy's log of a batch, to see whether the time suffices"
	case least <= wait && c.dropped == 0:
		return nil
	case most > 0:
		f.Fix += fmt.Sprintf("; or timeout queue of at least %v, which the last of them waits", most+c.longest)
	}
	return []stackmend.Finding{f}
}

// room is how many requests the servers take at once; not positive: one has no
// limit, or it is not known. Under balance source a rush may be one server's.
func (p Proxy) room(servers []Server) (n int64) {
	for i, s := range servers {
		switch {
		case s.MaxConn <= 0:
			return 0
		case p.Balance != "source":
			n += s.MaxConn
		case i == 0 || s.MaxConn < n:
			n = s.MaxConn
		}
	}
	return n
}

// waitsInQueue is timeout queue, which is timeout connect where it is not set.
func (p Proxy) waitsInQueue() time.Duration {
	if d, ok := p.Timeouts["queue"]; ok {
		return d
	}
	return p.Timeouts["connect"]
}
