package bootvolume

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// A Boot is one instance of a batch, and what became of its requests for
// volumes. What no log showed is nil.
type Boot struct {
	Instance string
	Host     string // its compute
	Project  string
	Request  string
	Shared   int       // instances of the same request
	Begun    time.Time // nova asked for its first volume
	Ended    time.Time // nova gave up, or the instance ran; zero: neither was seen
	Built    bool
	Failure  string // nova's words
	Asks     []Ask  // its volumes, which nova has made one after the other
	// What follows is of the last volume that was asked for: there a boot ends.
	Paired  Pairing
	HAProxy *Request // the last POST
	Cinder  *Create
}

// An Ask is a volume that nova asked for.
type Ask struct {
	At     time.Time
	Paired Pairing
	Posts  []Post // in order of time; several if nova tried again
}

// A Post is a POST .../volumes as HAProxy and as cinder have logged it; one of
// them may be nil.
type Post struct {
	HAProxy *Request
	Cinder  *Create
}

// Pairing is what a POST was given to an instance by.
type Pairing uint8

// The kinds of pairing, from the surest on.
const (
	ByRequest Pairing = iota // by the request ID, of this instance alone, or the volume's ID
	ByTime                   // by project and time, or in a shared request: nothing else fits
	ByOrder                  // several fit, as many as there are: in order of time
	Ambiguous                // several fit, and they differ, or are more or fewer
)

// Follow puts the lines of one request together: the instance, its requests at
// HAProxy, and what cinder says of them. Where no global request ID tells whose
// a request is, project, outcome and time do, and the pairing says so. Times are
// told by one clock, as far as [Clocks] allows.
func Follow(l *Logs) []Boot { return follow(l.corrected(Clocks(l))) }

func follow(l *Logs) []Boot {
	boots := boots(l.Events)
	a := assignment{boots: boots, byRequest: make(map[string][]int)}
	for i, b := range boots {
		a.byRequest[b.Request] = append(a.byRequest[b.Request], i)
	}
	for i := range boots {
		if b := &boots[i]; b.Request != "" {
			b.Shared = len(a.byRequest[b.Request])
		}
	}
	a.give(join(l.Requests, creates(l.Events)))
	for i := range boots {
		boots[i].last()
	}
	return boots
}

// last takes what the boot ended at.
func (b *Boot) last() {
	if len(b.Asks) == 0 {
		return
	}
	a := b.Asks[len(b.Asks)-1]
	b.Paired = a.Paired
	for _, p := range a.Posts {
		if p.HAProxy != nil {
			b.HAProxy, b.Cinder = p.HAProxy, p.Cinder
		}
		b.Cinder = cmp.Or(p.Cinder, b.Cinder)
	}
}

// boots are the instances that nova-compute asked a volume for, by time.
func boots(events []Event) []Boot {
	seen := make(map[string]*Boot)
	for _, e := range events {
		if e.Instance == "" {
			continue
		}
		b := seen[e.Instance]
		if b == nil {
			b = &Boot{Instance: e.Instance}
			seen[e.Instance] = b
		}
		b.add(e)
	}
	all := make([]Boot, 0, len(seen))
	for _, id := range slices.Sorted(maps.Keys(seen)) {
		if b := seen[id]; len(b.Asks) > 0 || b.Failure != "" {
			slices.SortStableFunc(b.Asks, func(a, c Ask) int { return a.At.Compare(c.At) })
			b.Asks = slices.CompactFunc(b.Asks, func(a, c Ask) bool { return a.At.Equal(c.At) }) // of a log that was given twice
			if len(b.Asks) > 0 {
				b.Begun = b.Asks[0].At
			}
			all = append(all, *b)
		}
	}
	slices.SortStableFunc(all, func(a, b Boot) int { return a.Begun.Compare(b.Begun) })
	return all
}

func (b *Boot) add(e Event) {
	b.Host, b.Request, b.Project = cmp.Or(b.Host, e.Host), cmp.Or(b.Request, e.Request), cmp.Or(b.Project, e.Project)
	switch e.Kind {
	case Begun:
		b.Asks = append(b.Asks, Ask{At: e.At})
	case Broken:
		b.Ended, b.Failure = e.At, e.Text
	case Built:
		b.Ended, b.Built = e.At, true
	}
}

// until is when the POST of an ask had its answer: nova asked for the next
// volume then, or ended. Zero: not seen.
func (b *Boot) until(ask int) time.Time {
	if ask+1 < len(b.Asks) {
		return b.Asks[ask+1].At
	}
	return b.Ended
}
