package dbarchive

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// rangeTrees is how many trees a range holds, and so a step of a plan.
const rangeTrees = 1000

// keptExamples is how many trees are named for each reason.
const keptExamples = 20

// Observe reads all cells and the API database. It takes no locks and writes
// nothing; when ctx ends, the statement ends on the server too. A cell that
// cannot be read is part of the Snapshot, with its error; an error is returned
// for a selection that says nothing, and when ctx ends.
func Observe(ctx context.Context, dbs Databases, sel Selection) (*Snapshot, error) {
	if err := sel.check(dbs); err != nil {
		return nil, err
	}
	snap := &Snapshot{Taken: time.Now().UTC(), Selection: sel}
	budget := &budget{rows: sel.MaxRows, bytes: sel.MaxBytes}
	for _, c := range dbs.Cells {
		st := CellState{Name: c.Name, UUID: c.UUID, Selected: sel.wants(c.Name)}
		if err := st.read(ctx, c, sel, budget); err != nil {
			st.Err = err.Error()
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("dbarchive: reading cell %s: %w", c.Name, context.Cause(ctx))
		}
		snap.Cells = append(snap.Cells, st)
	}
	if dbs.API != nil {
		snap.API = &APIState{}
		if err := snap.API.read(ctx, dbs, snap.Cells); err != nil {
			snap.API.Err = err.Error()
		}
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("dbarchive: reading the API database: %w", context.Cause(ctx))
	}
	return snap, nil
}

// A budget is what is left of MaxRows and MaxBytes.
type budget struct{ rows, bytes int64 } // zero at the start: no limit

func (b *budget) spent() bool { return b.rows < 0 || b.bytes < 0 }

// take counts a tree, or reports that it does not fit.
func (b *budget) take(rows, bytes int64) bool {
	if b.spent() || b.rows > 0 && rows > b.rows || b.bytes > 0 && bytes > b.bytes {
		b.rows = -1
		return false
	}
	spend := func(left *int64, n int64) {
		if *left > 0 {
			if *left -= n; *left == 0 {
				*left = -1
			}
		}
	}
	spend(&b.rows, rows)
	spend(&b.bytes, bytes)
	return true
}

func (st *CellState) read(ctx context.Context, c Cell, sel Selection, b *budget) error {
	if c.DB == nil {
		return errors.Join(errors.New("not connected"), c.Err)
	}
	s, err := open(ctx, c.DB)
	if err != nil {
		return err
	}
	defer s.drop()
	if st.Server, st.Unseen, err = s.server(ctx); err != nil {
		return err
	}
	if st.Schema, err = s.describe(ctx); err != nil {
		return err
	}
	if err := st.readState(ctx, s); err != nil {
		return err
	}
	if err := st.countInstances(ctx, s, sel.Before); err != nil {
		return err
	}
	if !st.Selected {
		return nil
	}
	l, problems := st.Schema.layout(sel.To)
	if len(problems) > 0 {
		return nil // Plan refuses, with these problems
	}
	v := &survey{st: st, s: s, l: l, sel: sel, budget: b, per: map[string]*TableState{}, kept: map[string]*Kept{}}
	return v.run(ctx)
}

func (st *CellState) readState(ctx context.Context, s *session) (err error) {
	if st.Prepared, err = s.prepared(ctx, s.schema); err != nil || !st.Prepared {
		return err
	}
	var who sql.NullString
	if err := s.row(ctx, "SELECT MAX(holder) FROM "+qualified(s.schema, leaseTable)+" WHERE expires_at>=UTC_TIMESTAMP(6)", nil, &who); err != nil {
		return err
	}
	st.Lease = who.String
	return s.row(ctx, fmt.Sprintf("SELECT COUNT(*) FROM %s WHERE state<>%d", qualified(s.schema, apiRowsTable), apiCleared), nil, &st.Pending)
}

