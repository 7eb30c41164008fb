package bootvolume

import (
	"database/sql"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/internal/appliertest"
	"github.com/stackmend/stackmend/internal/lab"
	"github.com/stackmend/stackmend/internal/lab/galera"
)

// The cluster is started once for all tests that want it; children of the
// conformance suite are told where it is.
var cluster struct {
	once sync.Once
	dir  string
	*galera.Cluster
	err error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if cluster.Cluster != nil {
		_ = cluster.Stop() // its folder goes too
	}
	if cluster.dir != "" {
		os.RemoveAll(cluster.dir)
	}
	os.Exit(code)
}

// nodes are connections to the three nodes, by name.
func nodes(t testing.TB) map[string]*sql.DB {
	t.Helper()
	if os.Getenv("BOOTVOLUME_NODES") == "" {
		startCluster(t)
	}
	all := make(map[string]*sql.DB)
	for i, dsn := range strings.Fields(os.Getenv("BOOTVOLUME_NODES")) {
		db, err := sql.Open("mysql", dsn)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		all[fmt.Sprintf("c%d", i+1)] = db
	}
	return all
}

func startCluster(t testing.TB) {
	t.Helper()
	lab.Need(t, "mariadbd", "mariadb", "mariadb-install-db", "rsync")
	if err := galera.Available(); err != nil {
		lab.Without(t, err.Error())
	}
	cluster.once.Do(func() {
		if cluster.dir, cluster.err = os.MkdirTemp("", "bv"); cluster.err != nil { // the user mysql must reach it
			return
		}
		if cluster.err = os.Chmod(cluster.dir, 0o755); cluster.err != nil {
			return
		}
		if cluster.Cluster, cluster.err = galera.StartEmpty(cluster.dir); cluster.err != nil {
			return
		}
		var dsns []string
		for _, n := range cluster.Nodes {
			dsns = append(dsns, n.DSN("lab"))
		}
		if cluster.err = cluster.Nodes[0].Exec("CREATE DATABASE lab"); cluster.err == nil {
			cluster.err = os.Setenv("BOOTVOLUME_NODES", strings.Join(dsns, " ")) // for children too
		}
	})
	if cluster.err != nil {
		t.Fatal(cluster.err)
	}
}

func do(t testing.TB, db *sql.DB, query string) {
	t.Helper()
	if err := retried(t.Context(), func() error { _, err := db.ExecContext(t.Context(), query); return err }); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// hold keeps the one applier of a node from applying: what is written
// elsewhere is late there, until the returned function is called.
func hold(t testing.TB, at, elsewhere *sql.DB) (release func()) {
	t.Helper()
	do(t, elsewhere, "CREATE TABLE IF NOT EXISTS lab.holding (id INT AUTO_INCREMENT PRIMARY KEY)")
	c, err := at.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) { // the table arrives late as well
		if _, err = c.ExecContext(t.Context(), "LOCK TABLES lab.holding READ"); err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
	do(t, elsewhere, "INSERT INTO lab.holding () VALUES ()")
	return sync.OnceFunc(func() {
		_, _ = c.ExecContext(t.Context(), "UNLOCK TABLES") // closing does it too
		_ = c.Close()
	})
}

func probeOf(t testing.TB, p Probe) *stackmend.Plan {
	t.Helper()
	plan, err := PlanProbe(p, time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

func tables(db *sql.DB) (string, error) {
	rows, err := db.Query("SELECT table_name, table_comment FROM information_schema.tables WHERE table_schema='lab' AND table_name LIKE 'stackmend%' ORDER BY 1")
	if err != nil {
		return "", err
	}
	defer rows.Close()
	text := ""
	for rows.Next() {
		var name, comment string
		var n int
		if err := rows.Scan(&name, &comment); err != nil {
			return "", err
		}
		if err := db.QueryRow("SELECT COUNT(*) FROM lab." + name).Scan(&n); err != nil {
			return "", err
		}
		text += fmt.Sprintf("%s: %d rows\n", comment, n)
	}
	return text, rows.Err()
}

// The anomaly with wsrep_sync_wait off, and without it with it on: on a node
// that applies late, a row is missing just after it was written elsewhere.
func TestReadAfterWrite(t *testing.T) {
	dbs := nodes(t)
	for _, wait := range []bool{false, true} {
		release := hold(t, dbs["c2"], dbs["c1"])
		p := NewProber(dbs)
		plan := probeOf(t, Probe{Nodes: []string{"c1", "c2"}, Database: "lab", Rounds: 20, Wait: wait})
		o := stackmend.Options{Mode: stackmend.Apply, MaxWait: time.Minute}
		o.OnEvent = func(e stackmend.Event) {
			if e.Step.Verb == VerbMeasure && e.Phase == stackmend.PhaseDo {
				time.AfterFunc(5*time.Second, release)
			}
		}
		r, err := stackmend.Run(t.Context(), plan, p, o)
		release()
		if err != nil {
			t.Fatalf("%v\n%s", err, appliertest.Describe(r))
		}
		s := &Snapshot{Rows: p.Rows()}
		t.Logf("wsrep_sync_wait=%v: %+v", wait, s.Rows)
		got := codes(Check(s))
		if missed := slices.Contains(got, CodeReadAfterWrite); missed == wait {
			t.Errorf("wsrep_sync_wait=%v: %v", wait, got)
		}
	}
	if text, err := tables(dbs["c3"]); err != nil || text != "" {
		t.Errorf("left behind: %q %v", text, err)
	}
}
