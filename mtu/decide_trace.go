package mtu

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/stackmend/stackmend"
)

// trace follows pings through the points at which they were captured, in the
// order in which the points were given.
type trace struct {
	points []Capture
	seen   map[Ping][]*Sighting // by point; nil where it was not seen
}

func newTrace(points []Capture) trace {
	t := trace{points, map[Ping][]*Sighting{}}
	for i := range points {
		for n := range points[i].Pings {
			s := &points[i].Pings[n]
			if t.seen[s.Ping] == nil {
				t.seen[s.Ping] = make([]*Sighting, len(points))
			}
			t.seen[s.Ping][i] = s
		}
	}
	return t
}

// forward reports in which direction a message travels: towards the last
// point, or towards the first. It is told by the messages that vanished on
// the way; where nothing vanished it does not matter.
func (t trace) forward(p Ping) (forward, known bool) {
	if f, ok := direction(t.seen[p]); ok {
		return f, true
	}
	other := p
	other.From, other.To, other.Reply = p.To, p.From, !p.Reply
	if f, ok := direction(t.seen[other]); ok {
		return !f, true
	}
	return false, false
}

// direction tells it of a message that was seen at one end and not at the
// other.
func direction(at []*Sighting) (forward, known bool) {
	if len(at) == 0 || (at[0] == nil) == (at[len(at)-1] == nil) {
		return false, false
	}
	return at[0] != nil, true
}

// a gap is where messages vanish.
type gap struct {
	from, to int  // points; to is where it was expected next
	reply    bool // of a reply
}

// losses are the messages that vanish in a gap.
type losses struct {
	lost             []*Sighting // as last seen
	passed           int         // largest IP packet that was seen on both sides
	passedAny        bool
	beforeTheCapture bool // the next point's capture ends before
}

func (j *judge) trace() {
	if len(j.s.Captures) == 0 {
		return
	}
	t := newTrace(j.s.Captures)
	for _, c := range t.points {
		if c.Cut {
			j.untraced(c.Point, fmt.Sprintf("%s ends in the middle of a packet; what came later is not known", c.Source))
		}
		if len(c.Pings) == 0 {
			j.untraced(c.Point, fmt.Sprintf("%s has no ping in it", c.Source))
		}
	}
	if len(t.points) < 2 {
		j.untraced(t.points[0].Point, "one point alone does not show where a packet vanishes")
		return
	}
	j.gaps(t)
	j.unanswered(t)
	j.tagged(t)
}

func (j *judge) untraced(subject, what string) {
	j.add(stackmend.Finding{Code: CodeTraceNotSeen, Status: stackmend.Unknown, Subject: subject, Message: what,
		Fix: "capture at all points at the same time, with `tcpdump -s 0 -w FILE -i LINK icmp or icmp6 or vlan`"})
}

// gaps finds the gap of each message that vanished.
func (j *judge) gaps(t trace) {
	found := map[gap]*losses{}
	torn := 0
	for _, p := range t.pings() {
		at := t.seen[p]
		if !slices.Contains(at, nil) {
			continue
		}
		forward, known := t.forward(p)
		g, last, ok := vanishes(at, forward)
		if !known || !ok {
			torn++
			continue
		}
		g.reply = p.Reply
		if found[g] == nil {
			found[g] = &losses{}
			found[g].passed, found[g].passedAny = t.largest(g)
		}
		found[g].lost = append(found[g].lost, last)
		found[g].beforeTheCapture = found[g].beforeTheCapture || t.outOfTime(g, last)
	}
	if torn > 0 {
		j.untraced("pings", fmt.Sprintf("%d pings were seen at points that do not follow each other, or at the ends only: is the order of the points right, and were all captures running?", torn))
	}
	for _, g := range slices.SortedFunc(maps.Keys(found), func(a, b gap) int { return cmp.Or(a.from-b.from, a.to-b.to) }) {
		j.gap(t, g, found[g])
	}
}

// pings returns all messages in a stable order.
func (t trace) pings() []Ping {
	return slices.SortedFunc(maps.Keys(t.seen), func(a, b Ping) int {
		return cmp.Or(a.From.Compare(b.From), a.To.Compare(b.To), int(a.ID)-int(b.ID), int(a.Seq)-int(b.Seq))
	})
}