func (st *CellState) countInstances(ctx context.Context, s *session, before time.Time) error {
	if st.Schema.Tables[instances] == nil {
		return fmt.Errorf("database %s has no table instances: it is not a cell of nova", s.schema)
	}
	n := &st.Instances
	var deleted, terminated sql.NullInt64
	err := s.row(ctx, fmt.Sprintf(`SELECT COUNT(*), IFNULL(SUM(t.deleted<>0),0), IFNULL(SUM(%s),0),
		IFNULL(SUM(t.deleted<>0 AND t.deleted_at IS NULL),0), IFNULL(SUM(t.deleted<>0 AND IFNULL(t.cleaned,0)=0),0),
		IFNULL(SUM(t.deleted=0 AND t.vm_state='error'),0),
		MIN(IF(t.deleted<>0,TIMESTAMPDIFF(SECOND,'1970-01-01',t.deleted_at),NULL)),
		MIN(IF(t.deleted<>0,TIMESTAMPDIFF(SECOND,'1970-01-01',t.terminated_at),NULL)) FROM %s AS t`,
		qualifies(before), qualified(s.schema, instances)), nil,
		&n.Total, &n.Deleted, &n.Qualify, &n.NullDeletedAt, &n.Uncleaned, &n.Errored, &deleted, &terminated)
	if err != nil {
		return fmt.Errorf("counting instances: %w", err)
	}
	if deleted.Valid {
		n.OldestDeleted = time.Unix(deleted.Int64, 0).UTC()
	}
	if terminated.Valid {
		n.OldestTerminated = time.Unix(terminated.Int64, 0).UTC()
	}
	return nil
}

// A survey reads, page by page, what would move.
type survey struct {
	st     *CellState
	s      *session
	l      *layout
	sel    Selection
	budget *budget
	hosts  hosts
	per    map[string]*TableState
	kept   map[string]*Kept
	exact  int
	cur    Range
}

func (v *survey) run(ctx context.Context) (err error) {
	for _, m := range v.l.each() {
		v.table(m.table.Name)
	}
	if err := v.copies(ctx); err != nil {
		return err
	}
	if v.hosts, err = v.l.readHosts(ctx, v.s, v.st.Schema, v.sel.RetiredHosts); err != nil {
		return err
	}
	if err := v.trees(ctx); err != nil {
		return err
	}
	if err := v.looseRows(ctx); err != nil {
		return err
	}
	if err := v.orphans(ctx); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(v.per)) {
		v.st.Tables = append(v.st.Tables, *v.per[name])
	}
	for _, code := range slices.Sorted(maps.Keys(v.kept)) {
		v.st.Kept = append(v.st.Kept, *v.kept[code])
	}
	return nil
}

func (v *survey) table(name string) *TableState {
	t := v.per[name]
	if t == nil {
		t = &TableState{Table: name, Rows: v.st.Schema.Tables[name].Rows}
		v.per[name] = t
	}
	return t
}

// copies compares each table with the one that it is archived to.
func (v *survey) copies(ctx context.Context) error {
	sc, to := v.st.Schema, v.sel.To
	dest := sc
	name := func(t string) string { return shadowPrefix + t }
	if to.Schema != "" {
		var err error
		if dest, err = v.s.describeAs(ctx, to.Schema); err != nil {
			return err
		}
		name = func(t string) string { return t }
	}
	if to.Dir != "" {
		return nil
	}
	for _, t := range sc.destinationTables() {
		switch c := dest.Tables[name(t)]; {
		case c != nil:
			v.table(t).Drift = drift(sc.Tables[t], c)
		case to.Schema == "":
			v.table(t).Drift = "there is no " + name(t)
		}
	}
	return nil
}

// both reports whether rows can be looked for in the destination.
func (v *survey) both() bool { return v.sel.To == Destination{} }

