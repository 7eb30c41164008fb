package dbarchive

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/internal/lab/mariadb"
)

func (w *world) small(t testing.TB) *world {
	t.Helper()
	must(t, w.Populate(mariadb.Population{Database: mariadb.Cell1, Cell: "cell1", Instances: 60, Live: 10, Metadata: 2}))
	return w
}

var cell1 = Selection{Cells: []string{"cell1"}}

// run applies and returns what became of it, for runs that are to fail.
func (w *world) run(t testing.TB, p *stackmend.Plan, o stackmend.Options) (*Applier, error) {
	t.Helper()
	a := NewApplier(w.dbs, quick())
	o.Mode = stackmend.Apply
	_, err := stackmend.Run(context.Background(), p, a, o)
	return a, err
}

// A row that a killed pt-archiver left in both places is completed; one whose
// copy differs keeps its whole tree where it is, and is reported.
func TestRowInBoth(t *testing.T) {
	t.Parallel()
	w := fresh(t).small(t)
	before := w.books(t, "cell1")
	w.exec(t, "INSERT INTO nova.shadow_instance_extra SELECT * FROM nova.instance_extra WHERE id=2")
	p := w.plan(t, cell1)
	w.apply(t, p)
	balance(t, before, w.books(t, "cell1"))

	w = fresh(t).small(t)
	before = w.books(t, "cell1")
	// differs in nothing that a collation would see
	w.exec(t, "INSERT INTO nova.shadow_instance_extra SELECT * FROM nova.instance_extra WHERE id=2")
	w.exec(t, "UPDATE nova.shadow_instance_extra SET flavor=UPPER(flavor) WHERE id=2")
	a, err := w.run(t, w.plan(t, cell1), stackmend.Options{FailureBudget: 9})
	if err == nil || len(a.SetAside()) != 1 {
		t.Fatalf("error %v, set aside %v", err, a.SetAside())
	}
	w.exec(t, "DELETE FROM nova.shadow_instance_extra WHERE id=2")
	after := w.books(t, "cell1")
	balance(t, before, after)
	if n := w.count(t, "SELECT COUNT(*) FROM nova.instances i WHERE i.id=2"); n != 1 {
		t.Error("the tree with the doubtful row was moved")
	}
	if n := w.count(t, "SELECT COUNT(*) FROM nova.instances WHERE deleted<>0 AND deleted_at<'2025-11-22'"); n != 1 {
		t.Errorf("%d trees stayed, want the one", n)
	}
}

// A lock that somebody holds keeps one tree, for as long as it is held.
func TestLockHeldByAnother(t *testing.T) {
	t.Parallel()
	w := fresh(t).small(t)
	before := w.books(t, "cell1")
	tx, err := w.dbs.API.Begin()
	must(t, err)
	if _, err := tx.Exec("UPDATE nova.instance_extra SET flavor='mine' WHERE id=2"); err != nil {
		t.Fatal(err)
	}
	a, err := w.run(t, w.plan(t, cell1), stackmend.Options{FailureBudget: 9})
	for who, why := range a.SetAside() {
		if !strings.Contains(why, "1205") {
			t.Errorf("%s was set aside for %s", who, why)
		}
	}
	if err == nil || len(a.SetAside()) != 1 {
		t.Fatalf("error %v, set aside %v", err, a.SetAside())
	}
	must(t, tx.Rollback())
	w.apply(t, w.plan(t, cell1))
	balance(t, before, w.books(t, "cell1"))
}