// vanishes finds the gap in a message that was seen at points without a hole.
func vanishes(at []*Sighting, forward bool) (g gap, last *Sighting, ok bool) {
	n, step, from := len(at), 1, 0
	if !forward {
		step, from = -1, n-1
	}
	i := from
	for i >= 0 && i < n && at[i] != nil {
		last = at[i]
		i += step
	}
	if last == nil || i < 0 || i >= n {
		return gap{}, nil, false
	}
	g = gap{from: i - step, to: i}
	for ; i >= 0 && i < n; i += step {
		if at[i] != nil {
			return gap{}, nil, false
		}
	}
	return g, last, true
}

// largest is the largest packet of the same kind that crossed the gap.
func (t trace) largest(g gap) (size int, any bool) {
	for p, at := range t.seen {
		if p.Reply == g.reply && at[g.from] != nil && at[g.to] != nil {
			size, any = max(size, at[g.from].IP), true
		}
	}
	return size, any
}

// outOfTime reports that the next point saw nothing at or after the time of
// the loss, so that its capture may have ended before. Clocks of hosts differ;
// only what the points saw in common is compared.
func (t trace) outOfTime(g gap, lost *Sighting) bool {
	after := false
	for _, at := range t.seen {
		if at[g.from] != nil && at[g.to] != nil && at[g.from].At.After(lost.At) {
			after = true
		}
	}
	return !after
}

func (j *judge) gap(t trace, g gap, l *losses) {
	from, to := t.points[g.from], t.points[g.to]
	smallest := slices.MinFunc(l.lost, func(a, b *Sighting) int { return a.IP - b.IP })
	what := "requests"
	if g.reply {
		what = "replies"
	}
	f := stackmend.Finding{Code: CodeBlackHole, Status: stackmend.Fail, Subject: from.Point + " -> " + to.Point, Confidence: stackmend.High,
		Fix:      fmt.Sprintf("look at what frames of %d bytes meet between %s and %s: the switch's port, and the links' MTU", smallest.Frame, from.Point, to.Point),
		Evidence: t.evidence(smallest.Ping)}
	switch {
	case !l.passedAny:
		f.Confidence = stackmend.Medium
		f.Message = fmt.Sprintf("%d %s vanish between %s and %s, none of any size arrives: this is not the size", len(l.lost), what, from.Point, to.Point)
		f.Fix = fmt.Sprintf("mend the connection between %s and %s first, or capture at %s again", from.Point, to.Point, to.Point)
	case l.passed >= smallest.IP:
		f.Code, f.Confidence = CodeLossy, stackmend.Medium
		f.Message = fmt.Sprintf("%d %s vanish between %s and %s, from %d bytes on, while others of %d arrive: loss, or several ways",
			len(l.lost), what, from.Point, to.Point, smallest.IP, l.passed)
	default:
		f.Message = fmt.Sprintf("%s of %d bytes leave %s as frames of %d%s and do not arrive at %s; of %d bytes they do",
			what, smallest.IP, from.Point, smallest.Frame, withTags(smallest.Tags), to.Point, l.passed)
		if l.beforeTheCapture {
			f.Confidence = stackmend.Medium
		}
	}
	j.add(f)
}

func withTags(tags []Tag) string {
	switch len(tags) {
	case 0:
		return ""
	case 1:
		return " with the tag " + tagList(tags)
	}
	return " with the tags " + tagList(tags)
}

// evidence is the message at every point, so that one sees where it grows.
func (t trace) evidence(p Ping) []stackmend.Evidence {
	var out []stackmend.Evidence
	for i, s := range t.seen[p] {
		e := stackmend.Evidence{Source: t.points[i].Source, Value: t.points[i].Point + ": not seen"}
		if s != nil {
			e.At = s.At
			e.Value = fmt.Sprintf("%s: IP %d, frame %d%s", t.points[i].Point, s.IP, s.Frame, withTags(s.Tags))
		}
		out = append(out, e)
	}
	return out
}
