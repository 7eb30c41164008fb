package dbarchive

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/internal/lab/mariadb"
)

// An API row is an orphan only if its own cell answered and has the instance
// neither live nor in the shadow, and nobody builds it. As long as one cell
// does not answer nothing is called an orphan and no API row is touched.
func TestOrphans(t *testing.T) {
	t.Parallel()
	w := fresh(t).small(t)
	must(t, w.Populate(mariadb.Population{Database: mariadb.Cell2, Cell: "cell2", Instances: 12, Live: 12}))
	var cell int64
	must(t, w.dbs.API.QueryRow("SELECT id FROM nova_api.cell_mappings WHERE name='cell1'").Scan(&cell))
	mapped := func(uuid string, cell any) {
		t.Helper()
		_, err := w.dbs.API.Exec("INSERT INTO nova_api.instance_mappings (instance_uuid,cell_id,project_id) VALUES (?,?,'p')", uuid, cell)
		must(t, err)
	}
	const orphan, built, unmapped, shadowed = "00000000-0000-4000-a000-000000000001", "00000000-0000-4000-a000-000000000002",
		"00000000-0000-4000-a000-000000000003", "00000000-0000-4000-a000-000000000004"
	for _, u := range []string{orphan, built, shadowed} {
		mapped(u, cell)
	}
	mapped(unmapped, nil)
	w.exec(t, "INSERT INTO nova_api.build_requests (instance_uuid,project_id) VALUES ('%s','p')", built)
	w.exec(t, "INSERT INTO nova.shadow_instances (id,uuid,deleted) VALUES (99999,'%s',1)", shadowed)
	defer w.exec(t, "DELETE FROM nova_api.build_requests")

	snap, err := Observe(t.Context(), w.dbs, cell1.at(cutoff))
	must(t, err)
	if a := snap.API; a.Orphans != 1 || a.Shadowed != 1 || a.NullCell != 1 || !slices.Equal(a.Examples, []string{orphan}) || a.Unchecked != "" {
		t.Errorf("%+v", a)
	}
	if r := Plan(snap, time.Hour); len(r.Refusals) > 0 {
		t.Error(r.Refusals)
	}

	lost := Databases{API: w.dbs.API}
	for _, c := range w.dbs.Cells {
		if c.Name == "cell2" {
			c.DB, c.Err = nil, errors.New("no route to host")
		}
		lost.Cells = append(lost.Cells, c)
	}
	snap, err = Observe(t.Context(), lost, cell1.at(cutoff))
	must(t, err)
	if a := snap.API; a.Orphans != 0 || !strings.Contains(a.Unchecked, "no route to host") {
		t.Errorf("with a cell that does not answer: %+v", a)
	}
	if r := strings.Join(Plan(snap, time.Hour).Refusals, "\n"); !strings.Contains(r, "no API row is touched") {
		t.Errorf("refusals: %q", r)
	}
	if s := Check(snap, Thresholds{}).Status; s != stackmend.Unknown {
		t.Errorf("status %v", s)
	}
}

// A check tells growth, age, and what is left alone.
func TestCheck(t *testing.T) {
	at := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	cell := func(deleted int64) CellState {
		return CellState{Name: "cell1", Selected: true, Schema: &Schema{Database: "nova", Tables: map[string]*Table{}},
			Instances: Instances{Total: 600_000, Deleted: deleted, NullDeletedAt: 3, Uncleaned: 5, Errored: 7,
				OldestDeleted: at.AddDate(-3, 0, 0), OldestTerminated: at.AddDate(-4, 0, 0)},
			Kept:   []Kept{{Reason: LiveChild, Trees: 2, Examples: []string{"u: why"}}, {Reason: HostNotSeen, Trees: 1}},
			Tables: []TableState{{Table: "instance_extra", InBoth: 1}, {Table: "tags", Drift: "it lacks x"}},
			Ranges: []Range{{First: 1, Last: 2, Instances: 2, Rows: 50_010, Alone: 1, Largest: 50_000}}}
	}
	old := &Snapshot{Taken: at.Add(-time.Hour), Cells: []CellState{cell(299_000)}}
	s := &Snapshot{Taken: at, Selection: Selection{Before: at}, Cells: []CellState{cell(300_000)}}
	r := Check(s, Thresholds{Earlier: old})
	if r.Status != stackmend.Fail {
		t.Error(r.Status)
	}
	var codes []string
	for _, f := range r.Findings {
		codes = append(codes, f.Code)
		if f.Code != DeletedRows {
			continue
		}
		var text string
		for _, e := range f.Evidence {
			text += e.Source + " " + e.Value + "\n"
		}
		for _, want := range []string{"+1000 deleted", "oldest deleted_at 2023-11-22", "oldest terminated_at 2022-11-22", "cleaned=0) 5"} {
			if !strings.Contains(text, want) {
				t.Errorf("no %q in %s", want, text)
			}
		}
	}
	for _, want := range []string{DeletedRows, NullDeletedAt, ErroredInstances, LiveChild, HostNotSeen, RowInBoth, SchemaDrift} {
		if !slices.Contains(codes, want) {
			t.Errorf("no finding %s in %v", want, codes)
		}
	}
	if reason := Plan(s, time.Hour).Steps[0].Reason; !strings.Contains(reason, "largest with 50000 rows") {
		t.Errorf("an instance that is moved alone: %q", reason)
	}
}

// The reads of a dry run take no locks: they neither wait for what others hold
// locked, nor does anybody wait for them.
func TestObserveTakesNoLocks(t *testing.T) {
	t.Parallel()
	w := fresh(t).small(t)
	tx, err := w.dbs.API.Begin()
	must(t, err)
	defer tx.Rollback()
	for _, q := range []string{"SELECT id FROM nova.instances FOR UPDATE", "SELECT id FROM nova.instance_extra FOR UPDATE", "SELECT id FROM nova_api.instance_mappings FOR UPDATE"} {
		rows, err := tx.Query(q)
		must(t, err)
		for rows.Next() {
		}
		must(t, rows.Close())
	}
	before := w.count(t, "SELECT SUM(count) FROM information_schema.innodb_metrics WHERE name IN ('lock_row_lock_waits','lock_timeouts')")
	if p := w.plan(t, cell1); len(p.Steps) == 0 {
		t.Error(p.Refusals)
	}
	if n := w.count(t, "SELECT SUM(count) FROM information_schema.innodb_metrics WHERE name IN ('lock_row_lock_waits','lock_timeouts')"); n != before {
		t.Errorf("%d waits for locks", n-before)
	}
	if n := w.count(t, "SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_rows_locked>0"); n != 1 {
		t.Errorf("%d transactions hold locks, want the test's own", n)
	}
}