// What changes between the plan and the transaction is seen: an instance that
// was undeleted, a child that was undeleted, also one without a foreign key, new
// rows of a deleted instance, one of them where the plan has seen none.
func TestChangedSincePlan(t *testing.T) {
	t.Parallel()
	w := fresh(t).small(t)
	p := w.plan(t, cell1)
	var ids []int64
	rows, err := w.dbs.API.Query("SELECT id FROM nova.instances WHERE deleted<>0 AND deleted_at<'2025-11-22' ORDER BY id LIMIT 4")
	must(t, err)
	for rows.Next() {
		var id int64
		must(t, rows.Scan(&id))
		ids = append(ids, id)
	}
	w.exec(t, "UPDATE nova.instances SET deleted=0, deleted_at=NULL WHERE id=%d", ids[0])
	w.exec(t, "UPDATE nova.instance_extra SET deleted=0 WHERE id=%d", ids[1])
	w.exec(t, "INSERT INTO nova.instance_faults (instance_uuid,code,deleted) SELECT uuid,599,77 FROM nova.instances WHERE id=%d", ids[2])
	w.exec(t, "INSERT INTO nova.fixed_ips (instance_uuid,address,deleted) SELECT uuid,'10.0.0.1',77 FROM nova.instances WHERE id=%d", ids[2])
	w.exec(t, "UPDATE nova.instance_id_mappings SET deleted=0 WHERE uuid=(SELECT uuid FROM nova.instances WHERE id=%d)", ids[3])
	before := w.books(t, "cell1")
	w.apply(t, p)
	after := w.books(t, "cell1")
	balance(t, before, after)
	if n := w.count(t, "SELECT COUNT(*) FROM nova.instances WHERE id IN (?,?,?)", ids[0], ids[1], ids[3]); n != 3 {
		t.Error("an instance that came back to life was moved")
	}
	if n := w.count(t, "SELECT (SELECT COUNT(*) FROM nova.shadow_instance_faults WHERE code=599)+(SELECT COUNT(*) FROM nova.shadow_fixed_ips WHERE address='10.0.0.1')"); n != 2 {
		t.Errorf("%d of 2 new rows went with their instance", n)
	}
}

// As many trees as the plan counted, and yet not what it counted: only the
// transaction notices.
func TestCountedOtherwise(t *testing.T) {
	t.Parallel()
	const first = "(SELECT uuid FROM nova.instances WHERE deleted<>0 AND deleted_at<'2025-11-22' ORDER BY id LIMIT 1)"
	for _, c := range []struct {
		change, look string
		stay         int64
	}{
		{"UPDATE nova.instance_id_mappings SET deleted=0 WHERE uuid=" + first,
			"SELECT COUNT(*) FROM nova.instances i JOIN nova.instance_id_mappings m ON m.uuid=i.uuid WHERE i.deleted<>0 AND m.deleted=0", 1},
		{"INSERT INTO nova.fixed_ips (instance_uuid,address,deleted) VALUES (" + first + ",'10.0.0.1',1)",
			"SELECT COUNT(*) FROM nova.shadow_fixed_ips WHERE address='10.0.0.1'", 0},
		{"INSERT INTO nova.tags (resource_id,tag) VALUES (" + first + ",'late')",
			"SELECT COUNT(*) FROM nova.instances i JOIN nova.tags t ON t.resource_id=i.uuid WHERE i.deleted<>0", 1},
	} {
		w := fresh(t).small(t)
		w.exec(t, "DELETE FROM nova.tags") // so that the plan finds nothing there at all
		p := w.plan(t, cell1)
		w.exec(t, "%s", c.change)
		before := w.books(t, "cell1")
		w.apply(t, p)
		balance(t, before, w.books(t, "cell1"))
		if n := w.count(t, "SELECT COUNT(*) FROM nova.instances WHERE deleted<>0 AND deleted_at<'2025-11-22'"); n != c.stay {
			t.Errorf("%s: %d trees stayed, want %d", c.change, n, c.stay)
		}
		if n := w.count(t, c.look); n != 1 {
			t.Errorf("%s: the row and its instance were parted", c.change)
		}
	}
}

