package bootvolume

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"time"
)

// A ClockOffset is how far the clock of a log is ahead of the one that times
// are told by: that of HAProxy's log, or of a cinder-api's where there is none.
// It follows from requests that both have, tied by their IDs: what was sent was
// taken up later, and answered later still.
type ClockOffset struct {
	Source Source
	Host   string
	// Least and Most bound it; the least and the greatest Duration where
	// nothing does. Least after Most: the clock was set in between, or the
	// lines contradict each other.
	Least, Most time.Duration
}

// The bounds of an offset of which nothing is known.
const (
	unboundedBelow = time.Duration(math.MinInt64)
	unboundedAbove = time.Duration(math.MaxInt64)
)

// Differs reports whether the clock is surely not that of the others.
func (o ClockOffset) Differs() bool { return o.Least > 0 || o.Most < 0 }

// Correction is what to take off the times of the log, and how far it may be
// wrong. It is false where the clock need not differ, or the offset is not
// bounded on both sides.
func (o ClockOffset) Correction() (by, doubt time.Duration, ok bool) {
	if !o.Differs() || o.Least > o.Most || o.Least == unboundedBelow || o.Most == unboundedAbove {
		return 0, 0, false
	}
	doubt = (o.Most - o.Least) / 2
	return o.Least + doubt, doubt, true
}

// margin is how far what follows from two lines may be wrong though the clocks
// are the same: stamps are cut to milliseconds, and where a machine stalls,
// HAProxy's timers leave some of that out (a tenth of a second in testdata).
const margin = 500 * time.Millisecond

// A clock is that of one log.
type clock struct {
	source Source
	host   string
}

// orders are what is known of two clocks each: by how much the first is ahead
// of the second at least.
type orders map[[2]clock]time.Duration

// before notes that what one clock timed was not after what another did.
func (o orders) before(first clock, at time.Time, then clock, later time.Time) {
	if at.IsZero() || later.IsZero() || first == then {
		return
	}
	key := [2]clock{first, then}
	ahead := at.Sub(later) - margin
	if known, ok := o[key]; !ok || ahead > known {
		o[key] = ahead
	}
}

// Clocks says how far the clocks of the logs are apart, as far as requests
// that several have tell.
func Clocks(l *Logs) []ClockOffset {
	boots := boots(l.Events)
	byRequest := make(map[string][]*Boot)
	for i := range boots {
		byRequest[boots[i].Request] = append(byRequest[boots[i].Request], &boots[i])
	}
	o := make(orders)
	groups := make(map[string][]Post)
	for _, p := range join(l.Requests, creates(l.Events)) {
		if id := p.id(); id != "" {
			groups[id] = append(groups[id], p)
		}
	}
	for id, posts := range groups {
		for _, p := range posts {
			o.making(p.Cinder)
		}
		if !alike(posts) {
			continue // the clocks themselves may have decided which is whose
		}
		for _, p := range posts {
			o.post(p)
		}
		if of := byRequest[id]; len(of) == 1 && len(of[0].Asks) == len(posts) {
			o.asks(of[0], posts)
		}
	}
	return o.offsets()
}

// alike: all are in the same logs, but for what reached no server.
func alike(posts []Post) bool {
	kinds := make(map[[2]bool]bool)
	for _, p := range posts {
		if p.HAProxy == nil || !p.HAProxy.untaken() {
			kinds[[2]bool{p.HAProxy != nil, p.Cinder != nil}] = true
		}
	}
	return len(kinds) <= 1
}

// post: HAProxy sent it, cinder took it up, accepted it, and HAProxy had the
// answer.
func (o orders) post(p Post) {
	if p.HAProxy == nil || p.Cinder == nil || p.HAProxy.ID != p.Cinder.Request { // not tied by their IDs
		return
	}
	proxy, api := clock{HAProxy, p.HAProxy.Host}, clock{API, p.Cinder.Host}
	o.before(proxy, p.HAProxy.sent(), api, p.Cinder.Posted)
	if p.HAProxy.Status/100 == 2 {
		o.before(api, p.Cinder.Accepted, proxy, p.HAProxy.end())
	}
}

// making: cinder-volume begins what cinder-api has taken up; both say its own
// ID.
func (o orders) making(c *Create) {
	if c == nil {
		return
	}
	api, volume := clock{API, c.Host}, clock{Volume, c.VolumeHost}
	o.before(api, c.Posted, volume, c.Making)
}

