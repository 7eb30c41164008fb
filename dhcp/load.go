package dhcp

import (
	"fmt"
	"time"

	"github.com/stackmend/stackmend"
)

// Rate is how many DHCPREQUESTs of all clients a trace holds.
type Rate struct {
	Requests int64
	Peak     int64     // in the busiest minute
	PeakAt   time.Time // which began then
}

// minute counts what comes in the order of time, or nearly so.
type minute struct {
	total     int64
	at, count int64 // minutes since 1970
	peak      int64
	peakAt    int64
}

func (m *minute) add(at time.Time) {
	m.total++
	if at.IsZero() {
		return
	}
	if now := at.Unix() / 60; now != m.at {
		m.at, m.count = now, 0
	}
	if m.count++; m.count > m.peak {
		m.peak, m.peakAt = m.count, m.at
	}
}

func (m *minute) rate() Rate {
	r := Rate{Requests: m.total, Peak: m.peak}
	if m.peak > 0 {
		r.PeakAt = time.Unix(60*m.peakAt, 0).UTC()
	}
	return r
}

// RenewalLoad is how many requests a second renewals make: each client renews
// after half of its lease.
func RenewalLoad(clients int, lease time.Duration) float64 {
	if lease <= 0 {
		return 0
	}
	return float64(clients) * 2 / lease.Seconds()
}

// fewClients is from how many clients on their load is worth a word.
const fewClients = 10

// loads says what the lease time means for each server, and what its trace
// shows.
func (s *Snapshot) loads() (out []stackmend.Finding) {
	for _, t := range s.Traces {
		span := t.Until.Sub(t.From)
		lease, clients := t.usualLease()
		if !t.Point.Server() || clients < fewClients || lease == 0 || span <= 0 {
			continue
		}
		want, have := RenewalLoad(clients, lease), float64(t.Rate.Requests)/span.Seconds()
		f := stackmend.Finding{Code: CodeRenewalLoad, Status: stackmend.OK, Subject: t.Name, Confidence: stackmend.High,
			Message: fmt.Sprintf("%d clients with leases of %v make %.2f renewals a second (clients x 2 / lease); seen were %.2f a second, %d in the busiest minute", clients, lease, want, have, t.Rate.Peak),
			Fix:     fmt.Sprintf("a lease of %v would make %.2f a second; it hides a lost renewal for longer, and cures nothing", 4*lease, want/4)}
		if span > lease && have > 2*want {
			f.Status = stackmend.Warn
			f.Message += ": clients ask more often than their leases need, so that answers are not taken, or leases are cut short"
		}
		out = append(out, f)
	}
	return out
}

// usualLease is the lease time that most clients have, and how many clients
// there are.
func (t *Trace) usualLease() (lease time.Duration, clients int) {
	count := map[time.Duration]int{}
	for _, c := range t.Tracks {
		if c.Lease.Time > 0 {
			clients++
			if count[c.Lease.Time]++; count[c.Lease.Time] > count[lease] {
				lease = c.Lease.Time
			}
		}
	}
	return lease, clients
}

// V6 counts what is recognised and not judged.
type V6 struct {
	Messages, Advertisements int64
	First, Last              time.Time
}

func (v *V6) see(at time.Time) {
	if v.First.IsZero() {
		v.First = at
	}
	v.Last = at
}

// notJudged says that there was DHCPv6.
func (s *Snapshot) notJudged() (out []stackmend.Finding) {
	for _, t := range s.Traces {
		if t.V6.Messages+t.V6.Advertisements > 0 {
			out = append(out, stackmend.Finding{Code: CodeNotJudged, Status: stackmend.Unknown, Subject: t.Name,
				Message:  fmt.Sprintf("%d messages of DHCPv6 and %d router advertisements: they are recognised, and not judged", t.V6.Messages, t.V6.Advertisements),
				Fix:      "look at them with tshark -Y 'dhcpv6 || icmpv6.type == 134'",
				Evidence: []stackmend.Evidence{{Source: t.Name, Value: "the first one", At: t.V6.First}, {Source: t.Name, Value: "the last one", At: t.V6.Last}}})
		}
	}
	return out
}

func (s *Snapshot) unseen() []string {
	u := append([]string(nil), s.Unseen...)
	for _, t := range s.Traces {
		u = append(u, t.Unseen...)
	}
	if s.Host != nil {
		u = append(u, s.Host.Unseen...)
	}
	return u
}
