package dbarchive

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/stackmend/stackmend"
)

// A ledger says which trees are in a depot. It is a table of the cell: the
// transaction that deletes a tree notes that its copy counts, so that no kill
// leaves a row in two places or in none.
type ledger struct {
	s      *session
	schema string
	to     Destination
	d      depot
}

// A move is a tree or a single row that goes to a depot, or is there.
type move struct {
	table  string // instances: a tree
	id     int64
	uuid   string // of a tree
	place  string // destination and lot
	digest string
}

// ledger opens the depot of a destination; nil if it is in the cell's server.
func (s *session) ledger(ctx context.Context, cell Cell, l *layout, to Destination) (*ledger, error) {
	if !to.outside() {
		return nil, nil
	}
	d, err := to.depot(ctx, cell, l)
	if err != nil {
		return nil, err
	}
	return &ledger{s, l.source, to, d}, nil
}

func (g *ledger) close() {
	if g != nil {
		g.d.close()
	}
}

func (g *ledger) table() string      { return qualified(g.schema, movesTable) }
func (g *ledger) place(l lot) string { return g.to.String() + "/" + l.name }

var lotName = regexp.MustCompile(`^[0-9]{8}T[0-9]{6}Z-[0-9a-f]{16}$`)

// lotAt takes the lot off a place that the cell names.
func (g *ledger) lotAt(place string) (string, error) {
	i := strings.LastIndexByte(place, '/')
	switch {
	case i < 0 || !lotName.MatchString(place[i+1:]):
		return "", fmt.Errorf("dbarchive: %s names a lot %q", movesTable, place)
	case place[:i] != g.to.String():
		return "", fmt.Errorf("%w: dbarchive: rows went to %s, and this is %s: name that destination", stackmend.ErrRefused, place[:i], g.to)
	}
	return place[i+1:], nil
}

// ship moves a lot. Within is the open transaction's beginning: it locks and
// asserts; after it the rows are put, deleted, noted, and finish commits.
func (g *ledger) ship(ctx context.Context, l lot, ms []move, within, finish func(context.Context) error) error {
	if err := g.begin(ctx, l, ms); err != nil {
		return err
	}
	err := g.s.begin(ctx)
	for _, f := range []func(context.Context) error{within, func(ctx context.Context) error { return g.carry(ctx, l) }, finish} {
		if err == nil {
			err = f(ctx)
		}
	}
	if err == nil {
		return nil
	}
	return g.undo(l, g.s.rollback(err))
}

// begin notes, before anything is copied, what goes to the depot.
func (g *ledger) begin(ctx context.Context, l lot, ms []move) error {
	for part := range slices.Chunk(ms, 1000) {
		var args []any
		for _, m := range part {
			args = append(args, m.table, m.id, m.uuid, g.place(l), moveOpen)
		}
		// never over one that counts: carry notices
		err := g.s.exec0(ctx, fmt.Sprintf("INSERT INTO %s (tbl,row_id,instance_uuid,place,state) VALUES %s ON DUPLICATE KEY UPDATE place=IF(state=%d,VALUES(place),place)",
			g.table(), placeholders(len(part), 5), moveOpen), args...)
		if err != nil {
			return fmt.Errorf("dbarchive: noting what goes to %s: %w", g.to, err)
		}
	}
	return nil
}

// carry puts, deletes as many rows as were put, and notes that the copies
// count. Single rows need no note once they are gone.
func (g *ledger) carry(ctx context.Context, l lot) error {
	r, err := g.d.put(ctx, g.s, l)
	if err != nil {
		return err
	}
	for i, p := range slices.Backward(l.parts) {
		n, err := p.remove(ctx, g.s, g.schema)
		if err != nil {
			return err
		}
		if n != r.rows[i] {
			return &mismatchError{p.table.Name, r.rows[i], n}
		}
	}
	return g.note(ctx, l, r.digest, r.rows[0])
}

// note says that the copies count. If the notes are no longer those that were
// made at the beginning, another archiver has the cell and drops the copies.
func (g *ledger) note(ctx context.Context, l lot, digest string, want int64) error {
	q, args := "UPDATE "+g.table()+" SET state=?, digest=? WHERE place=?", []any{moveDone, digest, g.place(l)}
	if l.parts[0].table.Name != instances { // single rows: nobody asks for them again
		q, args = "DELETE FROM "+g.table()+" WHERE place=?", args[2:]
	}
	r, err := g.s.exec(ctx, q, args...)
	if err != nil {
		return fmt.Errorf("dbarchive: noting what is in %s: %w", g.to, err)
	}
	if n, err := r.RowsAffected(); err != nil || n != want {
		return errors.Join(err, fmt.Errorf("%w: dbarchive: %d of %d notes of what goes to %s are left", stackmend.ErrLocked, n, want, g.place(l)))
	}
	return nil
}

