package dbarchive

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
	stacklab "github.com/stackmend/stackmend/internal/lab"
	"github.com/stackmend/stackmend/internal/lab/galera"
	"github.com/stackmend/stackmend/internal/lab/mariadb"
)

// On a real cluster of three: conflicts with a writer on another node are
// retried whole, the lease holds across nodes, and a node that cannot keep up
// makes archiving wait.
func TestGalera(t *testing.T) {
	t.Parallel()
	stacklab.Need(t, append(mariadb.Programs(), "rsync")...)
	if err := galera.Available(); err != nil {
		stacklab.Without(t, err.Error())
	}
	dir, err := os.MkdirTemp("", "galera") // the user mysql must reach it
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	must(t, os.Chmod(dir, 0o755))
	c, err := galera.Start(dir)
	must(t, err)
	defer c.Stop()
	w, other := connect(t, c.Nodes[0]), connect(t, c.Nodes[1])
	must(t, w.Populate(mariadb.Population{Database: mariadb.Cell1, Cell: "cell1", Instances: 600, Live: 100, Metadata: 4}))
	other.exec(t, "SET GLOBAL wsrep_sync_wait=1")
	if n := other.count(t, "SELECT COUNT(*) FROM nova.instances"); n != 600 {
		t.Fatalf("the second node has %d instances", n)
	}
	before := w.books(t, "cell1")

	// somebody on another node keeps touching rows that are to be moved
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan int64)
	go func() {
		n := int64(0)
		for i := 0; ctx.Err() == nil; i++ {
			if _, err := other.dbs.API.ExecContext(ctx, "UPDATE nova.instances SET progress=1-progress, progress=1-progress, updated_at=updated_at+INTERVAL 0 SECOND, locked=1-locked WHERE deleted<>0 ORDER BY RAND() LIMIT 3"); err == nil {
				n++
			}
			other.dbs.API.ExecContext(ctx, "UPDATE nova.instances SET locked=0 WHERE locked=1")
		}
		done <- n
	}()
	p := w.plan(t, cell1)
	a := NewApplier(w.dbs, Settings{LeaseTTL: 10 * time.Second, Limits: Limits{Rows: 100}, Throttles: []stackmend.Guard{Galera(w.cell(t, "cell1").DB, GaleraLimits{})}})
	_, err = stackmend.Run(t.Context(), p, a, stackmend.Options{Mode: stackmend.Apply, MaxWait: time.Minute, FailureBudget: 9})
	stop()
	t.Logf("the other writer wrote %d times; archived: %v, set aside: %v", <-done, err, a.SetAside())
	if n := w.count(t, "SELECT COUNT(*) FROM nova.instances i JOIN nova.shadow_instances s USING(id)"); n > 0 {
		t.Errorf("%d instances are in both places", n)
	}
	w.exec(t, "UPDATE nova.instances SET locked=0 WHERE locked=1")
	w.apply(t, w.plan(t, cell1))
	balance(t, without(before, "instances/"), without(w.books(t, "cell1"), "instances/"))
	w.nothingLeft(t)

	// the lease holds across nodes
	_, leave, err := newLease(w.cell(t, "cell1").DB, mariadb.Cell1, 20*time.Second).take(t.Context())
	must(t, err)
	if _, _, err := newLease(other.cell(t, "cell1").DB, mariadb.Cell1, time.Second).take(t.Context()); err == nil {
		t.Error("the second node gave the lease out once more")
	}
	leave()

	// a node that cannot apply
	g := Galera(w.cell(t, "cell1").DB, GaleraLimits{})
	until(t, g, true, stackmend.Permit, "")
	lock, err := c.Nodes[2].Open("nova")
	must(t, err)
	defer lock.Close()
	conn, err := lock.Conn(t.Context())
	must(t, err)
	defer conn.Close()
	_, err = conn.ExecContext(t.Context(), "LOCK TABLES nova.task_log READ")
	must(t, err)
	writing, cease := context.WithCancel(t.Context())
	ceased := make(chan struct{})
	go func() {
		defer close(ceased)
		for writing.Err() == nil {
			w.dbs.API.ExecContext(writing, "UPDATE nova.task_log SET state=IF(state='a','b','a') ORDER BY id LIMIT 1")
		}
	}()
	until(t, g, true, stackmend.Wait, "flow control")
	_, err = conn.ExecContext(t.Context(), "UNLOCK TABLES")
	must(t, err)
	cease()
	<-ceased
	until(t, g, true, stackmend.Permit, "")

	// a write-set's limit is a limit for transactions, and a node out of its
	// cluster is refused
	must(t, c.Nodes[0].Exec("SET GLOBAL wsrep_max_ws_rows=50"))
	snap, err := Observe(t.Context(), w.dbs, Selection{Before: cutoff})
	must(t, err)
	if l := (Limits{}).withDefaults().within(snap.Cells[0].Server); l.Rows != 25 {
		t.Errorf("with wsrep_max_ws_rows=50 a transaction may move %d rows", l.Rows)
	}
	must(t, c.Nodes[0].Exec("SET GLOBAL wsrep_max_ws_rows=0; SET GLOBAL wsrep_desync=ON"))
	snap, err = Observe(t.Context(), w.dbs, Selection{Before: cutoff})
	must(t, err)
	if r := strings.Join(Plan(snap, time.Hour).Refusals, "\n"); !strings.Contains(r, "Galera node is Donor") {
		t.Errorf("a desynced node: %q", r)
	}
}

// without leaves out the rows that somebody else writes to.
func without(b books, prefix string) books {
	for _, m := range []map[string]string{b.main, b.shadow} {
		for k := range m {
			if strings.HasPrefix(k, prefix) {
				m[k] = "row"
			}
		}
	}
	return b
}
