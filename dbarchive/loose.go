package dbarchive

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// looseRows ranges hold this many rows.
const rangeRows = 10_000

// looseWhere selects, of t, deleted rows that go on their own: whose instance
// is alive, or that belong to none. Those of a deleted instance go with it, or
// stay with it.
func (l *layout) looseWhere(t *Table, before time.Time) string {
	q := qualifies(before)
	if m := l.tree.member(t.Name); m != nil && m.parent == nil {
		q += fmt.Sprintf(" AND NOT EXISTS (SELECT 1 FROM %s AS i FORCE INDEX (%s) WHERE i.uuid=t.%s AND i.deleted<>0)",
			qualified(l.source, instances), quote(l.tree.root.index()), quote(m.column))
	}
	return q
}

// looseTables are those whose copies can take such rows.
func (v *survey) looseTables() []*Table {
	return slices.DeleteFunc(v.st.Schema.loose(), func(t *Table) bool { return v.per[t.Name] != nil && v.per[t.Name].Drift != "" })
}

// aside is what is read beside the trees: ranges of deleted rows that belong to
// no deleted instance, and how many rows name an instance that is not there.
type aside struct {
	loose []RowRange
	gone  map[string]int64

	err      error
	looseErr error // of what is of no use once the plan is full
}

func (v *survey) aside(ctx, narrow context.Context, s *session, tables []*Table) (a aside) {
	a.gone = map[string]int64{}
	for _, m := range v.l.tree.members {
		if m.parent != nil {
			continue
		}
		rs, gone, err := v.l.beside(ctx, s, m, v.sel.Before, besideRows)
		if err != nil {
			a.err = fmt.Errorf("rows of %s without a deleted instance: %w", m.table.Name, err)
			return a
		}
		if slices.Contains(tables, m.table) {
			a.loose = append(a.loose, rs...)
		}
		if gone > 0 {
			a.gone[m.table.Name] = gone
		}
	}
	for _, t := range tables {
		if v.l.tree.member(t.Name) == nil && a.looseErr == nil {
			a.loose, a.looseErr = v.l.looseOf(narrow, s, t, v.sel.Before, a.loose)
		}
	}
	return a
}

// takeLoose counts the ranges for which there is room.
func (v *survey) takeLoose(rs []RowRange) {
	for _, r := range rs {
		if !v.budget.take(r.Rows, r.Rows*rowOverhead) {
			v.st.Cut = true
			return
		}
		v.st.Loose = append(v.st.Loose, r)
		v.table(r.Table).Move += r.Rows
	}
}

// looseOf adds the ranges of one table. Every read walks a part of the primary
// key.
func (l *layout) looseOf(ctx context.Context, s *session, t *Table, before time.Time, rs []RowRange) ([]RowRange, error) {
	key := quote(t.key())
	for from := int64(0); ; from += rangeRows {
		// keys may have gaps of millions
		err := s.row(ctx, fmt.Sprintf("SELECT IFNULL(MIN(%[1]s),0) FROM %[2]s WHERE %[1]s>=%[3]d", key, qualified(l.source, t.Name), from), nil, &from)
		if err != nil {
			return rs, fmt.Errorf("%s: %w", t.Name, err)
		}
		if from == 0 {
			return rs, nil
		}
		r := RowRange{Table: t.Name}
		err = s.row(ctx, fmt.Sprintf("SELECT IFNULL(MIN(t.%[1]s),0), IFNULL(MAX(t.%[1]s),0), COUNT(*) FROM %[2]s AS t FORCE INDEX (PRIMARY) WHERE t.%[1]s>=%[3]d AND t.%[1]s<%[4]d AND %[5]s",
			key, qualified(l.source, t.Name), from, from+rangeRows, l.looseWhere(t, before)), nil, &r.First, &r.Last, &r.Rows)
		if err != nil {
			return rs, fmt.Errorf("%s: %w", t.Name, err)
		}
		if r.Rows > 0 {
			rs = append(rs, r)
		}
	}
}

