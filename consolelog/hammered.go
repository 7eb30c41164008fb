package consolelog

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/stackmend/stackmend"
)

// asker is one user who asks for one instance's console.
type asker struct {
	instance, user, project, address string
}

// asked is what one asker got.
type asked struct {
	asker
	times          int
	bytes, largest int64
	first, last    time.Time
}

// hammered says who refreshes a large console.
func (p Policy) hammered(s *Snapshot) []stackmend.Finding {
	var out []stackmend.Finding
	for _, a := range askers(s.Requests) {
		if a.bytes < p.Answers {
			break
		}
		f := stackmend.Finding{Code: Hammered, Status: stackmend.Warn, Subject: a.instance, Confidence: stackmend.Medium,
			Message: fmt.Sprintf("user %s of project %s had its console sent %d times, %s in all", a.user, a.project, a.times, size(a.bytes)),
			Fix:     "bound the log, and ask the user to stop refreshing; every answer goes through RabbitMQ whole",
			Evidence: []stackmend.Evidence{{Source: "nova-api's log", At: a.last,
				Value: fmt.Sprintf("%d answers from %s to %s for %s, the longest of %d bytes", a.times, a.first.UTC().Format(time.RFC3339), a.last.UTC().Format(time.RFC3339), a.address, a.largest)}}}
		f.Evidence = append(f.Evidence, brokerEvidence(s)...)
		for _, l := range s.Logs {
			if instanceID(l.Instance) == a.instance {
				f.Confidence = stackmend.High
				f.Evidence = append(f.Evidence, stackmend.Evidence{Source: l.Path, Value: fmt.Sprintf("size %d", l.Size)})
			}
		}
		out = append(out, f)
	}
	return out
}

// askers sums up requests, those who got most first.
func askers(all []Request) []asked {
	sums := map[asker]*asked{}
	for _, q := range all {
		k := asker{q.Instance, q.User, q.Project, q.Address}
		a := sums[k]
		if a == nil {
			a = &asked{asker: k, first: q.At}
			sums[k] = a
		}
		a.times++
		a.bytes += q.Bytes
		a.largest = max(a.largest, q.Bytes)
		if q.At.Before(a.first) {
			a.first = q.At
		}
		if q.At.After(a.last) {
			a.last = q.At
		}
	}
	var out []asked
	for _, a := range sums {
		out = append(out, *a)
	}
	slices.SortFunc(out, func(a, b asked) int {
		return cmp.Or(cmp.Compare(b.bytes, a.bytes), cmp.Compare(a.instance, b.instance), cmp.Compare(a.user, b.user), cmp.Compare(a.address, b.address))
	})
	return out
}