// asks: nova asked, the POST was sent and ended, and nova went on.
func (o orders) asks(b *Boot, posts []Post) {
	slices.SortStableFunc(posts, func(a, b Post) int { return a.at().Compare(b.at()) })
	compute := clock{Compute, b.Host}
	for n, a := range b.Asks {
		if c := posts[n].Cinder; c != nil && (n+1 < len(b.Asks) || b.Built) { // nova had waited for it
			o.before(clock{Volume, c.VolumeHost}, c.Made, compute, b.until(n))
		}
		if h := posts[n].HAProxy; h != nil {
			o.before(compute, a.At, clock{HAProxy, h.Host}, h.received())
			if h.Term == "" || h.Term[0] != 'C' { // the client has not left before
				o.before(clock{HAProxy, h.Host}, h.end(), compute, b.until(n))
			}
			continue
		}
		c := posts[n].Cinder
		o.before(compute, a.At, clock{API, c.Host}, c.Posted)
		if n+1 < len(b.Asks) || b.answer() == 202 {
			o.before(clock{API, c.Host}, c.Accepted, compute, b.until(n))
		}
	}
}

// offsets bounds every clock against one of them.
func (o orders) offsets() []ClockOffset {
	of, ok := o.reference()
	if !ok {
		return nil
	}
	least, one := o.longest(of, func(k [2]clock) (from, to clock) { return k[1], k[0] })
	most, two := o.longest(of, func(k [2]clock) (from, to clock) { return k[0], k[1] })
	var all []ClockOffset
	for _, c := range o.clocks() {
		off := ClockOffset{Source: c.source, Host: c.host, Least: unboundedBelow, Most: unboundedAbove}
		if d, ok := least[c]; ok {
			off.Least = d
		}
		if d, ok := most[c]; ok {
			off.Most = -d
		}
		if !one || !two { // some contradict each other, and so carry nothing
			off.Least, off.Most = unboundedAbove, unboundedBelow
		}
		if c != of {
			all = append(all, off)
		}
	}
	return all
}

// clocks are those of which something is known, in order.
func (o orders) clocks() []clock {
	seen := make(map[clock]bool)
	for k := range o {
		seen[k[0]], seen[k[1]] = true, true
	}
	return slices.SortedFunc(maps.Keys(seen), compareClocks)
}

func compareClocks(a, b clock) int {
	return cmp.Or(cmp.Compare(a.source, b.source), cmp.Compare(a.host, b.host))
}

// reference is the clock of HAProxy that tells of most others, or cinder-api's.
func (o orders) reference() (best clock, ok bool) {
	tells := make(map[clock]int)
	for k := range o {
		tells[k[0]]++
		tells[k[1]]++
	}
	rank := map[Source]int{HAProxy: 2, API: 1}
	for _, c := range o.clocks() {
		if !ok || rank[c.source] > rank[best.source] || rank[c.source] == rank[best.source] && tells[c] > tells[best] {
			best, ok = c, true
		}
	}
	return best, ok
}

// longest adds up what is known along all ways from one clock; false if there
// is a circle that only grows.
func (o orders) longest(from clock, ends func([2]clock) (from, to clock)) (far map[clock]time.Duration, ok bool) {
	far = map[clock]time.Duration{from: 0}
	for range len(o.clocks()) + 1 {
		changed := false
		for k, d := range o {
			a, b := ends(k)
			begun, known := far[a]
			if !known {
				continue
			}
			if now, ok := far[b]; b != from && (!ok || begun+d > now) {
				far[b], changed = begun+d, true
			}
		}
		if !changed {
			return far, true
		}
	}
	return far, false
}

// corrected is the logs as the clock that times are told by would have them.
func (l *Logs) corrected(offsets []ClockOffset) *Logs {
	by := make(map[clock]time.Duration)
	for _, o := range offsets {
		if d, _, ok := o.Correction(); ok {
			by[clock{o.Source, o.Host}] = d
		}
	}
	if len(by) == 0 {
		return l
	}
	c := *l
	c.Events, c.Requests, c.Files = slices.Clone(l.Events), slices.Clone(l.Requests), slices.Clone(l.Files)
	for i := range c.Events {
		e := &c.Events[i]
		e.At = e.At.Add(-by[clock{e.Kind.source(), e.Host}])
	}
	for i := range c.Requests {
		r := &c.Requests[i]
		r.At = r.At.Add(-by[clock{HAProxy, r.Host}])
	}
	for i := range c.Files {
		f := &c.Files[i]
		d := by[clock{f.Source, f.Host}]
		f.First, f.Last = f.First.Add(-d), f.Last.Add(-d)
	}
	return &c
}
