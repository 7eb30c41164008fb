package dbarchive

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A mover moves trees of one cell within its server, one transaction after
// another.
type mover struct {
	l      *layout
	s      *session
	api    *apiSide // nil: API rows stay
	before time.Time
	hosts  hosts
	shapes map[*member]string // what the columns were when the step's assumptions held
	out    *ledger            // nil: within the server
	cell   Cell

	counted map[*member]bool // those that have rows of trees that the plan has counted

	owing   bool   // API rows of archived trees are still there: the API database refused once
	open    string // the note of the last transaction's API rows
	cleared string // a note whose API rows are gone, which the cell is still to be told
}

// remember notes the columns of all tables, before the step's assumptions are
// looked at.
func (m *mover) remember(ctx context.Context) error {
	m.shapes = map[*member]string{}
	for _, mem := range m.l.each() {
		shape, err := m.shapeOf(ctx, []*member{mem})
		if err != nil {
			return err
		}
		m.shapes[mem] = shape
	}
	return nil
}

func (m *mover) shapeOf(ctx context.Context, members []*member) (string, error) {
	defer m.s.watch(ctx)()
	rows, err := m.s.conn.QueryContext(ctx, m.s.token+m.l.shape(members))
	if err != nil {
		return "", fmt.Errorf("dbarchive: columns of %s: %w", members[0].table.Name, err)
	}
	defer rows.Close()
	types, err := rows.ColumnTypes()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, t := range types {
		fmt.Fprintf(&b, "%s %s\n", t.Name(), t.DatabaseTypeName())
	}
	for rows.Next() { // an aborted transaction is told at the end only
	}
	return b.String(), rows.Err()
}

// move moves whole trees in one transaction, and their API rows after it.
func (m *mover) move(ctx context.Context, cs []*candidate, merge bool) error {
	var rows []apiRow
	var err error
	if m.api != nil {
		if rows, err = m.api.lock(ctx, uuids(cs)); err != nil {
			return m.api.rollback(err)
		}
	}
	archive := m.archive
	if m.out != nil {
		archive = m.ship
	}
	if err := archive(ctx, cs, rows, merge); err != nil {
		if m.api != nil {
			m.api.rollback(nil)
		}
		return m.s.rollback(err)
	}
	m.cleared = ""
	if m.api == nil {
		return nil
	}
	if err := m.api.clear(ctx, rows); err != nil {
		m.owing = true
		return m.api.rollback(fmt.Errorf("dbarchive: clearing API rows of archived instances (the next run completes it): %w", err))
	}
	m.cleared = m.open
	return nil
}

// archive is the transaction in the cell: assert, copy, prove and delete, save
// the API rows.
func (m *mover) archive(ctx context.Context, cs []*candidate, rows []apiRow, merge bool) error {
	if err := m.s.begin(ctx); err != nil {
		return err
	}
	filled := m.filled(cs)
	if err := m.assert(ctx, cs, filled); err != nil {
		return err
	}
	p := picked(cs, m.before)
	copied := map[*member]int64{}
	for _, mem := range filled {
		n, err := m.affected(ctx, m.l.copy(mem, p, merge))
		if err != nil {
			return fmt.Errorf("dbarchive: copying %s: %w", mem.table.Name, err)
		}
		copied[mem] = n
		if merge {
			var all int64
			if err := m.s.row(ctx, m.l.count(mem, p), nil, &all); err != nil {
				return err
			}
			copied[mem] = all
		}
	}
	// Before the deletion, so that whatever undoes this is noticed by it.
	if err := m.notes(ctx, cs, rows); err != nil {
		return err
	}
	for _, mem := range slices.Backward(filled) {
		n, err := m.affected(ctx, m.l.remove(mem, p))
		if err != nil {
			return fmt.Errorf("dbarchive: deleting from %s: %w", mem.table.Name, err)
		}
		if n != copied[mem] {
			return &mismatchError{mem.table.Name, copied[mem], n}
		}
	}
	return m.commit(ctx, cs)
}

