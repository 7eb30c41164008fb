package bootvolume

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// An assignment gives POSTs to the instances that they were for.
type assignment struct {
	boots     []Boot
	byRequest map[string][]int // boots
}

// A wish is an ask of a boot that is to get its POST.
type wish struct {
	*Ask
	boot   *Boot
	number int // of the ask
	got    bool
}

func (a *assignment) give(posts []Post) {
	of, loose, captures := a.known(posts)
	for request, group := range of {
		wishes := a.wishes(a.byRequest[request])
		if len(a.byRequest[request]) == 1 {
			inTurn(wishes, group)
		} else {
			byTime(wishes, group)
		}
	}
	if !captures || len(loose) > 0 {
		a.rest(loose)
	}
}

// known sorts out whose request ID is known. Where HAProxy or cinder log the
// IDs of callers at all, a POST without one is of somebody else, not of nova.
func (a *assignment) known(posts []Post) (of, loose map[string][]Post, captures bool) {
	captures = slices.ContainsFunc(posts, func(p Post) bool { return p.HAProxy != nil && p.HAProxy.ID != "" })
	global := slices.ContainsFunc(posts, func(p Post) bool { return p.Cinder != nil && p.Cinder.global() })
	of, loose = make(map[string][]Post), make(map[string][]Post)
	for _, p := range posts {
		foreign := captures && p.HAProxy != nil || global && p.Cinder != nil
		switch id := p.id(); {
		case id != "" && len(a.byRequest[id]) > 0:
			of[id] = append(of[id], p)
		case id == "" && !foreign:
			loose[p.project()] = append(loose[p.project()], p)
		}
	}
	return of, loose, captures
}

func (a *assignment) wishes(boots []int) (all []*wish) {
	for _, i := range boots {
		b := &a.boots[i]
		for n := range b.Asks {
			all = append(all, &wish{Ask: &b.Asks[n], boot: b, number: n})
		}
	}
	return all
}

// rest gives what no ID tells of, project by project, to the asks that have
// nothing yet.
func (a *assignment) rest(loose map[string][]Post) {
	open := make(map[string][]*wish)
	for i := range a.boots {
		for _, w := range a.wishes([]int{i}) {
			if len(w.Posts) == 0 {
				open[w.boot.Project] = append(open[w.boot.Project], w)
			}
		}
	}
	unnamed := loose[""] // their paths have no project
	for project, wishes := range open {
		posts := loose[project]
		if len(open) == 1 && project != "" {
			posts = append(posts, unnamed...)
		}
		byTime(wishes, posts)
	}
}

// inTurn gives one instance its POSTs: its volumes are made one after the
// other, and a POST that was tried again comes before the next ask.
func inTurn(wishes []*wish, posts []Post) {
	slices.SortStableFunc(posts, func(a, b Post) int { return a.at().Compare(b.at()) })
	for n, p := range posts {
		to := min(n, len(wishes)-1)
		if len(posts) != len(wishes) {
			to = 0
			for to+1 < len(wishes) && !wishes[to+1].At.After(p.at()) {
				to++
			}
		}
		if len(wishes) > 0 {
			wishes[to].Posts = append(wishes[to].Posts, p)
		}
	}
}

// byTime gives the POSTs of several instances to those that were answered so,
// and were waiting when it ended.
func byTime(wishes []*wish, posts []Post) {
	for _, w := range wishes {
		w.Paired = ByTime
	}
	used := byVolume(wishes, posts)
	round := func(of func(*wish) bool, fits func(Post) bool) {
		var spans []span
		for i, w := range wishes {
			if !w.got && of(w) {
				spans = append(spans, w.span(i))
			}
		}
		var points []point
		for n, p := range posts {
			if !used[n] && fits(p) {
				points = append(points, point{n, p.end()})
			}
		}
		for _, c := range crowds(spans, points) {
			c.settle(wishes, posts, used)
		}
	}
	answers := make(map[int]bool)
	for _, w := range wishes {
		answers[w.answer()] = true
	}
	delete(answers, 0)
	for _, status := range slices.Sorted(maps.Keys(answers)) {
		round(func(w *wish) bool { return w.answer() == status }, func(p Post) bool { return p.status() == status })
	}
	// Without HAProxy's log it is not known that the caller had gone.
	round(func(w *wish) bool { return w.answer() >= 500 }, func(p Post) bool { return p.HAProxy == nil })
	round(func(w *wish) bool { return w.answer() == 0 }, func(Post) bool { return true })
	doubtAbsence(wishes, posts)
}

// byVolume gives an instance whose nova names the volume that it waited for what
// cinder-volume's log has of it.
func byVolume(wishes []*wish, posts []Post) (used []bool) {
	used = make([]bool, len(posts))
	of := make(map[string]int)
	for n, p := range posts {
		if p.Cinder != nil && p.Cinder.Volume != "" {
			of[p.Cinder.Volume] = n
		}
	}
	for _, w := range wishes {
		if n, ok := of[w.boot.volume()]; ok && !used[n] && w.number == len(w.boot.Asks)-1 {
			w.Posts, w.got, w.Paired, used[n] = []Post{posts[n]}, true, ByRequest, true
		}
	}
	return used
}

