package dbarchive

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/stackmend/stackmend"
)

// Thresholds are what Check measures a Snapshot by. Zero values are the
// defaults.
type Thresholds struct {
	// WarnDeleted and FailDeleted are deleted instances in one cell; 50,000
	// and 250,000. The incident had 300,000, and RunInstances took 138.6 s.
	WarnDeleted, FailDeleted int64
	// Earlier is an older Snapshot to tell growth from; it may be nil.
	Earlier *Snapshot
	// API are times of nova-api (ParseAPILog) and what they were before; nil
	// if no log was read.
	API, APIEarlier *APITimes
	SlowAPI         time.Duration // 95th percentile that is slow; 10 s
}

func (t Thresholds) withDefaults() Thresholds {
	if t.WarnDeleted <= 0 {
		t.WarnDeleted = 50_000
	}
	if t.FailDeleted <= 0 {
		t.FailDeleted = 250_000
	}
	if t.SlowAPI <= 0 {
		t.SlowAPI = 10 * time.Second
	}
	return t
}

// CheckName is the name of this package's check.
const CheckName = "dbarchive"

// Check says how bad it is. It is pure. A cell that could not be read makes
// the result Unknown: what is not known is not healthy.
func Check(s *Snapshot, t Thresholds) stackmend.Result {
	t = t.withDefaults()
	r := stackmend.Result{Schema: stackmend.Schema, Check: CheckName, Subject: s.subject(), Started: s.Taken, Finished: s.Taken}
	statuses := []stackmend.Status{stackmend.OK}
	if len(s.Cells) == 0 {
		statuses = nil
	}
	for _, c := range s.Cells {
		r.Findings = append(r.Findings, c.findings(s, t)...)
		if len(c.Unseen) > 0 {
			statuses = append(statuses, stackmend.Unknown)
		}
	}
	r.Findings = append(r.Findings, s.API.findings(s.Taken)...)
	r.Findings = append(r.Findings, slowFindings(t)...)
	for _, f := range r.Findings {
		statuses = append(statuses, f.Status)
	}
	r.Status = stackmend.Worst(statuses...)
	return r
}

func (s *Snapshot) subject() string {
	var names []string
	for _, c := range s.Cells {
		names = append(names, c.Name)
	}
	return "nova cells " + strings.Join(names, ", ")
}

// unread is why nothing is known of the cell; empty if it was read. A snapshot
// may have been put together by others, without the schema.
func (c CellState) unread() string {
	if c.Err == "" && c.Schema == nil {
		return "its schema was not seen"
	}
	return c.Err
}

func (c CellState) findings(s *Snapshot, t Thresholds) []stackmend.Finding {
	subject := "cell " + c.Name
	if why := c.unread(); why != "" {
		return []stackmend.Finding{{Code: NotArchivable, Status: stackmend.Unknown, Subject: subject,
			Message: "the cell could not be read: " + why, Fix: "make the cell's database reachable; until then no API row of any cell is touched"}}
	}
	var out []stackmend.Finding
	add := func(code string, st stackmend.Status, message, fix string, ev ...stackmend.Evidence) {
		for i := range ev {
			ev[i].At = s.Taken
		}
		out = append(out, stackmend.Finding{Code: code, Status: st, Subject: subject, Message: message, Fix: fix, Evidence: ev})
	}
	out = append(out, c.deletedRows(s, t)...)
	for _, why := range c.refusals(s.Selection) {
		add(NotArchivable, stackmend.Warn, why, "see the plan's refusals")
	}
	if n := c.Instances.NullDeletedAt; n > 0 {
		add(NullDeletedAt, stackmend.Warn, fmt.Sprintf("%d deleted instances have no deleted_at: no cut-off ever selects them", n),
			"find out when they were deleted (instance_actions, terminated_at) and set deleted_at",
			stackmend.Evidence{Source: c.Schema.Database + "." + instances, Value: "deleted<>0 AND deleted_at IS NULL"})
	}
	if n := c.Instances.Errored; n > 0 {
		add(ErroredInstances, stackmend.OK, fmt.Sprintf("%d live instances are in error; they are never touched", n), "delete those that nobody needs through the API")
	}
	for _, k := range c.Kept {
		ev := make([]stackmend.Evidence, len(k.Examples))
		for i, e := range k.Examples {
			ev[i] = stackmend.Evidence{Source: c.Schema.Database + "." + instances, Value: e}
		}
		add(k.Reason, stackmend.Warn, fmt.Sprintf("%d deleted instances are kept: %s", k.Trees, keptWhy[k.Reason]), keptFix[k.Reason], ev...)
	}
	for _, tab := range c.Tables {
		if tab.Drift != "" {
			add(SchemaDrift, stackmend.Fail, tab.Table+": "+tab.Drift, "repair the destination's table (nova-manage db sync, or undo the local change)")
		}
		if tab.InBoth > 0 {
			add(RowInBoth, stackmend.Warn, fmt.Sprintf("%d rows of %s are in the destination too", tab.InBoth, tab.Table),
				"equal rows are completed by archiving; different ones are set aside: compare them by hand")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Gone)) {
		add(NotArchivable, stackmend.Warn, fmt.Sprintf("%d rows of %s name an instance that does not exist", c.Gone[name], name),
			"a foreign key was off once; look at the rows, this package leaves them alone")
	}
	if c.Pending > 0 {
		add(OrphanedAPIRows, stackmend.Warn, fmt.Sprintf("%d API rows wait for an interrupted run to be completed", c.Pending), "resume it, or archive again")
	}
	return out
}