// ship moves trees to a depot. One that has copies of other rows with these
// keys has no use of a second try.
func (m *mover) ship(ctx context.Context, cs []*candidate, rows []apiRow, _ bool) error {
	l, filled := newLot(m.cell, time.Now()), m.filled(cs)
	for _, mem := range filled {
		l.parts = append(l.parts, treePart(mem, uuids(cs)))
	}
	var ms []move
	for _, c := range cs {
		ms = append(ms, move{table: instances, id: c.id, uuid: c.uuid})
	}
	return m.out.ship(ctx, l, ms, func(ctx context.Context) error {
		if err := m.assert(ctx, cs, filled); err != nil {
			return err
		}
		return m.notes(ctx, cs, rows)
	}, func(ctx context.Context) error { return m.commit(ctx, cs) })
}

// commit commits, and looks: a node of a Galera cluster that aborted the
// transaction in favour of another one may say so to a statement whose answer
// was already read, and then takes the COMMIT.
func (m *mover) commit(ctx context.Context, cs []*candidate) error {
	if err := m.s.commit(ctx); err != nil || !m.s.wsrep {
		return err
	}
	var left int
	err := m.s.row(ctx, fmt.Sprintf("SELECT COUNT(*) FROM %s WHERE id IN (%s)", qualified(m.l.source, instances), ids(cs)), nil, &left)
	if err == nil && left > 0 {
		err = errChanged
	}
	return err
}

// notes writes, in the same transaction, which API rows are to be cleared and
// that those of the last one have been.
func (m *mover) notes(ctx context.Context, cs []*candidate, rows []apiRow) (err error) {
	ids := map[string]int64{}
	for _, c := range cs {
		ids[strings.ToLower(c.uuid)] = c.id
	}
	if err := m.s.save(ctx, m.l.source, rows, ids, apiCleared); err != nil {
		return err
	}
	if m.open, err = m.s.note(ctx, m.l.source, cs[0].id, rows); err != nil {
		return err
	}
	return m.told(ctx)
}

// told forgets the note of API rows that are cleared.
func (m *mover) told(ctx context.Context) error {
	if m.cleared == "" {
		return nil
	}
	return m.s.forget(ctx, m.l.source, m.cleared)
}

// assert locks the roots and looks, under these locks, whether everything is
// as it was when the trees were read.
func (m *mover) assert(ctx context.Context, cs []*candidate, filled []*member) error {
	n := 0
	err := m.s.query(ctx, func(r *sql.Rows) error {
		var id int64
		n++
		return r.Scan(&id)
	}, m.l.lockRoots(m.before, ids(cs)))
	if err != nil {
		return fmt.Errorf("dbarchive: locking instances: %w", err)
	}
	var blocked int
	if err := m.s.row(ctx, m.l.blocked(uuids(cs)), nil, &blocked); err != nil {
		return err
	}
	if n != len(cs) || blocked > 0 {
		return errChanged
	}
	var want string
	for _, mem := range filled {
		want += m.shapes[mem]
	}
	got, err := m.shapeOf(ctx, filled)
	if err == nil && got != want {
		err = errShape
	}
	return err
}

// errShape ends the step: its assumption about the tables no longer holds.
var errShape = errors.New("dbarchive: a table's columns changed during the step")

// filled are the members that have rows for these trees. A row that comes
// after that is found by the foreign key that it breaks.
func (m *mover) filled(cs []*candidate) []*member {
	var out []*member
	for i, mem := range m.l.each() {
		if slices.ContainsFunc(cs, func(c *candidate) bool { return c.rows[i] > 0 || c.counted > 0 && m.counted[mem] }) {
			out = append(out, mem)
		}
	}
	return out
}

func (m *mover) affected(ctx context.Context, q string) (int64, error) {
	r, err := m.s.exec(ctx, q)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}
