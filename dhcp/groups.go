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

// common says what troubled clients share: one cause or many.
func (s *Snapshot) common(verdicts []Verdict) []stackmend.Finding {
	var troubled []Verdict
	for _, v := range verdicts {
		if v.Code != Healthy {
			troubled = append(troubled, v)
		}
	}
	if len(troubled) < fewTroubled {
		return nil
	}
	var out []stackmend.Finding
	for _, d := range dimensions {
		for _, g := range d.group(verdicts) {
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

// A dimension is what clients may share.
type dimension struct {
	what string
	of   func(v Verdict) string
}

var dimensions = []dimension{
	{"host", func(v Verdict) string { return v.Instance.Host }},
	{"bridge", func(v Verdict) string { return v.Instance.Bridge }},
	{"server", func(v Verdict) string {
		if v.Server == (IPv4{}) {
			return ""
		}
		return v.Server.String()
	}},
}

// group counts the clients of each value.
func (d dimension) group(verdicts []Verdict) []shared {
	groups := map[string]*shared{}
	known, bad := 0, 0
	for _, v := range verdicts {
		value := d.of(v)
		if value == "" {
			continue
		}
		if groups[value] == nil {
			groups[value] = &shared{what: d.what, value: value}
		}
		known++
		groups[value].all++
		if v.Code != Healthy {
			groups[value].troubled++
			bad++
		}
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
func sameMinute(troubled []Verdict, subject string) (stackmend.Finding, bool) {
	var at []time.Time
	for _, v := range troubled {
		if !v.Break.IsZero() {
			at = append(at, v.Break)
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
