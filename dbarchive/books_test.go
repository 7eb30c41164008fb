package dbarchive

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// Books hold every row of a cell and its API rows, by table and key, with a
// digest of all columns: what archiving must keep.
type books struct {
	main, shadow map[string]string // "table/key" -> digest
	api          map[string]string // "table/key uuid" -> digest
	saved        map[string]bool   // API rows saved in the cell
	pending      int64
	dead         map[string]bool // uuids of deleted instances, wherever they are
	archived     map[string]bool // uuids in the shadow
}

func (w *world) books(t testing.TB, cell string) books {
	t.Helper()
	ctx := context.Background()
	c := w.cell(t, cell)
	s, err := open(ctx, c.DB)
	must(t, err)
	defer s.drop()
	sc, err := s.describe(ctx)
	must(t, err)
	b := books{main: map[string]string{}, shadow: map[string]string{}, api: map[string]string{}, saved: map[string]bool{},
		dead: map[string]bool{}, archived: map[string]bool{}}
	for _, name := range sc.destinationTables() {
		tab := sc.Tables[name]
		digest(t, s, qualified(sc.Database, name), name, tab, b.main)
		digest(t, s, qualified(sc.Database, shadowPrefix+name), name, tab, b.shadow)
	}
	w.readAPI(t, b)
	must(t, s.query(ctx, func(r *sql.Rows) error {
		var u string
		var in bool
		err := r.Scan(&u, &in)
		if b.dead[u] = true; in {
			b.archived[u] = true
		}
		return err
	}, "SELECT uuid, 0 FROM instances WHERE deleted<>0 UNION ALL SELECT uuid, 1 FROM shadow_instances"))
	if sc.Tables[apiRowsTable] != nil {
		must(t, s.query(ctx, func(r *sql.Rows) error {
			var k string
			var state int
			err := r.Scan(&k, &state)
			b.saved[k] = true
			if state != apiCleared {
				b.pending++
			}
			return err
		}, "SELECT CONCAT(tbl,'/',row_id,' ',instance_uuid), state FROM "+apiRowsTable))
	}
	return b
}

func (w *world) cell(t testing.TB, name string) Cell {
	t.Helper()
	i := slices.IndexFunc(w.dbs.Cells, func(c Cell) bool { return c.Name == name })
	if i < 0 {
		t.Fatalf("no cell %s", name)
	}
	return w.dbs.Cells[i]
}

func (w *world) readAPI(t testing.TB, b books) {
	t.Helper()
	s, err := open(context.Background(), w.dbs.API)
	must(t, err)
	defer s.drop()
	sc, err := s.describe(context.Background())
	must(t, err)
	for _, name := range apiTables {
		rows := map[string]string{}
		digest(t, s, name, name, sc.Tables[name], rows)
		must(t, s.query(context.Background(), func(r *sql.Rows) error {
			var id, uuid string
			err := r.Scan(&id, &uuid)
			b.api[name+"/"+id+" "+uuid] = rows[name+"/"+id]
			return err
		}, "SELECT id, instance_uuid FROM "+name))
	}
}

// digest reads a table. QUOTE tells NULL from 'NULL', and bytes are compared
// as bytes.
func digest(t testing.TB, s *session, from, name string, tab *Table, into map[string]string) {
	t.Helper()
	cols := list(tab.stored(), func(c Column) string { return "QUOTE(CAST(" + quote(c.Name) + " AS BINARY))" }, ",")
	must(t, s.query(context.Background(), func(r *sql.Rows) error {
		var k, d string
		err := r.Scan(&k, &d)
		into[name+"/"+k] = d
		return err
	}, fmt.Sprintf("SELECT %s, MD5(CONCAT_WS(',',%s)) FROM %s", quote(tab.key()), cols, from)))
}

// balance checks the books after runs against those before: every row is in
// exactly one place, byte for byte; nothing alive moved; API rows of archived
// instances are saved and gone, all others are as they were.
func balance(t testing.TB, before, after books) {
	t.Helper()
	var wrong []string
	bad := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	for k, d := range before.main {
		m, inMain := after.main[k]
		s, inShadow := after.shadow[k]
		switch {
		case inMain && inShadow:
			bad("%s is in both places", k)
		case !inMain && !inShadow:
			bad("%s is lost", k)
		case m+s != d:
			bad("%s changed", k)
		}
	}
	for k, d := range before.shadow {
		if after.shadow[k] != d {
			bad("%s of the shadow changed", k)
		}
	}
	if len(after.main)+len(after.shadow) != len(before.main)+len(before.shadow) {
		bad("%d rows before, %d and %d after", len(before.main)+len(before.shadow), len(after.main), len(after.shadow))
	}
	for k, d := range before.api {
		_, uuid, _ := strings.Cut(k, " ")
		now, there := after.api[k]
		switch {
		case after.archived[uuid] && (there || !after.saved[k]):
			bad("API row %s of an archived instance: there %v, saved %v", k, there, after.saved[k])
		case !after.archived[uuid] && (now != d || after.saved[k]):
			bad("API row %s of an instance that is not archived changed or was saved", k)
		}
	}
	for u := range after.archived {
		if !before.dead[u] {
			bad("live instance %s was archived", u)
		}
	}
	if after.pending != 0 {
		bad("%d API rows are pending", after.pending)
	}
	slices.Sort(wrong)
	if len(wrong) > 0 {
		t.Fatalf("%d faults:\n%s", len(wrong), strings.Join(wrong[:min(20, len(wrong))], "\n"))
	}
}

// same reports how two books differ.
func (b books) differs(o books) string {
	for name, pair := range map[string][2]map[string]string{"main": {b.main, o.main}, "shadow": {b.shadow, o.shadow}, "API": {b.api, o.api}} {
		if maps.Equal(pair[0], pair[1]) {
			continue
		}
		for k, v := range pair[0] {
			if pair[1][k] != v {
				return fmt.Sprintf("%s: %s was %q, is %q", name, k, v, pair[1][k])
			}
		}
		return fmt.Sprintf("%s: %d rows were, %d are", name, len(pair[0]), len(pair[1]))
	}
	return ""
}
