package dhcp

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/stackmend/stackmend"
)

// fewTroubled is from how many clients on it is asked what they share.
const fewTroubled = 3

// A shared is a value that clients have in common: a host, a bridge.
type shared struct {
	what, value      string
	troubled, all    int
	others, allOther int // troubled clients elsewhere, and all
}

// A place is what clients may share.
type place struct {
	host, bridge string
	server       IPv4
}

// A trouble is a client whose verdict is not healthy.
type trouble struct {
	place
	mac   MAC
	code  string
	tap   string
	since time.Time
	over  bool // it has recovered
}

// A summary is what is kept of all verdicts.
type summary struct {
	healthy  map[place]int
	troubled []trouble
}

func (j *summary) add(v *Verdict) {
	at := place{v.Instance.Host, v.Instance.Bridge, v.Server}
	if v.Code == Healthy {
		j.healthy[at]++
		return
	}
	j.troubled = append(j.troubled, trouble{at, v.MAC, v.Code, v.Instance.Tap, v.Break, v.Status == stackmend.Warn})
}

// now counts clients that have recovered as well, unless all have: what is
// over is not mixed with what lasts, for it may have had another cause.
func (j *summary) now() *summary {
	if !slices.ContainsFunc(j.troubled, func(t trouble) bool { return !t.over }) {
		return j
	}
	n := &summary{healthy: maps.Clone(j.healthy)}
	for _, t := range j.troubled {
		if t.over {
			n.healthy[t.place]++
		} else {
			n.troubled = append(n.troubled, t)
		}
	}
	return n
}

func (j *summary) clients() int {
	n := len(j.troubled)
	for _, well := range j.healthy {
		n += well
	}
	return n
}

// is reports whether any client has this verdict, which is one of trouble.
func (j *summary) is(code string) bool {
	return slices.ContainsFunc(j.troubled, func(t trouble) bool { return t.code == code })
}

// common says what troubled clients share: one cause or many.
func (s *Snapshot) common(all *summary) []stackmend.Finding {
	all = all.now()
	troubled := all.troubled
	if len(troubled) < fewTroubled {
		return nil
	}
	var out []stackmend.Finding
	for _, d := range dimensions {
		for _, g := range d.group(all) {
			if g.stands() {
				out = append(out, g.finding(s.Subject))
			}
		}
	}
	if f, ok := sameMinute(troubled, s.Subject); ok {
		out = append(out, f)
	}
	if len(out) == 0 {
		return []stackmend.Finding{{Code: CodeManyCauses, Status: stackmend.Warn, Subject: s.Subject, Confidence: stackmend.Low,
			Message: fmt.Sprintf("%d clients are in trouble and share no host, bridge, server or minute, as far as these are known", len(troubled)),
			Fix:     "judge each for itself; give the instances' hosts and bridges if they are not known"}}
	}
	return out
}

// A dimension is one thing that clients may share.
type dimension struct {
	what string
	of   func(p place) string
}

var dimensions = []dimension{
	{"host", func(p place) string { return p.host }},
	{"bridge", func(p place) string { return p.bridge }},
	{"server", func(p place) string {
		if p.server == (IPv4{}) {
			return ""
		}
		return p.server.String()
	}},
}

// group counts the clients of each value.
func (d dimension) group(j *summary) []shared {
	groups := map[string]*shared{}
	known, bad := 0, 0
	count := func(p place, n, troubled int) {
		value := d.of(p)
		if value == "" {
			return
		}
		g := groups[value]
		if g == nil {
			g = &shared{what: d.what, value: value}
			groups[value] = g
		}
		g.all, g.troubled = g.all+n, g.troubled+troubled
		known, bad = known+n, bad+troubled
	}
	for p, n := range j.healthy {
		count(p, n, 0)
	}
	for _, t := range j.troubled {
		count(t.place, 1, 1)
	}
	var out []shared
	for _, key := range slices.Sorted(maps.Keys(groups)) {
		g := *groups[key]
		g.others, g.allOther = bad-g.troubled, known-g.all
		out = append(out, g)
	}
	return out
}

// stands reports whether trouble is much more common there than elsewhere.
// What all clients share tells nothing.
func (g shared) stands() bool {
	if g.troubled < fewTroubled || g.allOther == 0 {
		return false
	}
	here := float64(g.troubled) / float64(g.all)
	elsewhere := float64(g.others) / float64(g.allOther)
	return here >= 0.3 && here >= 3*elsewhere
}

func (g shared) finding(subject string) stackmend.Finding {
	sure := stackmend.Medium
	if g.troubled >= 5 && g.others == 0 {
		sure = stackmend.High
	}
	return stackmend.Finding{Code: CodeCommonCause, Status: stackmend.Fail, Subject: cmp.Or(g.what+" "+g.value, subject), Confidence: sure,
		Message: fmt.Sprintf("%d of the %d clients of %s %s are in trouble, elsewhere %d of %d: one cause, there", g.troubled, g.all, g.what, g.value, g.others, g.allOther),
		Fix:     "look at the " + g.what + " first; what is done to single instances will not last"}
}

// sameMinute finds that many breaks began in one minute.
func sameMinute(troubled []trouble, subject string) (stackmend.Finding, bool) {
	var at []time.Time
	for _, t := range troubled {
		if !t.since.IsZero() {
			at = append(at, t.since)
		}
	}
	slices.SortFunc(at, time.Time.Compare)
	first, most := 0, 0
	for i, j := 0, 0; i < len(at); i++ {
		for j < len(at) && at[j].Sub(at[i]) < time.Minute {
			j++
		}
		if j-i > most {
			first, most = i, j-i
		}
	}
	if most < fewTroubled || 2*most < len(troubled) {
		return stackmend.Finding{}, false
	}
	return stackmend.Finding{Code: CodeCommonCause, Status: stackmend.Fail, Subject: subject, Confidence: stackmend.Medium,
		Message: fmt.Sprintf("%d of %d troubled clients had their first unanswered request within one minute, from %s on: one event", most, len(troubled), instant(at[first])),
		Fix:     "look at what happened then: a server or an agent that was restarted, rules that were loaded, a link that changed"}, true
}