// What changes while trees wait for their transaction, after they were read:
// an instance comes back to life, one gets a row, and a live one is deleted.
func TestChangedDuringRun(t *testing.T) {
	t.Parallel()
	w := fresh(t).small(t)
	before := w.books(t, "cell1")
	p := w.plan(t, cell1)
	const gone = "deleted<>0 AND deleted_at<'2025-11-22' ORDER BY id DESC LIMIT 1"
	id := w.count(t, "SELECT id FROM nova.instances WHERE "+gone)
	grows := w.count(t, "SELECT id FROM nova.instances WHERE id<? AND "+gone, id)
	changed := false
	_, err := stackmend.Run(t.Context(), p, NewApplier(w.dbs, Settings{LeaseTTL: 5 * time.Second, Limits: Limits{Rows: 40}}), stackmend.Options{
		Mode: stackmend.Apply, MaxWait: time.Minute, OnEvent: func(e stackmend.Event) {
			if changed || e.Unit == "" {
				return
			}
			changed = true
			w.exec(t, "UPDATE nova.instances SET deleted=0, deleted_at=NULL WHERE id=%d", id)
			w.exec(t, "INSERT INTO nova.instance_metadata (instance_uuid,`key`,value,deleted) SELECT uuid,'late','row',77 FROM nova.instances WHERE id=%d", grows)
			w.exec(t, "UPDATE nova.instances SET deleted=id, deleted_at='2024-01-01' WHERE id=(SELECT MIN(id) FROM (SELECT id FROM nova.instances WHERE deleted=0) i)")
		}})
	if err != nil || !changed {
		t.Fatalf("error %v, changed %v", err, changed)
	}
	if n := w.count(t, "SELECT COUNT(*) FROM nova.instances WHERE id=?", id); n != 1 {
		t.Error("an instance that came back to life was moved")
	}
	if n := w.count(t, "SELECT COUNT(*) FROM nova.shadow_instance_metadata WHERE `key`='late'"); n != 1 {
		t.Error("the new row did not go with its instance")
	}
	after := w.books(t, "cell1")
	for k := range before.main {
		_, in := after.main[k]
		_, out := after.shadow[k]
		if in == out {
			t.Errorf("%s: in nova's tables %v, in the shadow %v", k, in, out)
		}
	}
}

// A shadow with a column more or less, and one of another type, is refused; if
// it changes after the plan, the step is stale.
func TestSchemaDrift(t *testing.T) {
	t.Parallel()
	w := fresh(t).small(t)
	p := w.plan(t, cell1)
	for _, c := range []struct{ change, back string }{
		{"ADD extra_column INT", "DROP extra_column"},
		{"DROP numa_topology", "ADD numa_topology TEXT AFTER instance_uuid"},
		{"MODIFY numa_topology VARCHAR(10)", "MODIFY numa_topology TEXT"},
	} {
		w.exec(t, "ALTER TABLE nova.shadow_instance_extra %s", c.change)
		drifted := w.plan(t, cell1)
		_, err := w.run(t, p, stackmend.Options{})
		w.exec(t, "ALTER TABLE nova.shadow_instance_extra %s", c.back)
		if len(drifted.Refusals) == 0 {
			t.Errorf("%s: planned all the same", c.change)
		}
		if !errors.Is(err, stackmend.ErrStale) {
			t.Errorf("%s: the old plan: %v", c.change, err)
		}
	}
	snap, err := Observe(t.Context(), w.dbs, cell1.at(cutoff))
	must(t, err)
	if r := Plan(snap, time.Hour).Refusals; len(r) > 0 {
		t.Fatal("the test did not put the table back: ", r)
	}
}

func (s Selection) at(before time.Time) Selection { s.Before = before; return s }

// A second archiver waits for the first one's lease, and says whose it is.
func TestLease(t *testing.T) {
	t.Parallel()
	w := fresh(t).small(t)
	w.apply(t, w.plan(t, Selection{Cells: []string{"cell1"}, MaxRows: 40}))
	other := newLease(w.cell(t, "cell1").DB, mariadb.Cell1, 3*time.Second)
	_, leave, err := other.take(t.Context())
	must(t, err)
	p := w.plan(t, cell1)
	_, err = w.run(t, p, stackmend.Options{})
	var refused *stackmend.GuardError
	if !errors.As(err, &refused) || refused.Guard != "dbarchive lease" {
		t.Fatalf("with the lease taken: %v", err)
	}
	if err := newLease(w.cell(t, "cell1").DB, mariadb.Cell1, time.Second).acquire(t.Context()); !errors.Is(err, stackmend.ErrLocked) {
		t.Fatalf("the lease was given out twice: %v", err)
	}
	leave()
	w.apply(t, p)

	// a lease that somebody else took is noticed by its holder
	l := newLease(w.cell(t, "cell1").DB, mariadb.Cell1, time.Second)
	held, leave, err := l.take(t.Context())
	must(t, err)
	w.exec(t, "UPDATE nova.stackmend_lease SET token='other'")
	select {
	case <-held.Done():
		if !errors.Is(context.Cause(held), stackmend.ErrLocked) {
			t.Error(context.Cause(held))
		}
	case <-time.After(30 * time.Second):
		t.Error("a lost lease was not noticed")
	}
	leave()
	w.exec(t, "DELETE FROM nova.stackmend_lease")
}

