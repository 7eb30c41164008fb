package ceph

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/stackmend/stackmend"
)

// findFlapping tells which OSDs went down again and again, how, and whether
// they have something in common.
func findFlapping(o Observed, p Policy) []stackmend.Finding {
	since := o.Cluster.Taken.Add(-p.FlapWindow)
	by := recent(downs(o.log()), since)
	maps.DeleteFunc(by, func(_ int, d []Down) bool { return len(d) < p.Flaps })
	ids := slices.Sorted(maps.Keys(by))
	var out []stackmend.Finding
	for _, id := range ids[:min(len(ids), keep)] {
		out = append(out, flapping(o, id, by[id], p))
	}
	if len(ids) >= 3 {
		out = append(out, pattern(o.Cluster, ids))
	}
	if f, short := o.shortLog(since); short && len(out) == 0 {
		out = append(out, f)
	}
	return append(out, o.restarted()...)
}

// log is the longer of the two cluster logs.
func (o Observed) log() []LogLine {
	if len(o.ClusterLog) > 0 {
		return o.ClusterLog
	}
	return o.Cluster.Log
}

// shortLog: the monitors remember the last 50 lines or so
// (mon_log_max_summary). If an OSD went up or down before them, within the
// window, nobody can say from these how often.
func (o Observed) shortLog(since time.Time) (stackmend.Finding, bool) {
	s, log := o.Cluster, o.log()
	if s.unseen("log_last") != nil && len(o.ClusterLog) == 0 || !s.LastUpChange.IsZero() && s.LastUpChange.Before(since) {
		return stackmend.Finding{}, false
	}
	from := s.Taken
	if len(log) > 0 {
		from = log[0].At
	}
	if !from.After(since) {
		return stackmend.Finding{}, false
	}
	f := finding(stackmend.Unknown, "cluster", "cannot tell how often OSDs went down in the last %s: the log begins only %s ago", duration(s.Taken.Sub(since)), duration(s.Taken.Sub(from)))
	f.Fix = "hand it the cluster log of a monitor's host (/var/log/ceph/ceph.log)"
	if !s.LastUpChange.IsZero() {
		f.Evidence = []stackmend.Evidence{{Source: "osd dump last_up_change", Value: "an OSD went up or down", At: s.LastUpChange}}
	}
	return f, true
}

// restarted: OSDs that began a new life between two snapshots.
func (o Observed) restarted() []stackmend.Finding {
	if o.Earlier == nil {
		return nil
	}
	var out []stackmend.Finding
	for _, now := range o.Cluster.OSDs {
		was := o.Earlier.OSD(now.ID)
		if was == nil || !was.Up || !now.Up || was.UpFrom == now.UpFrom || len(out) >= shown {
			continue
		}
		f := finding(stackmend.Warn, osdName(now.ID), "went down and came back between the two snapshots")
		f.Evidence = []stackmend.Evidence{seen("osd dump", "up_from was %d", was.UpFrom), now.lastEnd()}
		f.Fix = "see whether somebody restarted it; if nobody did, look into its log and its host's kernel log"
		out = append(out, f)
	}
	return out
}

func flapping(o Observed, id int, downs []Down, p Policy) stackmend.Finding {
	f := finding(stackmend.Warn, osdName(id), "went down %d times within %s", len(downs), duration(p.FlapWindow))
	for _, d := range downs[max(0, len(downs)-5):] {
		f.Evidence = append(f.Evidence, stackmend.Evidence{Source: "cluster log", Value: d.How, At: d.At})
	}
	osd := o.Cluster.OSD(id)
	if osd != nil {
		f.Evidence = append(f.Evidence, osd.lastEnd())
	}
	reason, fix, more := o.cause(id, osd, downs)
	f.Message += ": " + reason
	f.Evidence = append(f.Evidence, more...)
	f.Fix = fix
	if budget, span, ok := osd.markdowns(); ok {
		n := most(downs, span)
		f.Evidence = append(f.Evidence, seen("config show", "markdown budget: %d times in %s used %d; above it the OSD shuts itself down", budget, duration(span), n))
		if n >= budget {
			f.Status = stackmend.Fail
			f.Fix = "do not restart it any more until the cause is found: its markdown budget is used up; " + f.Fix
		}
	}
	return f
}