// besideRows is about how many entries of an index one statement of beside
// reads.
const besideRows = 200_000

// beside looks for rows of a table whose instance is alive, or is not there: a
// foreign key was off when those were left. It walks the index by which rows are
// found, so that each instance is looked up once, and of most rows nothing else
// is read.
func (l *layout) beside(ctx context.Context, s *session, m *member, before time.Time, size int64) (rs []RowRange, gone int64, err error) {
	by := map[int64]RowRange{} // key / rangeRows
	for from, more := "", true; more; {
		to, err := l.besideEnd(ctx, s, m, from, size)
		if err != nil {
			return nil, 0, err
		}
		where, args := between("k."+quote(m.column), from, to)
		err = s.query(ctx, func(r *sql.Rows) error {
			var part, without int64
			some := RowRange{Table: m.table.Name}
			if err := r.Scan(&part, &without, &some.First, &some.Last, &some.Rows); err != nil {
				return err
			}
			gone += without
			if all, ok := by[part]; ok && some.Rows > 0 {
				some.First, some.Last, some.Rows = min(all.First, some.First), max(all.Last, some.Last), all.Rows+some.Rows
			}
			if some.Rows > 0 {
				by[part] = some
			}
			return nil
		}, l.besides(m, before, where), args...)
		if err != nil {
			return nil, 0, err
		}
		from, more = to, to != ""
	}
	for _, part := range slices.Sorted(maps.Keys(by)) {
		rs = append(rs, by[part])
	}
	return rs, gone, nil
}

// besideEnd says up to which instance the next statement reads; none: up to
// the end.
func (l *layout) besideEnd(ctx context.Context, s *session, m *member, from string, size int64) (to string, err error) {
	if m.table.Rows <= size {
		return "", nil
	}
	column := "k." + quote(m.column)
	err = s.row(ctx, fmt.Sprintf("SELECT %[1]s FROM %[2]s AS k FORCE INDEX (%[3]s) WHERE %[1]s>? ORDER BY %[1]s LIMIT 1 OFFSET %[4]d",
		column, qualified(l.source, m.table.Name), quote(m.index()), size), []any{from}, &to)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return to, err
}

// between selects what comes after from up to to. Without from it is also what
// has no value; an empty to is the end.
func between(column, from, to string) (where string, args []any) {
	switch {
	case from == "" && to == "":
		return "TRUE", nil
	case from == "":
		return "(" + column + " IS NULL OR " + column + "<=?)", []any{to}
	case to == "":
		return column + ">?", []any{from}
	}
	return column + ">? AND " + column + "<=?", []any{from, to}
}

// besides selects, by parts of the primary key: rows whose instance is not
// there, and first, last and number of those that go on their own.
func (l *layout) besides(m *member, before time.Time, where string) string {
	table, key, column := qualified(l.source, m.table.Name), quote(m.table.key()), "k."+quote(m.column)
	goes := "FALSE"
	if m.table.has("deleted") && m.table.has("deleted_at") {
		goes = qualifies(before)
	}
	return fmt.Sprintf(`SELECT STRAIGHT_JOIN k.%[1]s DIV %[2]d AS part, SUM(%[3]s IS NOT NULL AND i.id IS NULL), IFNULL(MIN(t.%[1]s),0), IFNULL(MAX(t.%[1]s),0), COUNT(t.%[1]s)
		FROM %[4]s AS k FORCE INDEX (%[5]s) LEFT JOIN %[6]s AS i FORCE INDEX (%[7]s) ON i.uuid=%[3]s
		LEFT JOIN %[4]s AS t FORCE INDEX (PRIMARY) ON t.%[1]s=k.%[1]s AND %[8]s
		WHERE %[9]s AND IFNULL(i.deleted,0)=0 GROUP BY part`,
		key, rangeRows, column, table, quote(m.index()), qualified(l.source, instances), quote(l.tree.root.index()), goes, where)
}