// doubtAbsence lowers what is said of asks without a POST, where others took
// all that there were.
func doubtAbsence(wishes []*wish, posts []Post) {
	ends := make([]time.Time, len(posts))
	for i, p := range posts {
		ends[i] = p.end()
	}
	slices.SortFunc(ends, time.Time.Compare)
	for _, w := range wishes {
		s := w.span(0)
		n, _ := slices.BinarySearchFunc(ends, s.from, time.Time.Compare)
		if !w.got && n < len(ends) && (s.to.IsZero() || !ends[n].After(s.to)) {
			w.Paired = max(w.Paired, ByOrder)
		}
	}
}

// answer is the status that nova was answered this ask with.
func (w *wish) answer() int {
	if w.number+1 < len(w.boot.Asks) {
		return 202 // it went on to the next
	}
	return w.boot.answer()
}

func (w *wish) span(i int) span {
	s := span{of: i, from: w.At.Add(-slack)}
	if until := w.boot.until(w.number); !until.IsZero() {
		s.to = until.Add(slack)
	}
	return s
}

// settle pairs the asks and POSTs of one crowd.
func (c crowd) settle(wishes []*wish, posts []Post, used []bool) {
	if len(c.points) == 0 {
		return
	}
	if w := wishes[c.spans[0].of]; len(c.spans) == 1 && w.answer() != 202 {
		for _, p := range c.points { // tried again
			w.Posts, used[p.of] = append(w.Posts, posts[p.of]), true
		}
	} else {
		earliest(c.spans, c.points, func(i, n int) { wishes[i].Posts, used[n] = []Post{posts[n]}, true })
	}
	by := c.pairing(posts)
	for _, s := range c.spans {
		w := wishes[s.of]
		w.got, w.Paired = len(w.Posts) > 0, by
		for _, p := range w.Posts {
			if p.Cinder != nil {
				w.Paired = max(w.Paired, p.Cinder.Paired)
			}
		}
	}
}

func (c crowd) pairing(posts []Post) Pairing {
	alike := !slices.ContainsFunc(c.points, func(p point) bool { return posts[p.of].fate() != posts[c.points[0].of].fate() })
	switch {
	case len(c.spans) == 1 && len(c.points) == 1:
		return ByTime
	case len(c.points) < len(c.spans) || !alike:
		return Ambiguous
	}
	return ByOrder
}

// fate is what a verdict on a POST rests on.
func (p Post) fate() (f struct {
	status              int
	timedOut, refused   bool
	logged, over, erred bool
}) {
	if h := p.HAProxy; h != nil {
		f.status, f.timedOut, f.refused = h.Status, h.timedOut(), h.refused()
	}
	if c := p.Cinder; c != nil {
		f.logged, f.over, f.erred = true, c.Quota != "", c.Erred != ""
	}
	return f
}

// id is the request ID of its caller.
func (p Post) id() string {
	if p.HAProxy != nil && p.HAProxy.ID != "" {
		return p.HAProxy.ID
	}
	if p.Cinder != nil && p.Cinder.global() {
		return p.Cinder.Request
	}
	return ""
}

func (p Post) project() string {
	if p.Cinder != nil && p.Cinder.Project != "" {
		return p.Cinder.Project
	}
	if p.HAProxy != nil {
		return p.HAProxy.project()
	}
	return ""
}

func (p Post) status() int {
	if p.HAProxy != nil {
		return p.HAProxy.Status
	}
	return map[string]int{"accepted": 202, "quota": tooLarge, "erred": 500}[p.Cinder.class()]
}

func (p Post) at() time.Time {
	if p.HAProxy != nil {
		return p.HAProxy.At
	}
	return p.Cinder.Seen
}

func (p Post) end() time.Time {
	if p.HAProxy != nil {
		return p.HAProxy.end()
	}
	return cmp.Or(p.Cinder.Accepted, p.Cinder.Seen)
}

// A crowd is a chain of spans that overlap, and the points in it.
type crowd struct {
	spans  []span
	points []point
}

func crowds(spans []span, points []point) (all []crowd) {
	slices.SortStableFunc(spans, func(a, b span) int { return a.from.Compare(b.from) })
	slices.SortStableFunc(points, func(a, b point) int { return a.at.Compare(b.at) })
	for len(spans) > 0 {
		n, to := 1, spans[0].to
		for n < len(spans) && (to.IsZero() || !spans[n].from.After(to)) {
			if s := spans[n]; s.to.IsZero() || !to.IsZero() && s.to.After(to) {
				to = s.to
			}
			n++
		}
		c := crowd{spans: spans[:n:n]}
		for len(points) > 0 && points[0].at.Before(spans[0].from) {
			points = points[1:]
		}
		m := 0
		for m < len(points) && (to.IsZero() || !points[m].at.After(to)) {
			m++
		}
		c.points, points, spans = points[:m:m], points[m:], spans[n:]
		all = append(all, c)
	}
	return all
}
