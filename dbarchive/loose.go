package dbarchive

import (
	"context"
	"fmt"
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

// looseRows finds deleted rows that belong to no deleted instance. Every read
// walks a part of the primary key.
func (v *survey) looseRows(ctx context.Context) error {
	for _, t := range v.st.Schema.loose() {
		if v.per[t.Name] != nil && v.per[t.Name].Drift != "" {
			continue
		}
		if err := v.looseOf(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

func (v *survey) looseOf(ctx context.Context, t *Table) error {
	key := quote(t.key())
	for from := int64(0); ; from += rangeRows {
		// keys may have gaps of millions
		err := v.s.row(ctx, fmt.Sprintf("SELECT IFNULL(MIN(%[1]s),0) FROM %[2]s WHERE %[1]s>=%[3]d", key, qualified(v.l.source, t.Name), from), nil, &from)
		if err != nil {
			return fmt.Errorf("%s: %w", t.Name, err)
		}
		if from == 0 {
			return nil
		}
		r := RowRange{Table: t.Name}
		err = v.s.row(ctx, fmt.Sprintf("SELECT IFNULL(MIN(t.%[1]s),0), IFNULL(MAX(t.%[1]s),0), COUNT(*) FROM %[2]s AS t FORCE INDEX (PRIMARY) WHERE t.%[1]s>=%[3]d AND t.%[1]s<%[4]d AND %[5]s",
			key, qualified(v.l.source, t.Name), from, from+rangeRows, v.l.looseWhere(t, v.sel.Before)), nil, &r.First, &r.Last, &r.Rows)
		if err != nil {
			return fmt.Errorf("%s: %w", t.Name, err)
		}
		if r.Rows == 0 {
			continue
		}
		if !v.budget.take(r.Rows, r.Rows*rowOverhead) {
			v.st.Cut = true
			return nil
		}
		v.st.Loose = append(v.st.Loose, r)
		v.table(t.Name).Move += r.Rows
	}
}

// orphans counts rows whose instance does not exist: a foreign key was off
// when they were left, and nothing of nova's finds them.
func (v *survey) orphans(ctx context.Context) error {
	v.st.Gone = map[string]int64{}
	for _, m := range v.l.tree.members {
		if m.parent != nil {
			continue
		}
		var n int64
		err := v.s.row(ctx, fmt.Sprintf("SELECT COUNT(*) FROM %s AS t LEFT JOIN %s AS i ON i.uuid=t.%[3]s WHERE t.%[3]s IS NOT NULL AND i.id IS NULL",
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
