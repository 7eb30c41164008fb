package bootvolume

import (
	"fmt"
	"time"

	"github.com/stackmend/stackmend"
)

// clocksDiffer says which logs were written by another clock, and what was made
// of it.
func clocksDiffer(offsets []ClockOffset) (all []stackmend.Finding) {
	for _, o := range offsets {
		if !o.Differs() {
			continue
		}
		f := stackmend.Finding{Code: CodeClocksDiffer, Status: stackmend.Warn, Subject: fmt.Sprintf("%s log of %s", o.Source, o.Host),
			Message: o.message(), Confidence: stackmend.High, Fix: "look at time synchronisation there (chronyc tracking)"}
		if by, doubt, ok := o.Correction(); ok {
			if hours := by.Round(30 * time.Minute); hours != 0 && (by-hours).Abs() <= doubt+time.Minute {
				f.Fix = fmt.Sprintf("%v looks like a time zone: tell the zone of this log; or else look at time synchronisation there", hours)
			}
		}
		all = append(all, f)
	}
	return all
}

func (o ClockOffset) message() string {
	by, doubt, ok := o.Correction()
	switch {
	case ok:
		return fmt.Sprintf("its clock is %v ahead of that of the others (give or take %v): its times were corrected by that, and evidence has them so", by, doubt)
	case o.Least > o.Most:
		return "its times contradict those of the others: a clock was set in between, or lines were put together that are not of one request; nothing was corrected"
	case o.Least > 0:
		return fmt.Sprintf("its clock is %v ahead of that of the others, or more; nothing was corrected, for nothing tells how much more", o.Least)
	}
	return fmt.Sprintf("its clock is %v behind that of the others, or more; nothing was corrected, for nothing tells how much more", -o.Most)
}
