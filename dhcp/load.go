package dhcp

import "time"

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
