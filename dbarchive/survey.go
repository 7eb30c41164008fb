package dbarchive

import (
	"context"
	"fmt"
	"maps"
	"slices"
)

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
	if err := v.rows(ctx); err != nil {
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

// rows counts what would move: trees, and what goes on its own. Both are read
// side by side where there is enough for that, and rows without an instance too.
func (v *survey) rows(ctx context.Context) error {
	narrow, cancel := context.WithCancel(ctx)
	defer cancel()
	readers, err := v.readers(ctx)
	defer func() {
		for _, s := range readers {
			s.drop()
		}
	}()
	if err != nil {
		return err
	}
	tables := v.looseTables() // before trees are counted to the same tables
	var besides aside
	read := func(s *session) { besides = v.aside(ctx, narrow, s, tables) }
	over := make(chan struct{})
	if len(readers) == 0 {
		close(over)
	} else {
		go func() { defer close(over); read(readers[0]) }()
	}
	err = v.trees(ctx, readers[min(1, len(readers)):])
	if err != nil || v.st.Cut {
		cancel() // the plan has no room for more
	}
	<-over
	if len(readers) == 0 && err == nil {
		read(v.s)
	}
	v.st.Gone = besides.gone
	switch {
	case err != nil:
		return err
	case besides.err != nil:
		return besides.err
	case v.st.Cut:
		return nil
	case besides.looseErr == nil:
		v.takeLoose(besides.loose)
	}
	return besides.looseErr
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
	if to.Server {
		dest = v.st.Archive.Schema
		name = func(t string) string { return t }
	}
	if to.Dir != "" {
		return nil
	}
	for _, t := range sc.destinationTables() {
		switch c := dest.Tables[name(t)]; {
		case c != nil:
			v.table(t).Drift = drift(sc.Tables[t], c)
		case to == Destination{}:
			v.table(t).Drift = "there is no " + name(t)
		}
	}
	return nil
}

// copies are the keys that the copies of the members' rows have: a row with
// another key need not be looked for there. The destination may only have one
// within the server.
type copies map[*member]struct{ first, last int64 }

func (v *survey) there(ctx context.Context) (copies, error) {
	if v.sel.To != (Destination{}) {
		return nil, nil
	}
	all := copies{}
	for _, m := range v.l.each() {
		keys, key := all[m], quote(m.table.key())
		err := v.s.row(ctx, fmt.Sprintf("SELECT IFNULL(MIN(%[1]s),0), IFNULL(MAX(%[1]s),-1) FROM %[2]s", key, v.l.dest(m.table.Name)), nil, &keys.first, &keys.last)
		if err != nil {
			return nil, fmt.Errorf("keys of %s: %w", v.l.dest(m.table.Name), err)
		}
		all[m] = keys
	}
	return all, nil
}

func (v *survey) trees(ctx context.Context, readers []*session) error {
	limit := v.sel.Exact
	if limit <= 0 {
		limit = 100_000
	}
	there, err := v.there(ctx)
	if err != nil {
		return err
	}
	r := reading{before: v.sel.Before, last: 1<<63 - 1, limit: pageSize, hosts: v.hosts, copies: there}
	var rest int64 // where estimating begins after
	err = v.l.ahead(ctx, v.s, readers, r, func(p page) (bool, error) {
		for _, c := range p.all {
			if !v.add(c) {
				v.st.Cut = true
				return false, nil
			}
		}
		if v.exact += len(p.all); v.exact >= limit && !p.done {
			rest = p.last
		}
		return rest == 0, nil
	})
	if err != nil {
		return err
	}
	v.close()
	if rest > 0 {
		return v.estimate(ctx, rest)
	}
	return nil
}

// add counts one tree. It reports whether there is room for more.
func (v *survey) add(c *candidate) bool {
	if c.code != "" {
		v.keep(c.code, c.uuid+": "+c.why)
		v.cur.breakRun()
		return true
	}
	if !v.budget.take(c.total(), c.bytes) {
		return false
	}
	for i, m := range v.l.each() {
		t := v.table(m.table.Name)
		t.Move += c.rows[i]
		t.InBoth += c.both[i]
		if c.rows[i] > 0 && !slices.Contains(v.cur.Tables, m.table.Name) {
			v.cur.Tables = append(v.cur.Tables, m.table.Name)
		}
	}
	v.cur.span(c)
	v.table(instances).Bytes += c.bytes
	if v.cur.Instances == 0 {
		v.cur.First = c.id
	}
	v.cur.Last, v.cur.Instances = c.id, v.cur.Instances+1
	v.cur.Rows, v.cur.Bytes = v.cur.Rows+c.total(), v.cur.Bytes+c.bytes
	v.cur.Largest = max(v.cur.Largest, c.total())
	if c.total() > defaultRows || c.bytes > defaultBytes {
		v.cur.Alone++
	}
	if v.cur.Instances >= treesOf(v.st.Instances.Qualify) {
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
			qualified(v.l.source, instances), after, qualifies(v.sel.Before), treesOf(v.st.Instances.Qualify)), nil, &r.First, &r.Last, &r.Instances)
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