// lastEnd says whether the OSD's last life ended orderly.
func (o *OSD) lastEnd() stackmend.Evidence {
	how := "its last end was orderly"
	if o.DownAt > 0 && o.DownAt > o.LastCleanEnd {
		how = "its last end was not orderly"
	}
	return seen("osd dump", "%s: up_from %d, down_at %d, last_clean_end %d", how, o.UpFrom, o.DownAt, o.LastCleanEnd)
}

// cause weighs what speaks for a crash, for a kill, for a restart and for an
// OSD that merely does not answer. "marked itself down" alone decides nothing:
// with osd_fast_shutdown a restart looks like an exit at once, and an OSD that
// gives up marks itself down too.
func (o Observed) cause(id int, osd *OSD, downs []Down) (reason, fix string, more []stackmend.Evidence) {
	if kills := o.Host.oomKills(osd); len(kills) > 0 {
		for _, k := range kills {
			more = append(more, stackmend.Evidence{Source: "kernel log", Value: k.Text, At: k.At})
		}
		return "the kernel kills OSDs on its host for want of memory", "see osd-memory; lower osd_memory_target or give the host memory before anything else", more
	}
	if c := o.crashes(id, downs[0].At); len(c) > 0 {
		for _, crash := range c {
			more = append(more, stackmend.Evidence{Source: "crash ls", Value: crash.ID, At: crash.At})
		}
		return "it crashes", "read `ceph crash info` of these; look for the same backtrace in Ceph's tracker", more
	}
	if u := o.Host.unit(id); u != nil {
		more = append(more, u.evidence())
	}
	count := map[string]int{}
	for _, d := range downs {
		count[d.How]++
	}
	switch {
	case count[bySilence] == len(downs):
		return "its neighbours get no answer to heartbeats", "look at its host's load, at its disk's latency, at packet loss and MTU on both networks; a process that is stopped or swapped looks the same", more
	case count[byRefusal] > 0:
		more = append(more, against("crash ls", "no crash of it is on record: killed from outside (kernel, cgroup, operator), or ceph-crash does not run"))
		return "its process ended without a word: killed, or crashed", "look into its host's kernel log for oom-kill and into its own log's last lines", more
	}
	return "it was stopped or stopped itself; " + osd.shutdown(), "ask the supervisor's log (journalctl -u ceph-osd@" + strconv.Itoa(id) + ") who stopped it", more
}

// shutdown says how this OSD ends, by the options in effect.
func (o *OSD) shutdown() string {
	if o == nil || o.Daemon == nil || o.Daemon.Config["osd_fast_shutdown"] == "" {
		return "how it ends was not seen"
	}
	c := o.Daemon.Config
	return fmt.Sprintf("osd_fast_shutdown %s, notify_mon %s", c["osd_fast_shutdown"], cmp.Or(c["osd_fast_shutdown_notify_mon"], "unknown"))
}

// crashes of an OSD since an instant.
func (o Observed) crashes(id int, since time.Time) []Crash {
	var out []Crash
	for _, c := range o.Cluster.Crashes {
		if c.Entity == osdName(id) && c.At.After(since.Add(-10*time.Minute)) {
			out = append(out, c)
		}
	}
	return out[max(0, len(out)-5):]
}

// markdowns is the OSD's budget of being marked down.
func (o *OSD) markdowns() (budget int, span time.Duration, ok bool) {
	if o == nil || o.Daemon == nil {
		return 0, 0, false
	}
	n, err1 := strconv.Atoi(o.Daemon.Config["osd_max_markdown_count"])
	s, err2 := strconv.Atoi(o.Daemon.Config["osd_max_markdown_period"])
	return n, time.Duration(s) * time.Second, err1 == nil && err2 == nil && n > 0 && s > 0
}
