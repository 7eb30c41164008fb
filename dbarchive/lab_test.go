package dbarchive

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
	stacklab "github.com/stackmend/stackmend/internal/lab"
	"github.com/stackmend/stackmend/internal/lab/mariadb"
)

// A site is nova's server and the one that it archives to.
type site struct {
	dir     string
	nova    *mariadb.Server
	archive *mariadb.Server // nil until a test wants it
}

// Two sites serve the package: tests run side by side, each has one to itself.
var sites = struct {
	sync.Mutex
	all  [2]site
	free chan *site
	held map[string]*site // by the name of the test
}{free: make(chan *site, 2), held: map[string]*site{}}

func TestMain(m *testing.M) {
	if addr := os.Getenv(childAddr); addr != "" {
		if n, err := strconv.Atoi(os.Getenv(childPlain)); err == nil {
			os.Exit(plainAsChild(addr, n))
		}
		os.Exit(archiveAsChild(addr))
	}
	for i := range sites.all {
		sites.free <- &sites.all[i]
	}
	code := m.Run()
	for _, s := range sites.all {
		for _, server := range []*mariadb.Server{s.nova, s.archive} {
			if server != nil {
				server.Kill()
			}
		}
		os.RemoveAll(s.dir)
	}
	os.Exit(code)
}

// lab is the site of a test and of its subtests.
func lab(t testing.TB) *site {
	t.Helper()
	stacklab.Need(t, mariadb.Programs()...)
	name, _, _ := strings.Cut(t.Name(), "/")
	sites.Lock()
	s := sites.held[name]
	sites.Unlock()
	if s != nil {
		return s
	}
	s = <-sites.free
	hold := func(held *site) {
		sites.Lock()
		defer sites.Unlock()
		if sites.held[name] = held; held == nil {
			delete(sites.held, name)
		}
	}
	hold(s)
	t.Cleanup(func() { hold(nil); sites.free <- s })
	if s.nova == nil {
		var err error
		s.dir, err = os.MkdirTemp("", "dbarchive")
		must(t, err)
		s.nova, err = mariadb.StartNova(filepath.Join(s.dir, "m"))
		must(t, err)
	}
	return s
}

// A world is the lab's nova, empty but for what a test puts there.
type world struct {
	*mariadb.Server
	dbs Databases
}

var databases = []string{mariadb.API, mariadb.Cell0, mariadb.Cell1, mariadb.Cell2}

func fresh(t testing.TB) *world {
	t.Helper()
	s := lab(t).nova
	must(t, s.Clear(databases...))
	return connect(t, s)
}

func connect(t testing.TB, s *mariadb.Server) *world {
	t.Helper()
	w := &world{Server: s}
	w.dbs.API = w.db(t, mariadb.API)
	for name, db := range map[string]string{"cell0": mariadb.Cell0, "cell1": mariadb.Cell1, "cell2": mariadb.Cell2} {
		c := Cell{Name: name, DB: w.db(t, db)}
		must(t, w.dbs.API.QueryRow("SELECT uuid FROM cell_mappings WHERE name=?", name).Scan(&c.UUID))
		w.dbs.Cells = append(w.dbs.Cells, c)
	}
	return w
}

func (w *world) db(t testing.TB, name string) *sql.DB {
	t.Helper()
	db, err := w.Open(name)
	must(t, err)
	t.Cleanup(func() { db.Close() })
	return db
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// cutoff is that of the recorded populations.
var cutoff = time.Date(2025, 11, 22, 0, 0, 0, 0, time.UTC)

func (w *world) plan(t testing.TB, sel Selection) *stackmend.Plan {
	t.Helper()
	if sel.Before.IsZero() {
		sel.Before = cutoff
	}
	snap, err := Observe(context.Background(), w.dbs, sel)
	must(t, err)
	return Plan(snap, time.Hour)
}

// quick are settings for tests: a lease that a killed run does not hold long.
func quick() Settings { return Settings{LeaseTTL: 5 * time.Second} }

func (w *world) apply(t testing.TB, p *stackmend.Plan) stackmend.Result {
	t.Helper()
	r, err := stackmend.Run(context.Background(), p, NewApplier(w.dbs, quick()), stackmend.Options{Mode: stackmend.Apply, MaxWait: 30 * time.Second})
	if err != nil {
		t.Fatalf("%v\n%+v", err, r.Outcomes)
	}
	return r
}

func (w *world) count(t testing.TB, q string, args ...any) int64 {
	t.Helper()
	var n int64
	if err := w.dbs.API.QueryRow(q, args...).Scan(&n); err != nil {
		t.Fatalf("%s: %v", q, err)
	}
	return n
}

// exec runs a statement beside whatever else writes: a conflict with another
// transaction (on Galera also one of another node, at the COMMIT) is none of the
// test's business.
func (w *world) exec(t testing.TB, format string, args ...any) {
	t.Helper()
	q := fmt.Sprintf(format, args...)
	_, err := w.dbs.API.Exec(q)
	for end := time.Now().Add(time.Minute); conflict(err) && time.Now().Before(end); _, err = w.dbs.API.Exec(q) {
		time.Sleep(20 * time.Millisecond)
	}
	if err != nil {
		t.Fatalf("%s: %v", q, err)
	}
}

// conflict is what a writer beside another one has to expect; 1047 is a node
// that is not ready.
func conflict(err error) bool {
	return isNumber(err, erDeadlock) || isNumber(err, erLockWait) || isNumber(err, 1047)
}
