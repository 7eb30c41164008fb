package dbarchive

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/internal/lab/mariadb"
)

// The server dies under a running archiver and comes back.
func TestServerCrash(t *testing.T) {
	t.Parallel()
	s, err := mariadb.StartNova(t.TempDir()+"/m", "innodb_flush_log_at_trx_commit=1")
	must(t, err)
	defer s.Stop()
	w := connect(t, s)
	must(t, s.Populate(mariadb.Population{Database: mariadb.Cell1, Cell: "cell1", Instances: 1200, Live: 200, Metadata: 4}))
	before := w.books(t, "cell1")
	p := w.plan(t, cell1)
	crash := make(chan error, 1)
	_, err = stackmend.Run(context.Background(), p, NewApplier(w.dbs, Settings{LeaseTTL: 5 * time.Second, Limits: Limits{Rows: 200}}), stackmend.Options{
		Mode: stackmend.Apply,
		OnEvent: func(e stackmend.Event) {
			if e.Unit != "" && e.Done > 1000 && len(crash) == 0 {
				crash <- s.Kill()
			}
		},
	})
	if err == nil {
		t.Fatal("the run did not notice that the server died")
	}
	must(t, <-crash)
	must(t, s.Launch())
	w.apply(t, w.plan(t, cell1))
	balance(t, before, w.books(t, "cell1"))
}

// The binary log as statements, and a table without transactions, are refused.
func TestRefusals(t *testing.T) {
	t.Parallel()
	w := fresh(t).small(t)
	must(t, w.Exec("SET GLOBAL binlog_format='STATEMENT'"))
	p := w.plan(t, cell1)
	must(t, w.Exec("SET GLOBAL binlog_format='ROW'"))
	if !strings.Contains(strings.Join(p.Refusals, "\n"), "binlog_format is STATEMENT") {
		t.Error(p.Refusals)
	}
	must(t, w.Exec("SET GLOBAL foreign_key_checks=0"))
	p = w.plan(t, cell1)
	must(t, w.Exec("SET GLOBAL foreign_key_checks=1"))
	if !strings.Contains(strings.Join(p.Refusals, "\n"), "foreign_key_checks is off") {
		t.Error(p.Refusals)
	}
	w.exec(t, "ALTER TABLE nova.shadow_instance_faults ENGINE=MyISAM")
	p = w.plan(t, cell1)
	w.exec(t, "ALTER TABLE nova.shadow_instance_faults ENGINE=InnoDB")
	if !strings.Contains(strings.Join(p.Refusals, "\n"), "MyISAM") {
		t.Error(p.Refusals)
	}
	w.exec(t, "UPDATE nova.alembic_version SET version_num='deadbeef'")
	p = w.plan(t, cell1)
	known := w.plan(t, Selection{Cells: cell1.Cells, Revision: "deadbeef"})
	w.exec(t, "UPDATE nova.alembic_version SET version_num='ccb0fa1a2252'")
	if !strings.Contains(strings.Join(p.Refusals, "\n"), "deadbeef") || len(known.Refusals) > 0 {
		t.Error(p.Refusals, known.Refusals)
	}
}

// A deadlock in the API database after the tree was archived is made good in
// the same step.
func TestAPIDeadlock(t *testing.T) {
	t.Parallel()
	w := fresh(t).small(t)
	before := w.books(t, "cell1")
	// without transactions, so that it remembers what was rolled back
	w.exec(t, "CREATE TABLE nova_api.refused (n INT) ENGINE=MyISAM")
	defer w.exec(t, "DROP TABLE nova_api.refused")
	must(t, w.Exec(`DELIMITER //
CREATE TRIGGER nova_api.refuse BEFORE DELETE ON nova_api.request_specs FOR EACH ROW
		BEGIN IF IS_USED_LOCK('refuse') THEN INSERT INTO nova_api.refused VALUES (1); SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO=1213, MESSAGE_TEXT='Deadlock found'; END IF; END//`))
	defer w.exec(t, "DROP TRIGGER IF EXISTS nova_api.refuse")
	conn, err := w.dbs.API.Conn(t.Context())
	must(t, err)
	defer conn.Close()
	_, err = conn.ExecContext(t.Context(), "DO GET_LOCK('refuse',0)")
	must(t, err)
	p := w.plan(t, cell1)
	refused := make(chan struct{})
	go func() { // until their API rows were refused once
		defer close(refused)
		for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
			var n int
			if w.dbs.API.QueryRow("SELECT COUNT(*) FROM nova_api.refused").Scan(&n) == nil && n > 0 {
				break
			}
		}
		conn.ExecContext(context.Background(), "DO RELEASE_LOCK('refuse')")
	}()
	w.apply(t, p)
	<-refused
	if w.count(t, "SELECT COUNT(*) FROM nova_api.refused") == 0 {
		t.Error("nothing was refused: the test tests nothing")
	}
	balance(t, before, w.books(t, "cell1"))
}
