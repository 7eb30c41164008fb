package dbarchive

import (
	"context"
	"fmt"
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
	return nil
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
		return fmt.Errorf("%w: %s or %s is missing", stackmend.ErrNotDone, leaseTable, apiRowsTable)
	}
	if to.Schema == "" {
		return nil
	}
	sc, err := sess.describe(ctx)
	if err != nil {
		return err
	}
	d, err := sess.describeAs(ctx, to.Schema)
	if err != nil {
		return err
	}
	for _, name := range sc.destinationTables() {
		if d.Tables[name] == nil {
			return fmt.Errorf("%w: %s has no table %s", stackmend.ErrNotDone, to.Schema, name)
		}
	}
	return nil
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
