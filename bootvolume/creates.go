package bootvolume

import (
	"cmp"
	"slices"
	"time"
)

// A Create is the making of a volume as cinder logged it.
type Create struct {
	Request, Own, Host string
	PID, Project       string
	Paired             Pairing   // what its own lines were put together by
	Size               int64     // GiB; 0: not seen
	Seen, Last         time.Time // its first line, and the last of cinder-api
	Posted, Accepted   time.Time // by cinder-api; zero: not seen
	Quota, Hung, Erred string    // its words
	Conflicts          int       // transactions of it that were aborted (1213); cinder-api tells them with debug alone
	Uncounted          string    // its words: the quota does not count the volume as it should

	Scheduler   string // the host of cinder-scheduler that found no backend
	Unscheduled string // its words

	VolumeHost   string // of cinder-volume
	Volume       string // the volume's ID
	Making, Made time.Time
	Unmade       string    // its words; it may have been tried again
	Deleted      time.Time // cinder-api accepted that it be deleted
}

// creates groups cinder's lines by its own request ID, in order of time.
func creates(events []Event) []*Create {
	own := make(map[string]*Create)
	deleted := make(map[string]time.Time)
	var order []*Create
	for _, e := range events {
		if e.Kind == Deleted {
			deleted[e.Volume] = e.At
		}
		if !e.ofCreate() {
			continue
		}
		c := own[e.Own]
		if c == nil || e.Own == "" {
			c = &Create{Request: e.Request, Own: e.Own, Project: e.Project, Seen: e.At}
			own[e.Own] = c
			order = append(order, c)
		}
		c.add(e)
	}
	order = whole(order)
	for _, c := range order {
		c.Deleted = deleted[c.Volume]
	}
	slices.SortStableFunc(order, func(a, b *Create) int { return a.Seen.Compare(b.Seen) })
	return order
}

func (e *Event) ofCreate() bool {
	switch e.Kind {
	case Posted, Sized, Issued, Accepted, Quota, Hung, Erred, Conflict, Uncounted, Unscheduled, Making, Made, Unmade:
		return true
	}
	return false
}

// global reports whether cinder was told the request ID of its caller.
func (c *Create) global() bool { return c.Request != "" && c.Request != c.Own }

func (c *Create) add(e Event) {
	if e.At.Before(c.Seen) {
		c.Seen = e.At
	}
	c.Request, c.Project, c.Size = cmp.Or(c.Request, e.Request), cmp.Or(c.Project, e.Project), cmp.Or(c.Size, e.Size)
	c.Volume = cmp.Or(c.Volume, e.Volume)
	switch e.Kind.source() {
	case Scheduler:
		c.Scheduler, c.Unscheduled = e.Host, e.Text
	case Volume:
		c.VolumeHost = e.Host
		c.made(e)
	default:
		c.Host, c.PID = cmp.Or(c.Host, e.Host), cmp.Or(c.PID, e.PID)
		if e.At.After(c.Last) {
			c.Last = e.At
		}
		c.api(e)
	}
}

func (c *Create) api(e Event) {
	switch e.Kind {
	case Posted:
		c.Posted = e.At
	case Issued:
		c.Accepted = cmp.Or(c.Accepted, e.At)
	case Accepted:
		c.Accepted = e.At
	case Quota:
		c.Quota = e.Text
	case Hung:
		c.Hung = e.Text
	case Erred:
		c.Erred = e.Text
	case Conflict:
		c.Conflicts++
	case Uncounted:
		c.Uncounted = e.Text
	}
}

func (c *Create) made(e Event) {
	switch e.Kind {
	case Making:
		if c.Making.IsZero() || e.At.Before(c.Making) {
			c.Making = e.At
		}
	case Made:
		c.Made = e.At
	case Unmade:
		c.Unmade = e.Text
	}
}

// beyond reports whether a scheduler or a volume service has it.
func (c *Create) beyond() bool {
	return c.Unscheduled != "" || !c.Making.IsZero() || !c.Made.IsZero()
}

// whole joins what one process has logged under two IDs of its own, as
// releases of 2016 do: the POST under the one, what came of it under the other.
// A POST that is still open takes it, of several the first. What has no POST is
// none, unless other services tell of it.
func whole(all []*Create) []*Create {
	type process struct{ host, pid string }
	open := make(map[process][]*Create)
	rest := make([]*Create, 0, len(all))
	slices.SortStableFunc(all, func(a, b *Create) int { return a.Seen.Compare(b.Seen) })
	for _, c := range all {
		p := process{c.Host, c.PID}
		if !c.Posted.IsZero() {
			rest = append(rest, c)
			if c.Accepted.IsZero() && c.Quota == "" && c.Erred == "" {
				open[p] = append(open[p], c)
			}
			continue
		}
		if c.aside() {
			continue
		}
		fits := func(o *Create) bool { return o.takes(c) }
		n := slices.IndexFunc(open[p], fits)
		if n < 0 {
			if c.beyond() {
				rest = append(rest, c)
			}
			continue
		}
		open[p][n].take(c, slices.ContainsFunc(open[p][n+1:], fits))
		open[p] = slices.Delete(open[p], n, n+1)
	}
	return rest
}

// aside reports whether all that is known is what any request may say, not
// what came of a POST.
func (c *Create) aside() bool {
	return !c.beyond() && c.Accepted.IsZero() && c.Size == 0 && c.Quota+c.Hung+c.Erred == "" && (c.Conflicts > 0 || c.Uncounted != "")
}

// takes reports whether another group of lines may be what came of this POST.
func (c *Create) takes(o *Create) bool {
	sameSize := c.Size == 0 || o.Size == 0 || c.Size == o.Size
	return !c.global() && !o.global() && c.Project == o.Project && sameSize && !o.Seen.Before(c.Posted)
}

func (c *Create) take(o *Create, others bool) {
	if c.Paired = ByTime; others {
		c.Paired = ByOrder
	}
	if o.Last.After(c.Last) {
		c.Last = o.Last
	}
	c.Accepted, c.Size = o.Accepted, cmp.Or(c.Size, o.Size)
	c.Scheduler, c.Unscheduled = o.Scheduler, o.Unscheduled
	c.VolumeHost, c.Volume, c.Making, c.Made, c.Unmade = o.VolumeHost, o.Volume, o.Making, o.Made, o.Unmade
	c.Conflicts, c.Uncounted = c.Conflicts+o.Conflicts, cmp.Or(c.Uncounted, o.Uncounted)
	c.Quota, c.Hung, c.Erred = cmp.Or(c.Quota, o.Quota), cmp.Or(c.Hung, o.Hung), cmp.Or(c.Erred, o.Erred)
}