// A context that ends ends the statement on the server: nothing goes on
// holding locks, and nothing is committed later.
func TestStatementEndsOnServer(t *testing.T) {
	t.Parallel()
	w := fresh(t)
	s, err := open(t.Context(), w.dbs.API)
	must(t, err)
	defer s.drop()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := s.exec0(ctx, "DO SLEEP(50)"); err == nil {
		t.Fatal("the statement was not ended")
	}
	for end := time.Now().Add(20 * time.Second); w.count(t, "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE '%DO SLEEP(50)' AND id=?", s.id) > 0; {
		if time.Now().After(end) {
			t.Fatal("the server goes on with the statement")
		}
		time.Sleep(20 * time.Millisecond)
	}
	// and a statement of somebody else is left alone
	var id int64
	conn, err := w.dbs.API.Conn(t.Context())
	must(t, err)
	defer conn.Close()
	must(t, conn.QueryRowContext(t.Context(), "SELECT CONNECTION_ID()").Scan(&id))
	done := make(chan error, 1)
	go func() {
		var n sql.NullInt64
		done <- conn.QueryRowContext(t.Context(), "SELECT SLEEP(1)").Scan(&n)
	}()
	other := *s
	other.id = id
	other.kill()
	if err := <-done; err != nil {
		t.Errorf("a statement without our token was ended: %v", err)
	}
}

// Purging removes the archived trees of its cut-off and nothing else.
func TestPurge(t *testing.T) {
	t.Parallel()
	w := fresh(t).small(t)
	w.apply(t, w.plan(t, cell1))
	old := time.Date(2024, 9, 1, 0, 0, 0, 0, time.UTC)
	p, err := PlanPurge(t.Context(), w.dbs, old, Destination{}, time.Hour)
	must(t, err)
	if len(p.Steps) == 0 {
		t.Fatal("nothing to purge")
	}
	if _, err := w.run(t, p, stackmend.Options{}); !errors.Is(err, stackmend.ErrRefused) {
		t.Fatalf("an irreversible step ran without permission: %v", err)
	}
	main := w.books(t, "cell1").main
	gone := map[string]int64{}
	for _, q := range purgeCounts {
		gone[q] = w.count(t, q, old)
	}
	if _, err := w.run(t, p, stackmend.Options{Irreversible: true}); err != nil {
		t.Fatal(err)
	}
	after := w.books(t, "cell1")
	if len(after.main) != len(main) {
		t.Error("purging touched nova's own tables")
	}
	for _, q := range purgeCounts {
		if n := w.count(t, q, old); n != 0 || gone[q] == 0 {
			t.Errorf("%s: %d before, %d after", q, gone[q], n)
		}
	}
	if n := w.count(t, "SELECT COUNT(*) FROM nova.shadow_instance_actions a LEFT JOIN nova.shadow_instances i ON i.uuid=a.instance_uuid WHERE i.id IS NULL"); n != 0 {
		t.Errorf("%d archived actions lost their instance", n)
	}
	if n := w.count(t, "SELECT COUNT(*) FROM nova.shadow_instance_actions_events e LEFT JOIN nova.shadow_instance_actions a ON a.id=e.action_id WHERE a.id IS NULL"); n != 0 {
		t.Errorf("%d archived events lost their action", n)
	}
	if n := w.count(t, "SELECT COUNT(*) FROM nova.stackmend_api_rows r LEFT JOIN nova.shadow_instances i ON i.uuid=r.instance_uuid WHERE i.id IS NULL"); n != 0 {
		t.Errorf("%d saved API rows were left behind", n)
	}
}

var purgeCounts = []string{
	"SELECT COUNT(*) FROM nova.shadow_instances WHERE deleted_at<?",
	"SELECT COUNT(*) FROM nova.shadow_instance_extra WHERE deleted_at<?",
}
