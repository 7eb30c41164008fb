package ceph

import (
	"regexp"
	"strconv"
	"time"
)

// How an OSD went down, as the cluster log tells it. What it means follows
// only together with the options, crash reports and the kernel's log.
const (
	byItself  = "marked itself down"      // SIGTERM, or a shutdown of its own
	byRefusal = "connection refused"      // the process was gone: crash, kill, SIGKILL
	bySilence = "heartbeats not answered" // overload, network, a stopped process
)

// A Down is one time that an OSD went down.
type Down struct {
	OSD int
	At  time.Time
	How string
}

var (
	osdFailed  = regexp.MustCompile(`^osd\.(\d{1,9}) failed \(`)
	osdRefused = regexp.MustCompile(`connection refused reported by`)
	osdItself  = regexp.MustCompile(`^osd\.(\d{1,9}) marked itself (?:down|dead)`)
)

// downs reads from the cluster log when OSDs went down (OSDMonitor.cc at
// v16.2.15: "osd.1 failed (root=default,host=host1) (connection refused
// reported by osd.2)", "osd.1 marked itself down and dead").
func downs(log []LogLine) []Down {
	var out []Down
	for _, l := range log {
		how, m := byItself, osdItself.FindStringSubmatch(l.Text)
		if m == nil {
			how, m = bySilence, osdFailed.FindStringSubmatch(l.Text)
			if osdRefused.MatchString(l.Text) {
				how = byRefusal
			}
		}
		if m == nil {
			continue
		}
		if id, err := strconv.Atoi(m[1]); err == nil {
			out = append(out, Down{id, l.At, how})
		}
	}
	return out
}

// recent keeps the downs after an instant, by OSD.
func recent(all []Down, after time.Time) map[int][]Down {
	by := map[int][]Down{}
	for _, d := range all {
		if !d.At.Before(after) {
			by[d.OSD] = append(by[d.OSD], d)
		}
	}
	return by
}

// most is the largest number of downs within any span of this length; they
// are in order of time.
func most(downs []Down, span time.Duration) int {
	best := 0
	for i, j := 0, 0; i < len(downs); i++ {
		for downs[i].At.Sub(downs[j].At) > span {
			j++
		}
		best = max(best, i-j+1)
	}
	return best
}