var keptWhy = map[string]string{
	LiveChild:     "they have rows that are not deleted",
	HostNotSeen:   "their host was not seen since, so the guest may still run, and nova needs the row to end it",
	NotArchivable: "they cannot be archived",
}

var keptFix = map[string]string{
	LiveChild:     "look why the rows are alive: nova marks them all when it deletes an instance",
	HostNotSeen:   "start nova-compute there, or name the host as retired",
	NotArchivable: "see the evidence",
}

// deletedRows says how much the API reads past.
func (c CellState) deletedRows(s *Snapshot, t Thresholds) []stackmend.Finding {
	n := c.Instances
	f := stackmend.Finding{Code: DeletedRows, Status: stackmend.OK, Subject: "cell " + c.Name,
		Message: fmt.Sprintf("%d of %d instances are deleted (%d %%), %d before %s", n.Deleted, n.Total, percent(n.Deleted, n.Total), n.Qualify,
			s.Selection.Before.UTC().Format(time.RFC3339))}
	switch {
	case n.Deleted >= t.FailDeleted:
		f.Status = stackmend.Fail
	case n.Deleted >= t.WarnDeleted:
		f.Status = stackmend.Warn
	}
	if f.Status != stackmend.OK {
		f.Fix = "archive them"
	}
	ev := func(source, value string) {
		f.Evidence = append(f.Evidence, stackmend.Evidence{Source: source, Value: value, At: s.Taken})
	}
	if !n.OldestDeleted.IsZero() {
		ev("oldest deleted_at", n.OldestDeleted.Format(time.RFC3339))
	}
	if !n.OldestTerminated.IsZero() {
		ev("oldest terminated_at", n.OldestTerminated.Format(time.RFC3339))
	}
	if n.Uncleaned > 0 {
		ev("deleted and not cleaned up (cleaned=0)", fmt.Sprint(n.Uncleaned))
	}
	if old := t.Earlier.cell(c.Name); old != nil {
		ev("growth since "+t.Earlier.Taken.Format(time.RFC3339), fmt.Sprintf("%+d deleted instances", n.Deleted-old.Instances.Deleted))
	}
	return []stackmend.Finding{f}
}

func (s *Snapshot) cell(name string) *CellState {
	if s == nil {
		return nil
	}
	i := slices.IndexFunc(s.Cells, func(c CellState) bool { return c.Name == name && c.unread() == "" })
	if i < 0 {
		return nil
	}
	return &s.Cells[i]
}

func percent(n, of int64) int64 {
	if of == 0 {
		return 0
	}
	return n * 100 / of
}

func (a *APIState) findings(at time.Time) []stackmend.Finding {
	if a == nil {
		return nil
	}
	f := stackmend.Finding{Code: OrphanedAPIRows, Status: stackmend.OK, Subject: "API database"}
	switch {
	case a.Err != "":
		f.Status, f.Message = stackmend.Unknown, "it could not be read: "+a.Err
	case a.Unchecked != "":
		f.Status, f.Message = stackmend.Unknown, "orphans were not looked for: "+a.Unchecked
	case a.Orphans+a.Shadowed+a.Unmapped > 0:
		f.Status = stackmend.Warn
		f.Message = fmt.Sprintf("%d instance mappings have no instance in their cell, %d have it in the shadow only, and %d request specs and group members have no mapping",
			a.Orphans, a.Shadowed, a.Unmapped)
		f.Fix = "those of the shadow are what an interrupted nova-manage leaves; look at the others before you delete them"
	default:
		return nil
	}
	for _, e := range a.Examples {
		f.Evidence = append(f.Evidence, stackmend.Evidence{Source: "instance_mappings", Value: e, At: at})
	}
	return []stackmend.Finding{f}
}
