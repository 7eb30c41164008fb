package dbarchive

import (
	"context"
	"fmt"
	"time"

	"github.com/stackmend/stackmend"
)

// VerbRows moves deleted rows, one by one, that belong to no deleted instance.
const VerbRows = "archive-rows"

// A rowMover moves deleted rows of one table.
type rowMover struct {
	l    *layout
	t    *Table
	s    *session
	r    rangeOf
	want string // the columns when the step's assumptions held
	out  *ledger
	cell Cell
}

func (a *Applier) rowMover(ctx context.Context, s stackmend.Step, sess *session, r rangeOf) (*rowMover, Server, error) {
	srv, _, err := sess.server(ctx)
	if err != nil {
		return nil, srv, err
	}
	sc, err := a.known(ctx, s, sess)
	if err != nil {
		return nil, srv, err
	}
	l, problems := sc.layout(r.to)
	if len(problems) > 0 {
		return nil, srv, fmt.Errorf("%w: dbarchive: %v", stackmend.ErrRefused, problems)
	}
	t, err := sc.looseTable(r.table)
	return &rowMover{l: l, t: t, s: sess, r: r}, srv, err
}

func (a *Applier) doRows(ctx context.Context, s stackmend.Step, sess *session, w *stackmend.Work) error {
	r, err := parse(s)
	if err != nil {
		return err
	}
	cell, err := a.work(ctx, s)
	if err != nil {
		return err
	}
	held, leave, err := cell.lease.take(ctx)
	if err != nil {
		return err
	}
	defer leave()
	m, srv, err := a.rowMover(held, s, sess, r)
	if err != nil {
		return err
	}
	mv := &mover{l: m.l, s: sess}
	if m.want, err = mv.shapeOf(held, []*member{{table: m.t}}); err != nil {
		return err
	}
	if err := a.holdsWith(held, s, sess, m.l.sc); err != nil {
		return err
	}
	m.cell = cell.cell
	if m.out, err = sess.ledger(held, m.cell, m.l, r.to); err != nil {
		return err
	}
	defer m.out.close()
	if err := m.out.dropRange(held, r); err != nil {
		return err
	}
	return because(held, m.all(held, w, cell, newPace(a.settings.Limits.within(srv)), s.Cost.Rows))
}

func (m *rowMover) all(ctx context.Context, w *stackmend.Work, cell *cellWork, p *pace, total int64) error {
	var done int64
	for after, fails := m.r.first-1, 0; ; {
		if err := w.Gate(ctx); err != nil {
			return err
		}
		begun := time.Now()
		ids, err := m.next(ctx, after, int(p.rows))
		if err != nil || len(ids) == 0 {
			return err
		}
		err = m.move(ctx, ids, fails > 0)
		switch kind := classify(err); {
		case err == nil:
			p.took(int64(len(ids)), time.Since(begun))
			after, fails, done = ids[len(ids)-1], 0, done+int64(len(ids))
			w.Progress(done, max(done, total), "rows")
		case kind == fatal || m.s.broken:
			return err
		case len(ids) == 1 && fails >= attempts:
			cell.setAside(fmt.Sprintf("%s/%d", m.t.Name, ids[0]), err)
			after, fails = ids[0], 0
		default:
			p.failed()
			if len(ids) == 1 {
				fails++
			}
			if err := pause(ctx, fails); err != nil {
				return err
			}
		}
	}
}

// next reads the keys of the next rows, without locks.
func (m *rowMover) next(ctx context.Context, after int64, limit int) ([]int64, error) {
	var ids []int64
	err := m.s.query(ctx, scanID(&ids), fmt.Sprintf("SELECT t.%[1]s FROM %[2]s AS t FORCE INDEX (PRIMARY) WHERE t.%[1]s>%[3]d AND t.%[1]s<=%[4]d AND %[5]s ORDER BY t.%[1]s LIMIT %[6]d",
		quote(m.t.key()), qualified(m.l.source, m.t.Name), after, m.r.last, m.l.looseWhere(m.t, m.r.before), limit))
	return ids, err
}

