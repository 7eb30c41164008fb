package dbarchive

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/stackmend/stackmend"
)

// The stages of a plan: rows of live instances must not go before the tables
// of this package are there.
const (
	stagePrepare = iota
	stageTrees
	stageLoose
)

// gateTime is the longest that a step may be between two Gates: a transaction
// that waits for locks as often as it may, with time to spare.
const gateTime = 5 * time.Minute

// Plan says what would be archived: a step for each range of instances, then
// one for each range of deleted rows that belong to no deleted instance. It is
// pure; the plan can be applied for as long as valid after the Snapshot.
func Plan(s *Snapshot, valid time.Duration) *stackmend.Plan {
	p := &stackmend.Plan{Check: CheckName, Subject: s.subject(), Created: s.Taken, Expires: s.Taken.Add(valid)}
	for _, c := range s.Cells {
		if !c.Selected {
			continue
		}
		for _, why := range c.refusals(s.Selection) {
			p.Refusals = append(p.Refusals, "cell "+c.Name+": "+why)
		}
		for _, u := range c.Unseen {
			p.Unseen = append(p.Unseen, "cell "+c.Name+": "+u)
		}
		p.Exists.Instances += c.Instances.Total
		for _, t := range c.Tables {
			p.Exists.Rows += t.Rows
		}
		if c.unread() == "" {
			c.plan(s, p)
		}
	}
	switch {
	case s.API == nil:
		p.Unseen = append(p.Unseen, "the API database was not handed in: rows of archived instances stay there as orphans")
	case s.API.Err != "":
		p.Refusals = append(p.Refusals, "the API database could not be read: "+s.API.Err)
	case s.API.Unchecked != "":
		p.Refusals = append(p.Refusals, "no API row is touched while not every cell answers: "+s.API.Unchecked)
	}
	return p
}

func (c CellState) plan(s *Snapshot, p *stackmend.Plan) {
	sel, start := s.Selection, len(p.Steps)
	args := func(first, last int64) map[string]string {
		a := map[string]string{"cell": c.Name, "first": strconv.FormatInt(first, 10), "last": strconv.FormatInt(last, 10),
			"before": sel.Before.UTC().Format(time.RFC3339), "to": sel.To.String(), "api": yes(s.API != nil)}
		if len(sel.RetiredHosts) > 0 {
			a["retired"] = strings.Join(sel.RetiredHosts, ",")
		}
		return a
	}
	if c.Schema == nil {
		return
	}
	assumes := c.Server.assumptions(c.Schema.Database)
	assumes["schema"] = c.Schema.fingerprint()
	if c.Archive != nil && c.Archive.Err == "" {
		assumes["archive"] = c.Archive.identity()
	}
	c.completeStep(p, sel.To, s.API != nil)
	for _, r := range c.Ranges {
		a := args(r.First, r.Last)
		if spans := r.spans(); spans != "" {
			a["spans"], a["tables"] = spans, strings.Join(r.Tables, ",")
		}
		p.Steps = append(p.Steps, stackmend.Step{
			Verb: VerbArchive, Target: fmt.Sprintf("%s instances %d to %d", c.Name, r.First, r.Last), Args: a,
			Reason:  fmt.Sprintf("%d instances deleted before %s, with all their rows%s%s", r.Instances, sel.Before.UTC().Format(time.RFC3339), estimated(r.Estimated), r.alone()),
			Undo:    "restore each instance from " + sel.To.String(),
			Assumes: assumes, Stage: stageTrees, Timeout: gateTime,
			Cost: stackmend.Cost{Rows: r.Rows, Bytes: r.Bytes, Instances: r.Instances},
		})
	}
	for _, r := range c.Loose {
		a := args(r.First, r.Last)
		a["table"] = r.Table
		p.Steps = append(p.Steps, stackmend.Step{
			Verb: VerbRows, Target: fmt.Sprintf("%s %s %d to %d", c.Name, r.Table, r.First, r.Last), Args: a,
			Reason: fmt.Sprintf("%d rows of %s deleted before %s that belong to no deleted instance", r.Rows, r.Table, sel.Before.UTC().Format(time.RFC3339)),
			Undo:   "copy the rows back from " + sel.To.String(), Assumes: assumes, Stage: stageLoose + c.Schema.height(r.Table), Timeout: gateTime,
			Cost: stackmend.Cost{Rows: r.Rows},
		})
	}
	if len(p.Steps) > start && (!c.Prepared || sel.To != Destination{}) {
		p.Steps = append(p.Steps, c.prepareStep(sel))
	}
	for _, k := range c.Kept {
		for _, e := range k.Examples {
			p.Kept = append(p.Kept, stackmend.Kept{Target: c.Name + " " + e, Reason: k.Reason})
		}
		if more := k.Trees - int64(len(k.Examples)); more > 0 {
			p.Kept = append(p.Kept, stackmend.Kept{Target: fmt.Sprintf("%s: %d more instances", c.Name, more), Reason: k.Reason})
		}
	}
	if c.Cut {
		p.Kept = append(p.Kept, stackmend.Kept{Target: c.Name + ": all that comes after", Reason: "more than the rows or bytes that one plan may move"})
	}
}

