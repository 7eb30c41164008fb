package watchdog

import (
	"math"
	"time"
)

// Never is the time to a limit that is not being approached.
const Never = time.Duration(math.MaxInt64)

// HostLimit is Outlook.Limit where the host's own memory is the limit; other
// values are indexes in Pass.Groups.
const HostLimit = -1

// An Outlook is what lies before one OSD.
type Outlook struct {
	OSDSample
	Slope   float64       // bytes a second, sustained; see [Series.Slope]
	Steady  bool          // there was history enough for a slope
	Left    time.Duration // until the nearest limit is met; [Never]
	Limit   int           // which limit that is: [HostLimit] or an index in Pass.Groups
	Cap     int64         // how high it is
	Room    int64         // bytes until it, without the reserve
	Growth  float64       // bytes a second of all under that limit
	Leads   bool          // of the OSDs under that limit it grows fastest
	Outside bool          // what grows under that limit is not its OSDs
	Stalled float64       // share of the time in which all under one of its limits stalled (PSI full)
	Met     int64         // how often, in three seconds, one of its groups met its limit (memory.events)
}

// A Tracker keeps the histories and looks ahead. It does not allocate while
// the OSDs and groups stay the same.
type Tracker struct {
	reserve float64 // share of a limit that is not counted as room
	osds    []*osdTrack
	groups  []*groupTrack
	host    Series
	growth  float64 // the host's, in bytes a second
	strain  strain  // the host's
	out     []Outlook
	slopes  []float64 // scratch, by limit: growth of the OSDs under it
	leaders []int     // scratch, by limit: index in out
}

type osdTrack struct {
	id, pid int
	series  Series
}

type groupTrack struct {
	path   string
	series Series
	growth float64 // bytes a second
	strain strain
}

// NewTracker makes a Tracker. Of each limit the reserve (a share, 0.02) is not
// counted as room: the kernel kills a little before the last byte.
func NewTracker(reserve float64) *Tracker { return &Tracker{reserve: reserve} }

// Add takes a pass in and returns the outlook of each of its OSDs, in its
// order. What it returns is overwritten by the next call.
func (t *Tracker) Add(p *Pass) []Outlook {
	t.fit(p)
	if p.Host.Available >= 0 {
		t.host.Add(p.At, -p.Host.Available)
		t.growth, _ = t.host.Slope()
	}
	t.strain.add(p.At, p.Host.Full, None)
	for i := range p.Groups {
		t.groups[i].strain.add(p.At, p.Groups[i].Full, p.Groups[i].Events)
		if p.Groups[i].Used >= 0 {
			t.groups[i].series.Add(p.At, p.Groups[i].Used)
			t.groups[i].growth, _ = t.groups[i].series.Slope()
		}
	}
	for i := range p.OSDs {
		t.osds[i].series.Add(p.At, p.OSDs[i].Used())
		o := &t.out[i]
		*o = Outlook{OSDSample: p.OSDs[i], Left: Never, Limit: HostLimit, Cap: None, Room: None}
		o.Slope, o.Steady = t.osds[i].series.Slope()
	}
	t.sum(p)
	for i := range t.out {
		t.look(p, i)
	}
	return t.out
}

// fit makes the histories follow the pass. An OSD that is another process now
// has none; the others keep theirs.
func (t *Tracker) fit(p *Pass) {
	if t.fits(p) {
		return
	}
	osds, groups := t.osds, t.groups
	t.osds, t.groups = make([]*osdTrack, len(p.OSDs)), make([]*groupTrack, len(p.Groups))
	for i, o := range p.OSDs {
		t.osds[i] = &osdTrack{id: o.ID, pid: o.PID}
		for _, old := range osds {
			if old.id == o.ID && old.pid == o.PID {
				t.osds[i] = old
			}
		}
	}
	for i, g := range p.Groups {
		t.groups[i] = &groupTrack{path: g.Path}
		for _, old := range groups {
			if old.path == g.Path {
				t.groups[i] = old
			}
		}
	}
	t.out = make([]Outlook, len(p.OSDs))
	t.slopes, t.leaders = make([]float64, len(p.Groups)+1), make([]int, len(p.Groups)+1)
}

func (t *Tracker) fits(p *Pass) bool {
	if len(t.groups) != len(p.Groups) || len(t.osds) != len(p.OSDs) {
		return false
	}
	for i, o := range p.OSDs {
		if t.osds[i].id != o.ID || t.osds[i].pid != o.PID {
			return false
		}
	}
	for i, g := range p.Groups {
		if t.groups[i].path != g.Path {
			return false
		}
	}
	return true
}

// at is the place of a limit in slopes and leaders.
func at(limit int) int { return limit + 1 }

// sum adds up the growth of the OSDs under each limit, and finds the one that
// grows fastest.
func (t *Tracker) sum(p *Pass) {
	for i := range t.slopes {
		t.slopes[i], t.leaders[i] = 0, -1
	}
	for i := range t.out {
		for g := t.out[i].Group; ; g = p.Groups[g].Parent {
			t.slopes[at(g)] += t.out[i].Slope
			if l := t.leaders[at(g)]; l < 0 || faster(&t.out[i], &t.out[l]) {
				t.leaders[at(g)] = i
			}
			if g < 0 {
				break
			}
		}
	}
}

// faster orders OSDs by what a restart would gain.
func faster(a, b *Outlook) bool {
	switch {
	case a.Slope != b.Slope:
		return a.Slope > b.Slope
	case a.Used() != b.Used():
		return a.Used() > b.Used()
	}
	return a.ID < b.ID
}

// look finds the limit that an OSD meets first.
func (t *Tracker) look(p *Pass, i int) {
	o := &t.out[i]
	for g := o.Group; ; g = p.Groups[g].Parent {
		room, all := t.limit(p, g)
		s := t.strainOf(g)
		o.Stalled, o.Met = max(o.Stalled, s.stalled), max(o.Met, s.met)
		if room >= 0 {
			growth := max(all, t.slopes[at(g)])
			if left := timeTo(room, growth); o.Room < 0 || left < o.Left || left == o.Left && room < o.Room {
				o.Left, o.Limit, o.Room, o.Growth = left, g, room, growth
				if o.Cap = p.Host.Total; g >= 0 {
					o.Cap = p.Groups[g].Limit
				}
				o.Leads = t.leaders[at(g)] == i
				o.Outside = growth > 0 && t.slopes[at(g)] < growth/2
			}
		}
		if g < 0 {
			return
		}
	}
}

func (t *Tracker) strainOf(g int) *strain {
	if g == HostLimit {
		return &t.strain
	}
	return &t.groups[g].strain
}

// limit is the room under a limit, and the growth of all that it limits.
func (t *Tracker) limit(p *Pass, g int) (room int64, growth float64) {
	if g == HostLimit {
		if p.Host.Available < 0 {
			return None, 0
		}
		return max(0, p.Host.Available-int64(t.reserve*float64(max(p.Host.Total, 0)))), t.growth
	}
	m := &p.Groups[g]
	if m.Limit < 0 || m.Used < 0 {
		return None, 0
	}
	return max(0, m.Limit-m.Used-int64(t.reserve*float64(m.Limit))), t.groups[g].growth
}

func timeTo(room int64, slope float64) time.Duration {
	if slope <= 0 {
		return Never
	}
	s := float64(room) / slope
	if s > 1e6 {
		return Never
	}
	return time.Duration(s * float64(time.Second))
}