// move is one transaction: lock, copy, prove and delete.
func (m *rowMover) move(ctx context.Context, ids []int64, merge bool) error {
	in := list(ids, func(id int64) string { return fmt.Sprint(id) }, ",")
	if m.out != nil {
		return m.ship(ctx, ids, in)
	}
	err := m.s.begin(ctx)
	if err == nil {
		err = m.assert(ctx, in, len(ids))
	}
	if err == nil {
		err = m.copy(ctx, in, len(ids), merge)
	}
	if err != nil {
		return m.s.rollback(err)
	}
	return nil
}

// ship moves the rows to a depot.
func (m *rowMover) ship(ctx context.Context, ids []int64, in string) error {
	l := newLot(m.cell, time.Now())
	l.parts = []part{rowsPart(m.t, in)}
	var ms []move
	for _, id := range ids {
		ms = append(ms, move{table: m.t.Name, id: id})
	}
	return m.out.ship(ctx, l, ms, func(ctx context.Context) error { return m.assert(ctx, in, len(ids)) }, m.s.commit)
}

// assert locks the rows and looks whether they and their table are as they were.
func (m *rowMover) assert(ctx context.Context, in string, want int) error {
	var locked []int64
	err := m.s.query(ctx, scanID(&locked), fmt.Sprintf("SELECT t.%[1]s FROM %[2]s AS t FORCE INDEX (PRIMARY) WHERE t.%[1]s IN (%[3]s) AND %[4]s FOR UPDATE",
		quote(m.t.key()), qualified(m.l.source, m.t.Name), in, qualifies(m.r.before)))
	if err != nil {
		return err
	}
	mv := &mover{l: m.l, s: m.s}
	got, err := mv.shapeOf(ctx, []*member{{table: m.t}})
	switch {
	case err != nil:
		return err
	case got != m.want:
		return errShape
	case len(locked) != want:
		return errChanged
	}
	return nil
}

// copy copies within the server, proves, deletes and commits.
func (m *rowMover) copy(ctx context.Context, in string, want int, merge bool) error {
	mv := &mover{l: m.l, s: m.s}
	key, source, dest := quote(m.t.key()), qualified(m.l.source, m.t.Name), m.l.dest(m.t.Name)
	q := fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM %s AS t", dest, columns(m.t, ""), columns(m.t, "t"), source)
	if merge {
		q += fmt.Sprintf(" LEFT JOIN %s AS c ON c.%s=t.%s", dest, key, key)
	}
	q += fmt.Sprintf(" WHERE t.%s IN (%s)", key, in)
	if merge {
		q += fmt.Sprintf(" AND c.%s IS NULL", key)
	}
	if _, err := mv.affected(ctx, q); err != nil {
		return fmt.Errorf("dbarchive: copying %s: %w", m.t.Name, err)
	}
	n, err := mv.affected(ctx, fmt.Sprintf("DELETE t FROM %s AS t FORCE INDEX (PRIMARY) STRAIGHT_JOIN %s AS c FORCE INDEX (PRIMARY) ON c.%[3]s=t.%[3]s WHERE t.%[3]s IN (%[4]s) AND %[5]s",
		source, dest, key, in, same(m.t, "t", "c")))
	if err != nil {
		return fmt.Errorf("dbarchive: deleting from %s: %w", m.t.Name, err)
	}
	if n != int64(want) {
		return &mismatchError{m.t.Name, int64(want), n}
	}
	return m.s.commit(ctx)
}

func (a *Applier) verifyRows(ctx context.Context, s stackmend.Step, sess *session) error {
	r, err := parse(s)
	if err != nil {
		return err
	}
	m, _, err := a.rowMover(ctx, s, sess, r)
	if err != nil {
		return err
	}
	left, err := m.next(ctx, r.first-1, 1)
	if err != nil {
		return err
	}
	if len(left) > 0 {
		return fmt.Errorf("%w: row %d and perhaps others are still in %s", stackmend.ErrNotDone, left[0], m.t.Name)
	}
	return sess.undropped(ctx, sess.schema, r)
}