// undo drops the copies of a lot whose transaction failed. Where that cannot
// be done now the next run does it; this one ends.
func (g *ledger) undo(l lot, cause error) error {
	if g.s.broken {
		return cause
	}
	ctx, cancel := context.WithTimeout(context.Background(), killPatience)
	defer cancel()
	if err := g.drop(ctx, "place=?", g.place(l)); err != nil {
		return fmt.Errorf("dbarchive: %v; the copies in %s, which the next run drops, are still there: %v", cause, g.place(l), err)
	}
	return cause
}

// dropRange drops what an interrupted run of a range left in a depot.
func (g *ledger) dropRange(ctx context.Context, r rangeOf) error {
	if g == nil {
		return nil
	}
	return g.drop(ctx, "tbl=? AND row_id BETWEEN ? AND ?", cmp.Or(r.table, instances), r.first, r.last)
}

// undropped reports copies of a range that do not count and are still to be
// dropped.
func (s *session) undropped(ctx context.Context, schema string, r rangeOf) error {
	if !r.to.outside() {
		return nil
	}
	var n int64
	err := s.row(ctx, "SELECT COUNT(*) FROM "+qualified(schema, movesTable)+" WHERE state=? AND tbl=? AND row_id BETWEEN ? AND ?",
		[]any{moveOpen, cmp.Or(r.table, instances), r.first, r.last}, &n)
	if err == nil && n > 0 {
		err = fmt.Errorf("%w: copies of %d rows of %s in %s are still to be dropped", stackmend.ErrNotDone, n, cmp.Or(r.table, instances), r.to)
	}
	return err
}

// drop drops copies that do not count, for their rows are in the cell.
func (g *ledger) drop(ctx context.Context, where string, args ...any) error {
	for more := true; more; {
		err := g.s.begin(ctx)
		if err == nil {
			more, err = g.dropSome(ctx, where, args...)
		}
		if err == nil {
			err = g.s.commit(ctx)
		}
		if err != nil {
			return g.s.rollback(err)
		}
	}
	return nil
}

// dropSome drops copies of one lot. The notes stay locked meanwhile: they must
// not begin to count.
func (g *ledger) dropSome(ctx context.Context, where string, args ...any) (more bool, err error) {
	ms, err := g.moves(ctx, fmt.Sprintf("state=%d AND %s ORDER BY place LIMIT 1000 FOR UPDATE", moveOpen, where), args...)
	if err != nil || len(ms) == 0 {
		return false, err
	}
	one := ms[0]
	ms = slices.DeleteFunc(ms, func(m move) bool { return m.place != one.place || m.table != one.table })
	name, err := g.lotAt(one.place)
	if err != nil {
		return false, err
	}
	var all int
	if err := g.s.row(ctx, "SELECT COUNT(*) FROM "+g.table()+" WHERE place=?", []any{one.place}, &all); err != nil {
		return false, err
	}
	if err := g.d.drop(ctx, name, ms, all == len(ms)); err != nil {
		return false, fmt.Errorf("dbarchive: dropping copies in %s: %w", one.place, err)
	}
	ids := list(ms, func(m move) string { return fmt.Sprint(m.id) }, ",")
	return true, g.s.exec0(ctx, fmt.Sprintf("DELETE FROM %s WHERE tbl=? AND row_id IN (%s)", g.table(), ids), one.table)
}

func (g *ledger) moves(ctx context.Context, where string, args ...any) (ms []move, err error) {
	err = g.s.query(ctx, func(r *sql.Rows) error {
		var m move
		err := r.Scan(&m.table, &m.id, &m.uuid, &m.place, &m.digest)
		if err == nil && m.table == instances && !uuidForm.MatchString(m.uuid) {
			err = fmt.Errorf("dbarchive: %s names an instance %q", movesTable, m.uuid)
		}
		ms = append(ms, m)
		return err
	}, "SELECT tbl, row_id, instance_uuid, place, digest FROM "+g.table()+" WHERE "+where, args...)
	return ms, err
}

// find looks for a tree whose copy counts.
func (g *ledger) find(ctx context.Context, uuid string) (move, error) {
	ms, err := g.moves(ctx, fmt.Sprintf("instance_uuid=? AND tbl='%s' AND state=%d", instances, moveDone), uuid)
	switch {
	case missingTable(err):
		return move{}, errNotArchived
	case err != nil:
		return move{}, err
	case len(ms) == 0:
		return move{}, errNotArchived
	}
	return ms[0], nil
}

var errNotArchived = errors.New("dbarchive: the instance is not in the archive")
