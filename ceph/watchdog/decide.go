package watchdog

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/stackmend/stackmend"
)

// The codes of the findings. They are never reworded.
const (
	CodeNear    = "osd-memory-limit-near" // an OSD has little time, or little room, to its limit
	CodeNeeded  = "restart-needed"        // it is to be restarted now
	CodeRefused = "restart-refused"       // and is not, and why
	CodeUseless = "restart-useless"       // its last restart did not help
	CodeUnseen  = "unseen"                // nothing can be said yet, and why
)

// Check judges a report. It is pure. A host without OSDs, and an OSD of which
// there is no history yet, are Unknown.
func Check(r Report, subject string, p Policy) stackmend.Result {
	p = p.orDefaults()
	out := stackmend.Result{Check: checkName, Subject: subject, Status: stackmend.OK, Started: r.Time, Finished: r.Time}
	if len(r.Outlooks) == 0 || len(r.Verdicts) != len(r.Outlooks) || r.Pass == nil {
		return unseen(out, subject, "no OSD that runs was seen on this host", "run it where OSDs run, as root; in a container it needs the host's /proc")
	}
	for i := range r.Outlooks {
		o, v := &r.Outlooks[i], r.Verdicts[i]
		if !o.Steady {
			out = unseen(out, "osd."+strconv.Itoa(o.ID), "it was not sampled for long enough to say how it grows", "sample for longer")
		}
		for _, f := range r.findings(o, v, p) {
			out.Findings = append(out.Findings, f)
			out.Status = stackmend.Worst(out.Status, f.Status)
		}
	}
	return out
}

// unseen adds that nothing is known.
func unseen(r stackmend.Result, subject, why, fix string) stackmend.Result {
	r.Findings = append(r.Findings, stackmend.Finding{Code: CodeUnseen, Status: stackmend.Unknown, Subject: subject, Message: why, Fix: fix})
	r.Status = stackmend.Worst(r.Status, stackmend.Unknown)
	return r
}

func (r Report) findings(o *Outlook, v Verdict, p Policy) (out []stackmend.Finding) {
	name := "osd." + strconv.Itoa(o.ID)
	add := func(code string, s stackmend.Status, fix, format string, args ...any) {
		out = append(out, stackmend.Finding{Code: code, Status: s, Subject: name, Message: fmt.Sprintf(format, args...), Fix: fix,
			Confidence: r.confidence(v), Evidence: r.evidence(o, v)})
	}
	if last, ok := r.History.Last(o.ID); ok && last.Useless(p) && r.Time.Sub(last.At) < p.Hold {
		add(CodeUseless, stackmend.Warn, uselessFix(*last), "its restart at %s did not help: it used %s before, and %s as soon as it had settled; it is not restarted again before %s",
			last.At.UTC().Format(time.RFC3339), size(last.Before), size(last.After), last.At.Add(p.Hold).UTC().Format(time.RFC3339))
	}
	switch {
	case v.Level == Quiet:
		return out
	case v.Level < Due:
		add(CodeNear, stackmend.Warn, "look at what it uses memory for (ceph-check), lower osd_memory_target, ease recovery", "%s", o.reason())
		return out
	}
	why := r.Refused[o.ID]
	if v.Held != Free {
		why = v.Held.String()
	}
	if why != "" {
		add(CodeRefused, stackmend.Fail, "the kernel kills it when the limit is met; make room on the host, ease recovery, or decide for a graceful stop (LastResort)", "%s, and it is not restarted: %s", o.reason(), why)
		return out
	}
	add(CodeNeeded, stackmend.Fail, "restart it gracefully: SIGTERM, wait until it is gone, start it", "%s; a stop takes %s", o.reason(), v.Stop)
	return out
}

// uselessFix: what a restart reads back from disk must be trimmed there.
func uselessFix(r Restart) string {
	if r.Plan != "" {
		return r.Plan
	}
	fix := fmt.Sprintf("if its PG logs are what came back (osd_pglog in dump_mempools), trim them: online where its placement groups take writes, otherwise offline: ceph-trim-pglog -osd %d", r.OSD)
	if r.Log > r.Before/4 {
		return fmt.Sprintf("its PG logs used %s of it, and are read again at each start. ", size(r.Log)) + fix
	}
	return "raise its limit or find the leak (ceph-check); " + fix
}

// confidence: what was not measured and what the kernel does not give lowers it.
func (r Report) confidence(v Verdict) stackmend.Confidence {
	c := stackmend.High
	if !v.Measured {
		c--
	}
	if r.Lacks != 0 && c > stackmend.Low {
		c--
	}
	return c
}

func (r Report) evidence(o *Outlook, v Verdict) []stackmend.Evidence {
	seen := func(source, format string, args ...any) stackmend.Evidence {
		return stackmend.Evidence{Source: source, Value: fmt.Sprintf(format, args...), At: r.Time}
	}
	out := []stackmend.Evidence{
		seen(fmt.Sprintf("/proc/%d/status", o.PID), "RssAnon %s, swapped %s, grows by %s/s", size(o.Anon), size(max(o.Swap, 0)), size(int64(o.Slope))),
		seen("/proc/meminfo", "%s of %s available", size(r.Pass.Host.Available), size(r.Pass.Host.Total)),
	}
	groups := r.Pass.Groups
	for g, n := o.Group, 0; g >= 0 && g < len(groups) && n < len(groups); g, n = groups[g].Parent, n+1 { // a report may be put together by others
		m := groups[g]
		out = append(out, seen(m.Path, "limit %s, used without page cache %s, OOM kills %d", size(m.Limit), size(m.Used), max(m.Kills, 0)))
	}
	if r.Pass.Host.Full >= 0 {
		out = append(out, seen("/proc/pressure/memory", "stalled for %s since the boot", time.Duration(r.Pass.Host.Full)*time.Microsecond))
	}
	if last, ok := r.History.Last(o.ID); ok && last.Unclean != "" {
		out = append(out, seen("history", "its last stop, at %s, was not clean: %s", last.At.UTC().Format(time.RFC3339), last.Unclean))
	}
	if o.Stalled > 0 || o.Met > 0 {
		out = append(out, seen("pressure", "everything stalled for %.0f %% of the last seconds, a limit was met %d times", 100*o.Stalled, o.Met))
	}
	if !v.Measured {
		out = append(out, seen("history", "no stop was measured here yet: %s is assumed", v.Stop))
	}
	if names := r.Lacks.Names(); len(names) > 0 {
		out = append(out, seen("kernel", "it does not give %s", strings.Join(names, ", ")))
	}
	return out
}
