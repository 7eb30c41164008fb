package pglog

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/stackmend/stackmend"
)

// The codes of what Check finds, each a reason why logs are long.
const (
	CodeNoWrites   = "takes-no-writes"           // inactive: nothing but offline trimming shortens their logs
	CodeSlowMember = "held-by-slow-member"       // active and not clean, and the cluster lacks pglog_hardlimit
	CodeOnline     = "trims-online"              // active: writes trim them
	CodeNotSeen    = "placement-groups-not-seen" // of an OSD that is down
)

// ofOnline is what is said of placement groups with a code, and what is to be
// done beside, or instead of, trimming them offline. Trimming rides on writes,
// and without the flag pglog_hardlimit it goes no further than the slowest
// member of the acting set has come (calc_min_last_complete_ondisk and
// update_trim_to in src/osd/PeeringState.h at v16.2.15).
var ofOnline = map[string]struct {
	status   stackmend.Status
	why, fix string
}{
	CodeNoWrites: {stackmend.Warn, "inactive: no writes come, and trimming online rides on writes",
		"let them become active where that can be had (ceph-check tells what they wait for): then writes trim them. Where the OSDs' memory does not allow to wait, trim offline"},
	CodeSlowMember: {stackmend.Warn, "active and not clean, and without the flag pglog_hardlimit writes trim a log no further than its slowest member has come",
		"let recovery come to its end; or `ceph osd set pglog_hardlimit`, which cannot be undone and makes backfill of the recovery of slow members (ceph-pressure weighs that); or trim offline, which a policy must permit (-active)"},
	CodeOnline: {stackmend.OK, "active: the next writes trim the log, as far as osd_max_pg_log_entries and osd_min_pg_log_entries say",
		"lower osd_max_pg_log_entries and osd_min_pg_log_entries, step by step with ceph-pressure, and let writes trim; offline only where no writes come, which a policy must permit (-active)"},
}

// code says of a placement group what online trimming does with it.
func (pg PG) code(s *Snapshot) string {
	words := strings.Split(pg.State, "+")
	switch {
	case !slices.Contains(words, "active"):
		return CodeNoWrites
	case !s.HardLimit && !slices.Contains(words, "clean"):
		return CodeSlowMember
	}
	return CodeOnline
}

// long reports whether a log is longer than a policy lets it be, as far as the
// manager knows: older releases do not count dups.
func (pg PG) long(p Policy) bool {
	return p.MaxEntries > 0 && pg.Log > p.MaxEntries || p.MaxDups > 0 && pg.Dups > p.MaxDups
}

// A longLog is a placement group with a long log, and where it is.
type longLog struct {
	PG
	osds []string
}

// Check says of the logs that are longer than the policy asks for why they do
// not trim by themselves: offline trimming is for those that cannot.
func Check(s *Snapshot, p Policy) stackmend.Result {
	r := stackmend.Result{Schema: stackmend.Schema, Check: checkName, Subject: "cluster " + s.FSID, Status: stackmend.OK, Started: s.Taken, Finished: s.Taken}
	by, unseen := s.longLogs(p)
	for _, code := range slices.Sorted(maps.Keys(by)) {
		r.Findings = append(r.Findings, s.finding(code, by[code], p))
	}
	if len(unseen) > 0 {
		r.Findings = append(r.Findings, stackmend.Finding{Code: CodeNotSeen, Status: stackmend.Unknown, Subject: strings.Join(unseen, " "),
			Message: "down: which placement groups it has, and how long their logs are, its store alone tells",
			Fix:     "start it and look again; or let the plan read its store, and trim what may be trimmed, before it is started"})
	}
	for _, f := range r.Findings {
		r.Status = stackmend.Worst(r.Status, f.Status)
	}
	return r
}

// longLogs are the placement groups with long logs by code, the longest first,
// and the OSDs whose placement groups were not seen.
func (s *Snapshot) longLogs(p Policy) (by map[string][]longLog, unseen []string) {
	at := map[string]*longLog{}
	for _, o := range s.OSDs {
		if !o.Up {
			unseen = append(unseen, osdName(o.ID))
		}
		for _, pg := range o.PGs {
			if !pg.long(p) {
				continue
			}
			if at[pg.ID] == nil {
				at[pg.ID] = &longLog{PG: pg}
			}
			at[pg.ID].osds = append(at[pg.ID].osds, osdName(o.ID))
		}
	}
	by = map[string][]longLog{}
	for _, l := range at {
		by[l.code(s)] = append(by[l.code(s)], *l)
	}
	for _, list := range by {
		slices.SortFunc(list, func(a, b longLog) int { return cmp.Or(cmp.Compare(b.Log, a.Log), cmp.Compare(a.ID, b.ID)) })
	}
	return by, unseen
}

// told is how many placement groups a finding names.
const told = 5

func (s *Snapshot) finding(code string, list []longLog, p Policy) stackmend.Finding {
	says := ofOnline[code]
	f := stackmend.Finding{Code: code, Status: says.status, Subject: "PG logs", Fix: says.fix,
		Message: fmt.Sprintf("%d x longer than asked for (%s) and %s", len(list), p.limits(), says.why)}
	for _, l := range list[:min(told, len(list))] {
		f.Evidence = append(f.Evidence, stackmend.Evidence{Source: "pg ls-by-osd", At: s.Taken,
			Value: fmt.Sprintf("%s is %s: %d entries on %s", l.ID, l.State, l.Log, strings.Join(l.osds, ", "))})
	}
	if code == CodeSlowMember {
		f.Evidence = append(f.Evidence, stackmend.Evidence{Source: "osd dump", At: s.Taken, Value: "the flag pglog_hardlimit is not set"})
	}
	return f
}

// limits says how long logs may stay.
func (p Policy) limits() string {
	var out []string
	if p.MaxEntries > 0 {
		out = append(out, num(p.MaxEntries)+" entries")
	}
	if p.MaxDups > 0 {
		out = append(out, num(p.MaxDups)+" dups")
	}
	return strings.Join(out, ", ")
}

// offline says why placement groups are trimmed offline.
func offline(s *Snapshot, pgs []PG) string {
	n := map[string]int{}
	for _, pg := range pgs {
		n[pg.code(s)]++
	}
	var out []string
	for _, code := range slices.Sorted(maps.Keys(n)) {
		why := ofOnline[code].why
		if code == CodeOnline {
			why = "active: writes would trim the log, and the policy (-active) expects none"
		}
		out = append(out, fmt.Sprintf("%d x %s", n[code], why))
	}
	return "why offline: " + strings.Join(out, "; ")
}