func (c CellState) prepareStep(sel Selection) stackmend.Step {
	return stackmend.Step{
		Verb: VerbPrepare, Target: c.Name + " " + c.Schema.Database,
		Args:    map[string]string{"cell": c.Name, "to": sel.To.String()},
		Reason:  "the lease and the saved API rows need tables; another database as destination needs its own",
		Undo:    "drop " + leaseTable + " and, when nothing in it is needed any more, " + apiRowsTable,
		Assumes: c.Server.assumptions(c.Schema.Database), Stage: stagePrepare, Timeout: gateTime,
	}
}

// height is how many tables deep others refer to a table: their rows go first.
func (s *Schema) height(table string) int {
	return s.heightWithin(table, len(s.Keys))
}

// heightWithin ends also where keys form a ring.
func (s *Schema) heightWithin(table string, limit int) int {
	h := 0
	for _, k := range s.children(table) {
		if limit > 0 {
			h = max(h, 1+s.heightWithin(k.Table, limit-1))
		}
	}
	return h
}

func (a *ArchiveState) identity() string { return a.Server.Identity + " database " + a.Schema.Database }

// alone says that an instance is too large to share a transaction.
func (r Range) alone() string {
	if r.Alone == 0 {
		return ""
	}
	return fmt.Sprintf("; %d of them, the largest with %d rows, go each in a transaction of its own", r.Alone, r.Largest)
}

// refusals say why an archive server will not do.
func (a *ArchiveState) refusals(c CellState) (r []string) {
	no := func(when bool, format string, args ...any) {
		if when {
			r = append(r, "the archive server "+fmt.Sprintf(format, args...))
		}
	}
	if a.Err != "" {
		return []string{"the archive server could not be read: " + a.Err}
	}
	no(a.Server.ReadOnly, "is read-only")
	no(a.Server.Replica != "", "replicates from %s: archive to its primary", a.Server.Replica)
	no(a.Server.Identity == c.Server.Identity, "is the cell's own: schema:NAME archives to another database of it")
	no(!a.Durable, "may lose what it has committed: set innodb_flush_log_at_trx_commit=1 there")
	return r
}

func estimated(e bool) string {
	if e {
		return " (rows and bytes are estimates)"
	}
	return ""
}

// refusals say why nothing of this cell may be archived.
func (c CellState) refusals(sel Selection) []string {
	if why := c.unread(); why != "" {
		return []string{"it could not be read: " + why}
	}
	var r []string
	no := func(when bool, format string, args ...any) {
		if when {
			r = append(r, fmt.Sprintf(format, args...))
		}
	}
	srv := c.Server
	no(srv.ReadOnly, "the server %s is read-only", srv.Hostname)
	no(srv.Replica != "" && !sel.Replica, "the server replicates from %s: archive on the primary, or say that this is meant", srv.Replica)
	no(srv.BinlogFormat == "STATEMENT", "binlog_format is STATEMENT: INSERT ... SELECT could come out otherwise on a replica; set ROW")
	no(!srv.ForeignKeyChecks, "foreign_key_checks is off: what keeps rows together is not kept")
	no(srv.Galera && (srv.GaleraState != "Synced" || srv.GaleraStatus != "Primary"), "the Galera node is %s in a %s component", srv.GaleraState, srv.GaleraStatus)
	rev := c.Schema.Revision
	no(revisions[rev] == "" && (rev == "" || rev != sel.Revision), "nova's schema has the revision %q, which this version does not know", rev)
	_, problems := c.Schema.layout(sel.To)
	r = append(r, problems...)
	if sel.To.Server && c.Archive != nil {
		r = append(r, c.Archive.refusals(c)...)
	}
	for _, name := range c.Schema.destinationTables() {
		engine := c.Schema.Tables[name].Engine
		no(engine != "InnoDB", "%s is %s, which has no transactions", name, engine)
		if shadow := c.Schema.Tables[shadowPrefix+name]; shadow != nil && sel.To == (Destination{}) {
			no(shadow.Engine != "InnoDB", "%s is %s, which has no transactions", shadow.Name, shadow.Engine)
		}
	}
	for _, t := range c.Tables {
		no(t.Drift != "", "%s and its copy differ: %s", t.Table, t.Drift)
	}
	return r
}