func (v *survey) trees(ctx context.Context) error {
	limit := v.sel.Exact
	if limit <= 0 {
		limit = 100_000
	}
	r := reading{before: v.sel.Before, last: 1<<63 - 1, limit: pageSize, hosts: v.hosts, both: v.both()}
	for {
		p, err := v.l.read(ctx, v.s, r)
		if err != nil {
			return err
		}
		for _, c := range p.all {
			if !v.add(c) {
				v.st.Cut = true
				v.close()
				return nil
			}
		}
		v.exact += len(p.all)
		if p.done || v.exact >= limit {
			v.close()
			if p.done {
				return nil
			}
			return v.estimate(ctx, p.last)
		}
		r.after = p.last
	}
}

// add counts one tree. It reports whether there is room for more.
func (v *survey) add(c *candidate) bool {
	if c.code != "" {
		v.keep(c.code, c.uuid+": "+c.why)
		return true
	}
	if !v.budget.take(c.total(), c.bytes) {
		return false
	}
	for i, m := range v.l.each() {
		t := v.table(m.table.Name)
		t.Move += c.rows[i]
		t.InBoth += c.both[i]
	}
	v.table(instances).Bytes += c.bytes
	if v.cur.Instances == 0 {
		v.cur.First = c.id
	}
	v.cur.Last, v.cur.Instances = c.id, v.cur.Instances+1
	v.cur.Rows, v.cur.Bytes = v.cur.Rows+c.total(), v.cur.Bytes+c.bytes
	if v.cur.Instances >= rangeTrees {
		v.close()
	}
	return true
}

func (v *survey) close() {
	if v.cur.Instances > 0 {
		v.st.Ranges = append(v.st.Ranges, v.cur)
	}
	v.cur = Range{}
}

func (v *survey) keep(code, example string) {
	k := v.kept[code]
	if k == nil {
		k = &Kept{Reason: code}
		v.kept[code] = k
	}
	k.Trees++
	if len(k.Examples) < keptExamples {
		k.Examples = append(k.Examples, example)
	}
}

// estimate cuts the rest into ranges by id alone, with rows and bytes as the
// counted trees had them. Trees that must stay are found when it is their turn.
func (v *survey) estimate(ctx context.Context, after int64) error {
	var done Range
	for _, r := range v.st.Ranges {
		done.Instances, done.Rows, done.Bytes = done.Instances+r.Instances, done.Rows+r.Rows, done.Bytes+r.Bytes
	}
	per := float64(done.Instances) / float64(max(1, v.exact))
	rows, bytes := float64(done.Rows)/float64(max(1, v.exact)), float64(done.Bytes)/float64(max(1, v.exact))
	var all int64
	for {
		r := Range{Estimated: true}
		err := v.s.row(ctx, fmt.Sprintf("SELECT IFNULL(MIN(id),0), IFNULL(MAX(id),0), COUNT(*) FROM (SELECT t.id FROM %s AS t FORCE INDEX (PRIMARY) WHERE t.id>%d AND %s ORDER BY t.id LIMIT %d) AS r",
			qualified(v.l.source, instances), after, qualifies(v.sel.Before), rangeTrees), nil, &r.First, &r.Last, &r.Instances)
		if err != nil {
			return err
		}
		if r.Instances == 0 {
			break
		}
		after, all = r.Last, all+r.Instances
		n := float64(r.Instances)
		r.Instances, r.Rows, r.Bytes = int64(n*per), int64(n*rows), int64(n*bytes)
		if !v.budget.take(r.Rows, r.Bytes) {
			v.st.Cut = true
			break
		}
		v.st.Ranges = append(v.st.Ranges, r)
	}
	factor := 1 + float64(all)/float64(max(1, v.exact))
	for _, t := range v.per {
		t.Move, t.Bytes, t.Estimated = int64(float64(t.Move)*factor), int64(float64(t.Bytes)*factor), true
	}
	return nil
}

// unseen notes what a limit of ours or of the account's rights kept from view.
func (v *survey) unseen(what string, err error) error {
	if classify(err) == fatal && !isNumber(err, 1142) {
		return fmt.Errorf("%s: %w", what, err)
	}
	v.st.Unseen = append(v.st.Unseen, what+": "+strings.TrimSpace(err.Error()))
	return nil
}
