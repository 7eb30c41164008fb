package dbarchive

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"time"
)

// A depot is a destination that no transaction of the cell spans: files, or
// another server. What is put there is durable and proved before the cell's
// transaction deletes it. What counts is written in the cell alone, by that
// transaction ([ledger]): a copy that a killed run left counts for nothing, and
// the next run drops it.
type depot interface {
	// put copies the rows of a lot, as src reads them under lock, and compares
	// the copy with what was read.
	put(ctx context.Context, src *session, l lot) (receipt, error)
	// get reads the tree of an instance back, parents first.
	get(ctx context.Context, name string, m move, each func(table string, row rowText) error) error
	// drop removes copies of a lot. With all, nothing else of the lot counts.
	drop(ctx context.Context, name string, ms []move, all bool) error
	close()
}

// A lot is what goes to a depot in one piece.
type lot struct {
	name  string
	cell  Cell
	parts []part // parents before children
}

func newLot(cell Cell, now time.Time) lot {
	var b [8]byte
	rand.Read(b[:])
	return lot{cell: cell, name: now.UTC().Format("20060102T150405Z") + "-" + hex.EncodeToString(b[:])}
}

// A receipt says what a depot has taken.
type receipt struct {
	rows   []int64 // by part
	digest string  // by which the depot knows the lot again; may be empty
}

// A part is the rows of one table in a lot.
type part struct {
	table *Table
	where func(schema string) (from, where string) // with the table as t
}

// treePart is the rows of one member of trees.
func treePart(m *member, uuids string) part {
	return part{m.table, func(schema string) (string, string) {
		from, uuid := (&layout{source: schema}).from(m)
		return from, uuid + " IN (" + uuids + ")" + m.dead()
	}}
}

// rowsPart is single rows, by their keys.
func rowsPart(t *Table, ids string) part {
	return part{t, func(schema string) (string, string) {
		return qualified(schema, t.Name) + " AS t FORCE INDEX (PRIMARY)", "t." + quote(t.key()) + " IN (" + ids + ")"
	}}
}

// each reads the rows of a part in the order of their keys, every value as its
// exact text.
func (p part) each(ctx context.Context, s *session, schema, lock string, f func(rowText) error) error {
	from, where := p.where(schema)
	err := s.query(ctx, func(r *sql.Rows) error {
		row, err := scanText(r, p.table)
		if err != nil {
			return err
		}
		return f(row)
	}, fmt.Sprintf("SELECT %s FROM %s WHERE %s ORDER BY t.%s%s", exactColumns(p.table, "t"), from, where, quote(p.table.key()), lock))
	if err != nil {
		return fmt.Errorf("dbarchive: reading %s: %w", p.table.Name, err)
	}
	return nil
}

func (p part) remove(ctx context.Context, s *session, schema string) (int64, error) {
	from, where := p.where(schema)
	r, err := s.exec(ctx, fmt.Sprintf("DELETE t FROM %s WHERE %s", from, where))
	if err != nil {
		return 0, fmt.Errorf("dbarchive: deleting from %s: %w", p.table.Name, err)
	}
	return r.RowsAffected()
}

// forUpdate keeps the rows as they are until the transaction ends.
const forUpdate = " FOR UPDATE"

// A line is a row with its table, as files hold it.
type line struct {
	Table string  `json:"table"`
	Row   rowText `json:"row"`
}

// A tally counts rows and hashes their content: what a copy is proved by.
type tally struct {
	rows int64
	sum  hash.Hash
}

func newTally() *tally { return &tally{sum: sha256.New()} }

// add takes a row and returns its line.
func (t *tally) add(table string, row rowText) ([]byte, error) {
	b, err := json.Marshal(line{table, row})
	if err != nil {
		return nil, err
	}
	b = append(b, '\n')
	t.rows++
	t.sum.Write(b)
	return b, nil
}

// row adds the rows of one table.
func (t *tally) row(of *Table) func(rowText) error {
	return func(r rowText) error { _, err := t.add(of.Name, r); return err }
}

func (t *tally) content() string { return hex.EncodeToString(t.sum.Sum(nil)) }

// prove compares a copy with what was read.
func (t *tally) prove(table string, copied *tally) error {
	if t.rows != copied.rows || t.content() != copied.content() {
		return &mismatchError{table, t.rows, copied.rows}
	}
	return nil
}

// depot opens a destination outside of the cell's server.
func (to Destination) depot(ctx context.Context, cell Cell, l *layout) (depot, error) {
	if to.Server {
		return openArchive(ctx, cell.Archive, l)
	}
	return openFiles(to.Dir, l)
}

// outside reports whether no transaction of the cell spans the destination.
func (to Destination) outside() bool { return to.Dir != "" || to.Server }
