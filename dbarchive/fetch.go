package dbarchive

import (
	"context"
	"errors"
	"fmt"

	"github.com/stackmend/stackmend"
)

// fetch puts a tree back from a depot. The transaction that inserts it notes
// that the copies no longer count; then they are dropped.
func (s *session) fetch(ctx context.Context, cell Cell, sc *Schema, to Destination, uuid string, api bool) error {
	l, problems := sc.layout(to)
	if len(problems) > 0 {
		return fmt.Errorf("%w: dbarchive: %v", stackmend.ErrRefused, problems)
	}
	g, err := s.ledger(ctx, cell, l, to)
	if err != nil {
		return err
	}
	defer g.close()
	switch m, err := g.find(ctx, uuid); {
	case err == nil:
		if err := g.fetch(ctx, l, m, api); err != nil {
			return s.rollback(err)
		}
	case !errors.Is(err, errNotArchived):
		return err
	}
	return g.drop(ctx, "instance_uuid=?", uuid)
}

// fetch is the transaction: insert, prove by reading, note, commit.
func (g *ledger) fetch(ctx context.Context, l *layout, m move, api bool) error {
	name, err := g.lotAt(m.place)
	if err != nil {
		return err
	}
	if err := g.s.begin(ctx); err != nil {
		return err
	}
	sums, err := g.insert(ctx, l, name, m)
	if err != nil {
		return err
	}
	for _, mem := range l.each() {
		there := newTally()
		err := treePart(mem, "'"+m.uuid+"'").each(ctx, g.s, g.schema, forUpdate, there.row(mem.table))
		if err == nil {
			err = sums[mem.table.Name].prove(mem.table.Name, there)
		}
		if err != nil {
			return err
		}
	}
	if err := g.s.exec0(ctx, "UPDATE "+g.table()+" SET state=? WHERE tbl=? AND row_id=? AND place=?", moveOpen, instances, m.id, m.place); err != nil {
		return err
	}
	if api {
		if err := g.s.mark(ctx, g.schema, "'"+m.uuid+"'", apiCleared, apiToPut); err != nil {
			return err
		}
	}
	return g.s.commit(ctx)
}

// insert inserts what the depot has, table by table, parents first.
func (g *ledger) insert(ctx context.Context, l *layout, name string, m move) (map[string]*tally, error) {
	sums := map[string]*tally{}
	for _, mem := range l.each() {
		sums[mem.table.Name] = newTally()
	}
	var in *inserter
	var into string
	err := g.d.get(ctx, name, m, func(table string, row rowText) error {
		if table != into {
			if err := in.flush(ctx); err != nil {
				return err
			}
			in, into = newInserter(g.s, g.schema, l.tree.member(table).table), table
		}
		if _, err := sums[table].add(table, row); err != nil {
			return err
		}
		return in.add(ctx, row)
	})
	if err == nil {
		err = in.flush(ctx)
	}
	if err == nil && sums[instances].rows != 1 {
		err = fmt.Errorf("dbarchive: %s has instance %s %d times", m.place, m.uuid, sums[instances].rows)
	}
	if err != nil {
		return nil, fmt.Errorf("dbarchive: restoring from %s: %w", m.place, err)
	}
	return sums, nil
}

// backFrom reports whether a depot still has an instance that was restored.
func (s *session) backFrom(ctx context.Context, uuid string) error {
	var n int64
	err := s.row(ctx, "SELECT COUNT(*) FROM "+qualified(s.schema, movesTable)+" WHERE instance_uuid=?", []any{uuid}, &n)
	if err == nil && n > 0 {
		err = fmt.Errorf("%w: copies of %s are still to be dropped", stackmend.ErrNotDone, uuid)
	}
	return err
}
