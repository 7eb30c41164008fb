package ceph

import (
	"fmt"
	"time"

	"github.com/stackmend/stackmend"
)

// rate is objects that became whole or came to their place, a second, and
// where that was read.
func (o Observed) rate() (perSecond float64, source string) {
	if r := o.Cluster.Recovery.ObjectsPerSecond; r > 0 {
		return r, "status"
	}
	if o.Earlier == nil {
		return 0, ""
	}
	span := o.Cluster.Taken.Sub(o.Earlier.Taken).Seconds()
	left := o.Cluster.degraded() + o.Cluster.misplaced()
	done := o.Earlier.degraded() + o.Earlier.misplaced() - left
	if span <= 0 || done <= 0 {
		return 0, ""
	}
	return float64(done) / span, "two snapshots"
}

// findRunning tells how long it takes until all is clean.
func findRunning(o Observed, _ Policy) []stackmend.Finding {
	s := o.Cluster
	left := s.degraded() + s.misplaced()
	rate, source := o.rate()
	if left == 0 || rate == 0 && s.inState("recovering")+s.inState("backfilling") == 0 {
		return nil
	}
	f := finding(stackmend.OK, "recovery", "data moves to its place; nothing is missing")
	if s.degraded() > 0 {
		f = finding(stackmend.Warn, "recovery", "recovery runs")
	}
	f.Evidence = []stackmend.Evidence{seen("status", "%s", s.progress())}
	f.Message += ": " + remaining(left, rate)
	if source != "" {
		f.Evidence = append(f.Evidence, seen(source, "%.1f objects/s", rate))
	}
	f.Fix = "leave it alone, or raise its pressure step by step while latency permits"
	return []stackmend.Finding{f}
}

func remaining(left int64, rate float64) string {
	if rate <= 0 {
		return fmt.Sprintf("%d object copies to go, at a rate that was not seen", left)
	}
	seconds := float64(left) / rate
	if seconds > (10 * 365 * 24 * time.Hour).Seconds() {
		return fmt.Sprintf("%d object copies to go, years at the present rate", left)
	}
	return fmt.Sprintf("%d object copies to go, about %s at the present rate", left, duration(time.Duration(seconds*float64(time.Second))))
}
