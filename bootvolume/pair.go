package bootvolume

import (
	"container/heap"
	"slices"
	"strings"
	"time"
)

// slack is how far the clocks of two hosts may be apart where times are
// compared and nothing tells how far they are.
const slack = 2 * time.Second

// join puts what HAProxy and cinder have logged of one POST together: by the
// request ID where both have it, otherwise by project and time.
func join(requests []Request, creates []*Create) []Post {
	var reqs []*Request
	captures, global := false, slices.ContainsFunc(creates, (*Create).global)
	for i := range requests {
		if r := &requests[i]; r.createsVolume() {
			reqs = append(reqs, r)
			captures = captures || r.ID != ""
		}
	}
	slices.SortStableFunc(reqs, func(a, b *Request) int { return a.At.Compare(b.At) })
	reqs = slices.CompactFunc(reqs, func(a, b *Request) bool { return *a == *b }) // of a log that was given twice
	type both struct {
		reqs    []*Request
		creates []*Create
	}
	groups := make(map[string]*both)
	var keys []string
	of := func(key string) *both {
		if groups[key] == nil {
			groups[key] = &both{}
			keys = append(keys, key)
		}
		return groups[key]
	}
	for _, r := range reqs {
		key := "project " + r.project()
		if global && r.ID != "" {
			key = r.ID
		}
		g := of(key)
		g.reqs = append(g.reqs, r)
	}
	for _, c := range creates {
		key := "project " + c.Project
		if captures && c.global() {
			key = c.Request
		} else if groups[key] == nil && groups["project "] != nil {
			key = "project " // its paths have no project
		}
		g := of(key)
		g.creates = append(g.creates, c)
	}
	var all []Post
	for _, key := range keys {
		g := groups[key]
		all = append(all, match(g.reqs, g.creates, !strings.HasPrefix(key, "project "))...)
	}
	return all
}

// match pairs the requests of one group with what cinder says, both in order of
// time. What no server took has no Create, and so shifts none. byID: where as
// many are left of the one as of the other, clocks need not be asked.
func match(reqs []*Request, creates []*Create, byID bool) []Post {
	posts := make([]Post, len(reqs))
	var taken []int
	for i, r := range reqs {
		if posts[i].HAProxy = r; !r.untaken() {
			taken = append(taken, i)
		}
	}
	if byID && len(taken) == len(creates) {
		for n, i := range taken {
			posts[i].Cinder = creates[n]
		}
		return posts
	}
	left := slices.Clone(creates)
	take := func(of func(*Request) bool, class func(*Create) bool) {
		var spans []span
		for _, i := range taken {
			if posts[i].Cinder == nil && of(reqs[i]) {
				spans = append(spans, reqs[i].span(i))
			}
		}
		var points []point
		for n, c := range left {
			if c != nil && class(c) {
				points = append(points, point{n, c.Seen})
			}
		}
		earliest(spans, points, func(i, n int) { posts[i].Cinder, left[n] = left[n], nil })
	}
	for _, class := range []string{"accepted", "quota", "erred"} {
		take(func(r *Request) bool { return r.class() == class }, func(c *Create) bool { return c.class() == class })
	}
	take((*Request).answered, func(c *Create) bool { return c.class() == "" })
	take(func(r *Request) bool { return !r.answered() }, func(*Create) bool { return true })
	for _, c := range left {
		if c != nil {
			posts = append(posts, Post{Cinder: c})
		}
	}
	return posts
}

// span is when cinder may have logged it.
func (r *Request) span(i int) span {
	s := span{of: i, from: r.At.Add(-slack)}
	if r.answered() {
		s.to = r.end().Add(slack)
	}
	return s
}

// class is what became of a POST as far as HAProxy and cinder both can tell.
func (r *Request) class() string {
	switch {
	case r.Status/100 == 2:
		return "accepted"
	case r.Status == tooLarge:
		return "quota"
	case r.Status == 500:
		return "erred"
	}
	return ""
}

func (c *Create) class() string {
	switch {
	case c.Quota != "":
		return "quota"
	case c.Erred != "":
		return "erred"
	case !c.Accepted.IsZero():
		return "accepted"
	}
	return ""
}

// A span is when something may have been; a zero end is open. A point is when
// something was. of is whose.
type span struct {
	of       int
	from, to time.Time
}

type point struct {
	of int
	at time.Time
}

// earliest gives each point, in order of time, the span around it that ends
// first: as many as can be get one.
func earliest(spans []span, points []point, pair func(span, point int)) {
	slices.SortStableFunc(spans, func(a, b span) int { return a.from.Compare(b.from) })
	slices.SortStableFunc(points, func(a, b point) int { return a.at.Compare(b.at) })
	var open byEnd
	for _, p := range points {
		for len(spans) > 0 && !spans[0].from.After(p.at) {
			heap.Push(&open, spans[0])
			spans = spans[1:]
		}
		for len(open) > 0 && !open[0].to.IsZero() && open[0].to.Before(p.at) {
			heap.Pop(&open)
		}
		if len(open) > 0 {
			pair(heap.Pop(&open).(span).of, p.of)
		}
	}
}

// byEnd has the spans, the one that ends first on top.
type byEnd []span

func (e byEnd) Len() int      { return len(e) }
func (e byEnd) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *byEnd) Push(s any)   { *e = append(*e, s.(span)) }
func (e *byEnd) Pop() any {
	last := len(*e) - 1
	s := (*e)[last]
	*e = (*e)[:last]
	return s
}

func (e byEnd) Less(i, j int) bool {
	a, b := e[i], e[j]
	switch {
	case a.to.Equal(b.to):
		return a.from.Before(b.from)
	case a.to.IsZero() || b.to.IsZero():
		return b.to.IsZero()
	}
	return a.to.Before(b.to)
}
