package dhcp

import (
	"sync"
	"time"
)

// servedBy returns a function that tells when a trace last had an answer to
// any client. It looks through a trace once, and only if it is asked.
func servedBy() func(*Trace) time.Time {
	var mu sync.Mutex
	known := map[*Trace]time.Time{}
	return func(t *Trace) time.Time {
		mu.Lock()
		defer mu.Unlock()
		at, ok := known[t]
		if !ok {
			at = lastAnswer(t)
			known[t] = at
		}
		return at
	}
}

func lastAnswer(t *Trace) (at time.Time) {
	for _, track := range t.Tracks {
		for _, e := range track.Events.List() {
			if e.Kind == Offer || e.Kind == Ack {
				at = latest(at, e.Time)
			}
		}
	}
	return at
}
