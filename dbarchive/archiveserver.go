package dbarchive

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/stackmend/stackmend"
)

// An archive is a depot on another server: tables of the same names, in a
// database of the cell's own. A lot is noted there in the transaction that
// writes it, so that only rows which that lot brought are ever dropped.
type archive struct {
	s *session
	l *layout // of the cell
}

var errNoArchive = fmt.Errorf("%w: dbarchive: no archive server was handed in for the cell (Cell.Archive)", stackmend.ErrRefused)

func openArchive(ctx context.Context, db *sql.DB, l *layout) (*archive, error) {
	if db == nil {
		return nil, errNoArchive
	}
	s, err := open(ctx, db)
	if err != nil {
		return nil, fmt.Errorf("archive server: %w", err)
	}
	return &archive{s, l}, nil
}

func (d *archive) close() { d.s.drop() }

func (d *archive) lots() string { return qualified(d.s.schema, lotsTable) }

func (d *archive) put(ctx context.Context, src *session, l lot) (r receipt, err error) {
	sums, err := d.insert(ctx, src, l)
	if err != nil {
		return r, fmt.Errorf("archive server: %w", d.s.rollback(err))
	}
	for i, p := range l.parts {
		there := newTally()
		err := p.each(ctx, d.s, d.s.schema, "", there.row(p.table))
		if err == nil {
			err = sums[i].prove(p.table.Name, there)
		}
		if err != nil {
			return r, fmt.Errorf("archive server: %w", err)
		}
		r.rows = append(r.rows, there.rows)
	}
	return r, nil
}

// insert is the transaction there.
func (d *archive) insert(ctx context.Context, src *session, l lot) (sums []*tally, err error) {
	if err := d.s.begin(ctx); err != nil {
		return nil, err
	}
	if err := d.s.exec0(ctx, "INSERT INTO "+d.lots()+" (name) VALUES (?)", l.name); err != nil {
		return nil, err
	}
	for _, p := range l.parts {
		sum, in := newTally(), newInserter(d.s, d.s.schema, p.table)
		err := p.each(ctx, src, src.schema, forUpdate, func(row rowText) error {
			if _, err := sum.add(p.table.Name, row); err != nil {
				return err
			}
			return in.add(ctx, row)
		})
		if err = errors.Join(err, in.flush(ctx)); err != nil {
			return nil, err
		}
		sums = append(sums, sum)
	}
	return sums, d.s.commit(ctx)
}

func (d *archive) get(ctx context.Context, _ string, m move, each func(string, rowText) error) error {
	for _, mem := range d.l.each() {
		p := treePart(mem, "'"+m.uuid+"'")
		if err := p.each(ctx, d.s, d.s.schema, "", func(row rowText) error { return each(mem.table.Name, row) }); err != nil {
			return fmt.Errorf("archive server: %w", err)
		}
	}
	return nil
}

func (d *archive) drop(ctx context.Context, name string, ms []move, all bool) error {
	var n int
	if err := d.s.row(ctx, "SELECT COUNT(*) FROM "+d.lots()+" WHERE name=?", []any{name}, &n); err != nil {
		return err
	}
	if n == 0 {
		return nil // it was never committed there
	}
	if err := d.remove(ctx, name, ms, all); err != nil {
		return d.s.rollback(err)
	}
	return nil
}

func (d *archive) remove(ctx context.Context, name string, ms []move, all bool) error {
	if err := d.s.begin(ctx); err != nil {
		return err
	}
	parts, err := d.parts(ms)
	if err != nil {
		return err
	}
	for _, p := range slices.Backward(parts) {
		if _, err := p.remove(ctx, d.s, d.s.schema); err != nil {
			return err
		}
	}
	if all {
		if err := d.s.exec0(ctx, "DELETE FROM "+d.lots()+" WHERE name=?", name); err != nil {
			return err
		}
	}
	return d.s.commit(ctx)
}

// parts are the rows of moves, which are all of one table.
func (d *archive) parts(ms []move) (ps []part, err error) {
	if ms[0].table == instances {
		for _, mem := range d.l.each() {
			ps = append(ps, treePart(mem, list(ms, func(m move) string { return "'" + m.uuid + "'" }, ",")))
		}
		return ps, nil
	}
	t, err := d.l.sc.looseTable(ms[0].table)
	if err != nil {
		return nil, err
	}
	return []part{rowsPart(t, list(ms, func(m move) string { return fmt.Sprint(m.id) }, ","))}, nil
}

// An inserter writes rows of one table, many at a time.
type inserter struct {
	s     *session
	into  string
	cols  []Column
	args  []any
	bytes int
}

// What one statement inserts at most: far below the protocol's 65,535
// placeholders and the smallest max_allowed_packet that servers come with.
const (
	insertRows  = 200
	insertBytes = 1 << 20
)

func newInserter(s *session, schema string, t *Table) *inserter {
	return &inserter{s: s, cols: t.stored(), into: fmt.Sprintf("INSERT INTO %s (%s) VALUES ", qualified(schema, t.Name), columns(t, ""))}
}

func (in *inserter) add(ctx context.Context, row rowText) error {
	for _, c := range in.cols {
		v, ok := row[c.Name]
		if !ok {
			return fmt.Errorf("dbarchive: an archived row lacks %s, which the table has now", c.Name)
		}
		in.args, in.bytes = append(in.args, v.arg()), in.bytes+len(v.value)
	}
	if len(row) != len(in.cols) {
		return errors.New("dbarchive: an archived row has columns that the table lacks now")
	}
	if len(in.args) >= insertRows*len(in.cols) || in.bytes >= insertBytes {
		return in.flush(ctx)
	}
	return nil
}

// flush writes what is left; of a nil inserter that is nothing.
func (in *inserter) flush(ctx context.Context) error {
	if in == nil || len(in.args) == 0 {
		return nil
	}
	err := in.s.exec0(ctx, in.into+placeholders(len(in.args)/len(in.cols), len(in.cols)), in.args...)
	in.args, in.bytes = in.args[:0], 0
	return err
}

// copyOf makes of what SHOW CREATE TABLE says the definition of a copy in
// another database. It has no foreign keys: rows come and go with their trees.
func copyOf(definition, schema, table string) (string, error) {
	body, ok := strings.CutPrefix(definition, "CREATE TABLE "+quote(table))
	if !ok {
		return "", fmt.Errorf("dbarchive: the definition of %s begins with %.60q", table, definition)
	}
	lines := slices.DeleteFunc(strings.Split(body, "\n"), func(l string) bool {
		return strings.HasPrefix(l, "  CONSTRAINT `") && strings.Contains(l, "` FOREIGN KEY (")
	})
	if n := len(lines); n > 1 { // the last one before the parenthesis
		lines[n-2] = strings.TrimSuffix(lines[n-2], ",")
	}
	return "CREATE TABLE IF NOT EXISTS " + qualified(schema, table) + strings.Join(lines, "\n"), nil
}
