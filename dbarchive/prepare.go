package dbarchive

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/stackmend/stackmend"
)

// doPrepare makes the tables of this package and, for another database as
// destination, that database and its tables, each like the one it copies.
func (a *Applier) doPrepare(ctx context.Context, s stackmend.Step, sess *session, w *stackmend.Work) error {
	to, err := ParseDestination(s.Args["to"])
	if err != nil {
		return fmt.Errorf("%w: %w", stackmend.ErrRefused, err)
	}
	k, _ := kinds(s.Verb)
	if err := a.holds(ctx, k, s, sess); err != nil {
		return err
	}
	statements := stateTables(sess.schema)
	if to.Schema != "" {
		sc, err := sess.describe(ctx)
		if err != nil {
			return err
		}
		statements = append(statements, "CREATE DATABASE IF NOT EXISTS "+quote(to.Schema))
		for _, t := range sc.destinationTables() {
			statements = append(statements, fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s LIKE %s", qualified(to.Schema, t), qualified(sc.Database, t)))
		}
	}
	for _, q := range statements {
		if err := sess.exec0(ctx, q); err != nil {
			return fmt.Errorf("dbarchive: %w", err)
		}
	}
	cell, err := a.work(ctx, s)
	if err != nil {
		return err
	}
	switch {
	case to.Dir != "":
		return os.MkdirAll(to.Dir, 0o700)
	case to.Server:
		return sess.prepareArchive(ctx, cell.cell)
	}
	return nil
}

// prepareArchive makes the tables of an archive server.
func (s *session) prepareArchive(ctx context.Context, cell Cell) error {
	sc, err := s.describe(ctx)
	if err != nil {
		return err
	}
	there, err := openArchive(ctx, cell.Archive, nil)
	if err != nil {
		return err
	}
	defer there.close()
	statements := []string{"CREATE TABLE IF NOT EXISTS " + there.lots() + " (name VARCHAR(64) NOT NULL PRIMARY KEY) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"}
	for _, t := range sc.destinationTables() {
		var name, definition string
		if err := s.row(ctx, "SHOW CREATE TABLE "+qualified(sc.Database, t), nil, &name, &definition); err != nil {
			return err
		}
		q, err := copyOf(definition, there.s.schema, t)
		if err != nil {
			return err
		}
		statements = append(statements, q)
	}
	for _, q := range statements {
		if err := there.s.exec0(ctx, q); err != nil {
			return fmt.Errorf("dbarchive: archive server: %w", err)
		}
	}
	return nil
}

func (a *Applier) describeDestination(ctx context.Context, s stackmend.Step, sess *session, to Destination) (*Schema, error) {
	if !to.Server {
		return sess.describeAs(ctx, to.Schema)
	}
	cell, err := a.work(ctx, s)
	if err != nil {
		return nil, err
	}
	there, err := openArchive(ctx, cell.cell.Archive, nil)
	if err != nil {
		return nil, err
	}
	defer there.close()
	return there.s.describe(ctx)
}

// destinationTables are the tables whose rows this package moves.
func (sc *Schema) destinationTables() []string {
	t, _ := sc.tree()
	if t == nil {
		return nil
	}
	names := []string{instances}
	for _, m := range t.members {
		names = append(names, m.table.Name)
	}
	for _, l := range sc.loose() {
		names = append(names, l.Name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (a *Applier) verifyPrepare(ctx context.Context, s stackmend.Step, sess *session) error {
	to, err := ParseDestination(s.Args["to"])
	if err != nil {
		return fmt.Errorf("%w: %w", stackmend.ErrRefused, err)
	}
	ok, err := sess.prepared(ctx, sess.schema)
	if err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("%w: %s, %s or %s is missing", stackmend.ErrNotDone, leaseTable, apiRowsTable, movesTable)
	}
	if to == (Destination{}) {
		return nil
	}
	if to.Dir != "" {
		if info, err := os.Stat(to.Dir); err != nil || !info.IsDir() {
			return fmt.Errorf("%w: %s is no directory: %w", stackmend.ErrNotDone, to.Dir, err)
		}
		return nil
	}
	sc, err := sess.describe(ctx)
	if err != nil {
		return err
	}
	d, err := a.describeDestination(ctx, s, sess, to)
	if err != nil {
		return err
	}
	for _, name := range sc.destinationTables() {
		if d.Tables[name] == nil {
			return fmt.Errorf("%w: %s has no table %s", stackmend.ErrNotDone, to, name)
		}
	}
	return nil
}

// looseTable is one of the loose tables.
func (sc *Schema) looseTable(name string) (*Table, error) {
	for _, t := range sc.loose() {
		if t.Name == name {
			return t, nil
		}
	}
	return nil, fmt.Errorf("%w: dbarchive: rows of %q do not go one by one", stackmend.ErrRefused, name)
}

// loose are the tables whose deleted rows can go one by one: those with a
// shadow, a deleted column and a key. Rows of instance_actions and of
// instances themselves go with their tree only.
func (sc *Schema) loose() []*Table {
	var out []*Table
	for name, t := range sc.Tables {
		if name == instances || slices.Contains(follows[:], name) || sc.Tables[shadowPrefix+name] == nil {
			continue
		}
		key, ok := t.column(t.key())
		if t.has("deleted") && t.has("deleted_at") && ok && key.DataType == "int" {
			out = append(out, t)
		}
	}
	slices.SortFunc(out, func(a, b *Table) int { return strings.Compare(a.Name, b.Name) })
	return out
}
