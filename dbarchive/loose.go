package dbarchive

import (
	"cmp"
	"context"
	"fmt"
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
			qualified(l.source, instances), quote(cmp.Or(l.tree.root.table.Dead[l.tree.root.column], l.tree.root.index())), quote(m.column))
	}
	return q
}

// looseTables are those whose copies can take such rows.
func (v *survey) looseTables() []*Table {
	return slices.DeleteFunc(v.st.Schema.loose(), func(t *Table) bool { return v.per[t.Name] != nil && v.per[t.Name].Drift != "" })
}

// looseRows finds deleted rows that belong to no deleted instance.
func (v *survey) looseRows(ctx context.Context, s *session, tables []*Table) (rs []RowRange, err error) {
	for _, t := range tables {
		if rs, err = v.l.looseOf(ctx, s, t, v.sel.Before, rs); err != nil {
			return nil, err
		}
	}
	return rs, nil
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

// orphans counts rows whose instance does not exist: a foreign key was off
// when they were left, and nothing of nova's finds them.
func (v *survey) orphans(ctx context.Context, s *session) error {
	v.st.Gone = map[string]int64{}
	for _, m := range v.l.tree.members {
		if m.parent != nil {
			continue
		}
		var n int64
		err := s.row(ctx, fmt.Sprintf("SELECT COUNT(*) FROM %s AS t LEFT JOIN %s AS i ON i.uuid=t.%[3]s WHERE t.%[3]s IS NOT NULL AND i.id IS NULL",
			qualified(v.l.source, m.table.Name), qualified(v.l.source, instances), quote(m.column)), nil, &n)
		if err != nil {
			if err := v.unseen("rows of "+m.table.Name+" whose instance is gone", err); err != nil {
				return err
			}
			continue
		}
		if n > 0 {
			v.st.Gone[m.table.Name] = n
		}
	}
	return nil
}
