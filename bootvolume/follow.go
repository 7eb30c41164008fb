package bootvolume

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"time"
)

// A Boot is one instance of a batch, and what became of its request for a
// volume. What no log showed is nil.
type Boot struct {
	Instance string
	Host     string // its compute
	Request  string
	Shared   int       // instances of the same request
	Begun    time.Time // nova asked for the volume
	Ended    time.Time // nova gave up, or the instance ran; zero: neither was seen
	Built    bool
	Failure  string   // nova's words
	HAProxy  *Request // the POST
	Cinder   *Create
}

// A Create is a POST .../volumes as cinder-api logged it.
type Create struct {
	Request, Own, Host string
	Posted, Accepted   time.Time // zero: not seen
	Quota, Hung, Erred string    // its words
}

// Follow puts the lines of one request together: the instance, its request at
// HAProxy, and cinder-api's. Where several instances share a request ID (a
// boot with a count), the POSTs are given to them in order of time.
func Follow(l *Logs) []Boot {
	boots := boots(l.Events)
	posts, creates := posts(l.Requests), creates(l.Events)
	byRequest := make(map[string][]int)
	for i, b := range boots {
		byRequest[b.Request] = append(byRequest[b.Request], i)
	}
	for request, of := range byRequest {
		if request == "" {
			continue
		}
		for n, i := range of {
			b := &boots[i]
			b.Shared = len(of)
			if n < len(posts[request]) {
				b.HAProxy = &posts[request][n]
			}
			if n < len(creates[request]) {
				b.Cinder = &creates[request][n]
			}
		}
	}
	return boots
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
		if b := seen[id]; !b.Begun.IsZero() || b.Failure != "" {
			all = append(all, *b)
		}
	}
	slices.SortStableFunc(all, func(a, b Boot) int { return a.Begun.Compare(b.Begun) })
	return all
}

func (b *Boot) add(e Event) {
	b.Host, b.Request = cmp.Or(b.Host, e.Host), cmp.Or(b.Request, e.Request)
	switch e.Kind {
	case Begun:
		b.Begun = e.At
	case Broken:
		b.Ended, b.Failure = e.At, e.Text
	case Built:
		b.Ended, b.Built = e.At, true
	}
}

func posts(requests []Request) map[string][]Request {
	by := make(map[string][]Request)
	for _, r := range requests {
		if r.createsVolume() && r.ID != "" {
			by[r.ID] = append(by[r.ID], r)
		}
	}
	for _, rs := range by {
		slices.SortStableFunc(rs, func(a, b Request) int { return a.At.Compare(b.At) })
	}
	return by
}

// creates groups cinder-api's lines by its own request ID, and these by the
// global one.
func creates(events []Event) map[string][]Create {
	own := make(map[string]*Create)
	var order []string
	for _, e := range events {
		switch e.Kind {
		case Posted, Accepted, Quota, Hung, Erred:
		default:
			continue
		}
		c := own[e.Own]
		if c == nil {
			c = &Create{Request: e.Request, Own: e.Own, Host: e.Host}
			own[e.Own] = c
			order = append(order, e.Own)
		}
		c.add(e)
	}
	by := make(map[string][]Create)
	for _, id := range order {
		if c := own[id]; !c.Posted.IsZero() {
			by[c.Request] = append(by[c.Request], *c)
		}
	}
	return by
}

func (c *Create) add(e Event) {
	switch e.Kind {
	case Posted:
		c.Posted = e.At
	case Accepted:
		c.Accepted = e.At
	case Quota:
		c.Quota = e.Text
	case Hung:
		c.Hung = e.Text
	case Erred:
		c.Erred = e.Text
	}
}

// Words of nova's exceptions: exception.py, VolumeNotCreated and
// VolumeNotFound; keystoneauth1's ConnectFailure; cinder's quota messages.
var (
	tooSlow      = regexp.MustCompile(`did not finish being created even after we waited (\d+) seconds or (\d+) attempts`)
	inError      = regexp.MustCompile(`did not finish being created even after we waited \d+ seconds or \d+ attempts\. And its status is error`)
	notFound     = regexp.MustCompile(`Volume \S+ could not be found`)
	deadlock     = regexp.MustCompile(`DBDeadlock|Deadlock found|\b1213\b`)
	notConnected = regexp.MustCompile(`Unable to establish connection|ConnectFailure|Connection refused`)
	overQuota    = regexp.MustCompile(`exceeding volume related resource quota|VolumeSizeExceedsAvailableQuota|VolumeLimitExceeded|exceeds allowed .*quota|Maximum number of volumes allowed`)
)
