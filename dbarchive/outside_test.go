package dbarchive

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/internal/lab/mariadb"
)

// outside are the destinations that no transaction of the cell spans, empty.
func outside(t *testing.T, w *world) map[string]Destination {
	t.Helper()
	s := lab(t)
	var err error
	if s.archive == nil {
		s.archive, err = mariadb.Start(filepath.Join(s.dir, "a"), "127.0.0.1", 0, "innodb_flush_log_at_trx_commit=1")
		must(t, err)
		must(t, s.archive.Exec("CREATE DATABASE archive"))
	}
	must(t, s.archive.Clear("archive"))
	db, err := s.archive.Open("archive")
	must(t, err)
	t.Cleanup(func() { db.Close() })
	for i := range w.dbs.Cells {
		w.dbs.Cells[i].Archive = nil
		if w.dbs.Cells[i].Name == "cell1" {
			w.dbs.Cells[i].Archive = db
		}
	}
	return map[string]Destination{"file": {Dir: filepath.Join(t.TempDir(), "archive")}, "server": {Server: true}}
}

// outsideBooks are the cell's books, with what counts in a depot as its shadow.
func (w *world) outsideBooks(t testing.TB, to Destination) books {
	t.Helper()
	b := w.books(t, "cell1")
	ctx, c := context.Background(), w.cell(t, "cell1")
	s, err := open(ctx, c.DB)
	must(t, err)
	defer s.drop()
	sc, err := s.describe(ctx)
	must(t, err)
	l, _ := sc.layout(to)
	g, err := s.ledger(ctx, c, l, to)
	must(t, err)
	defer g.close()
	ms, err := g.moves(ctx, "state=1")
	must(t, err)
	for _, m := range ms {
		name, err := g.lotAt(m.place)
		must(t, err)
		b.dead[m.uuid], b.archived[m.uuid] = true, true
		must(t, g.d.get(ctx, name, m, func(table string, row rowText) error {
			k := table + "/" + string(row[sc.Tables[table].key()].value)
			if _, twice := b.shadow[k]; twice {
				t.Errorf("%s is in the depot twice", k)
			}
			text, err := json.Marshal(row)
			b.shadow[k] = string(text)
			return err
		}))
	}
	return b
}

// trees are the rows that go with their instances: single rows of a depot are
// not told apart from copies that do not count.
func (w *world) onlyTrees(t testing.TB, from map[string]string) (n int) {
	t.Helper()
	for k := range from {
		if strings.HasPrefix(k, "instances/") {
			n++
		}
	}
	return n
}

// Archiving to files or to another server and restoring is the identity, and
// between the two every tree is in one place.
func TestOutside(t *testing.T) {
	t.Parallel()
	w := fresh(t)
	for name, to := range outside(t, w) {
		t.Run(name, func(t *testing.T) {
			must(t, w.Clear(databases...))
			w.scatter(t, rand.New(rand.NewPCG(11, 5)), "nova", "cell1", 60)
			before := w.books(t, "cell1")
			w.apply(t, w.plan(t, Selection{Cells: cell1.Cells, To: to}))
			w.emptyPlan(t, to)
			after := w.outsideBooks(t, to)
			if len(after.archived) < 5 || w.onlyTrees(t, after.main)+w.onlyTrees(t, after.shadow) != w.onlyTrees(t, before.main) {
				t.Fatalf("%d instances before; %d after, %d in the depot", w.onlyTrees(t, before.main), w.onlyTrees(t, after.main), w.onlyTrees(t, after.shadow))
			}
			for k := range after.shadow {
				if _, both := after.main[k]; both {
					t.Errorf("%s is in both places", k)
				}
			}
			loose := len(before.main) - len(after.main) - len(after.shadow)
			for u := range after.archived {
				p, err := PlanRestore(t.Context(), w.dbs, u, to, time.Hour)
				must(t, err)
				w.apply(t, p)
			}
			back := w.books(t, "cell1")
			for k, d := range back.main {
				if before.main[k] != d {
					t.Errorf("%s came back as another row", k)
				}
			}
			if len(back.main) != len(before.main)-loose || len(back.saved) > 0 {
				t.Errorf("%d rows before, %d after, of which %d went on their own; %d API rows saved", len(before.main), len(back.main), loose, len(back.saved))
			}
			if n := w.count(t, "SELECT COUNT(*) FROM nova.stackmend_moves"); n != 0 {
				t.Errorf("%d notes are left", n)
			}
			back.main, back.shadow = before.main, before.shadow
			if d := before.differs(back); d != "" {
				t.Error(d)
			}
		})
	}
}

func (w *world) emptyPlan(t *testing.T, to Destination) {
	t.Helper()
	if p := w.plan(t, Selection{Cells: cell1.Cells, To: to}); len(p.Steps) > 0 || len(p.Refusals) > 0 {
		t.Fatalf("a second plan: %v, refusals %v", p.Steps, p.Refusals)
	}
}

// Wherever a run to a depot is killed, the next one leaves every tree in one
// place and drops the copies that do not count.
func TestOutsideKilled(t *testing.T) {
	t.Parallel()
	r := seeded(t)
	w := fresh(t)
	x := newWire(t, w.Server)
	rounds := 3
	if *soak {
		rounds = 30
	}
	for name, to := range outside(t, w) {
		t.Run(name, func(t *testing.T) {
			x.env = []string{childTo + "=" + to.String(), childArchive + "=" + lab(t).archive.DSN("archive")}
			for _, trigger := range append(make([]func([]byte) (bool, bool), rounds), when("*/ COMMIT", 3, false), when("stackmend_moves` SET state", 1, true), when("stackmend_moves` SET state", 2, false)) {
				if trigger == nil {
					trigger = when("stackmend:", 150+r.IntN(250), r.IntN(2) == 0)
				}
				must(t, w.Clear(databases...))
				must(t, w.Populate(mariadb.Population{Database: mariadb.Cell1, Cell: "cell1", Instances: 240, Live: 40, Metadata: 2}))
				before := w.books(t, "cell1")
				x.killed(t, trigger)
				if x.killed(t, func([]byte) (bool, bool) { return false, true }) {
					t.Fatal("killed without a trigger")
				}
				w.emptyPlan(t, to)
				after := w.outsideBooks(t, to)
				for k := range before.main {
					_, in := after.main[k]
					_, out := after.shadow[k]
					if in == out {
						t.Fatalf("%s: in the cell %v, in the depot %v", k, in, out)
					}
				}
				if n := w.count(t, "SELECT COUNT(*) FROM nova.stackmend_moves WHERE state=0"); n != 0 || after.pending != 0 {
					t.Errorf("%d copies are to be dropped, %d API rows are pending", n, after.pending)
				}
				w.noStrays(t, to, after)
			}
		})
	}
}

// noStrays checks that a depot holds nothing but what counts.
func (w *world) noStrays(t *testing.T, to Destination, after books) {
	t.Helper()
	if to.Server {
		var n int
		must(t, w.cell(t, "cell1").Archive.QueryRow("SELECT COUNT(*) FROM instances").Scan(&n))
		if n != len(after.archived) {
			t.Errorf("%d instances on the archive server, %d count", n, len(after.archived))
		}
		must(t, lab(t).archive.Clear("archive"))
		return
	}
	files, err := os.ReadDir(to.Dir)
	must(t, err)
	held := 0
	for _, f := range files {
		info, err := f.Info()
		must(t, err)
		if info.Mode().Perm() != 0o600 || strings.HasSuffix(f.Name(), ".partial") {
			t.Errorf("%s has the mode %v", f.Name(), info.Mode())
		}
		if filepath.Ext(f.Name()) == ".json" {
			var m Manifest
			b, err := os.ReadFile(filepath.Join(to.Dir, f.Name()))
			must(t, err)
			must(t, json.Unmarshal(b, &m))
			held += len(m.Instances)
		}
	}
	if held != len(after.archived) {
		t.Errorf("the manifests name %d instances, %d count", held, len(after.archived))
	}
	must(t, os.RemoveAll(to.Dir))
	must(t, os.Mkdir(to.Dir, 0o700))
}

// A file that was changed is not restored from; rows that an archive server has
// already are neither overwritten nor dropped.
func TestOutsideSpoiled(t *testing.T) {
	t.Parallel()
	w := fresh(t)
	to := outside(t, w)
	w.small(t)
	sel := Selection{Cells: cell1.Cells, To: to["file"], MaxRows: 60}
	w.apply(t, w.plan(t, sel))
	files, err := filepath.Glob(filepath.Join(sel.To.Dir, "*.jsonl.zst"))
	must(t, err)
	b, err := os.ReadFile(files[0])
	must(t, err)
	must(t, os.WriteFile(files[0], append(b, b...), 0o600))
	for u := range w.outsideUUIDs(t) {
		p, err := PlanRestore(t.Context(), w.dbs, u, sel.To, time.Hour)
		must(t, err)
		if _, err := w.run(t, p, stackmend.Options{}); err == nil || !strings.Contains(err.Error(), "SHA-256") {
			t.Fatalf("restored from a file that was changed: %v", err)
		}
		break
	}

	sel = Selection{Cells: cell1.Cells, To: to["server"]}
	p := w.plan(t, sel)
	w.apply(t, w.plan(t, Selection{Cells: cell1.Cells, To: to["server"], MaxRows: 20})) // makes the tables
	var id int64
	must(t, w.dbs.API.QueryRow("SELECT id FROM nova.instances WHERE deleted<>0 AND deleted_at<'2025-11-22' LIMIT 1").Scan(&id))
	archive := w.cell(t, "cell1").Archive
	_, err = archive.Exec("INSERT INTO instances (id,uuid,deleted) VALUES (?,UUID(),1)", id)
	must(t, err)
	a, err := w.run(t, p, stackmend.Options{FailureBudget: 9})
	if err == nil || len(a.SetAside()) != 1 {
		t.Fatalf("error %v, set aside %v", err, a.SetAside())
	}
	var n int
	must(t, archive.QueryRow("SELECT COUNT(*) FROM instances WHERE id=?", id).Scan(&n))
	if n != 1 || w.count(t, "SELECT COUNT(*) FROM nova.instances WHERE id=?", id) != 1 {
		t.Error("a row of somebody else on the archive server, or the tree, is gone")
	}
}

func (w *world) outsideUUIDs(t *testing.T) map[string]bool {
	t.Helper()
	rows, err := w.dbs.API.Query("SELECT instance_uuid FROM nova.stackmend_moves WHERE state=1")
	must(t, err)
	defer rows.Close()
	us := map[string]bool{}
	for rows.Next() {
		var u string
		must(t, rows.Scan(&u))
		us[u] = true
	}
	return us
}

// An archive server that may lose what it has committed, or that is the
// cell's own, is refused.
func TestArchiveServerRefused(t *testing.T) {
	t.Parallel()
	w := fresh(t)
	to := outside(t, w)["server"]
	refusals := func() string {
		return strings.Join(w.plan(t, Selection{Cells: cell1.Cells, To: to}).Refusals, "\n")
	}
	must(t, lab(t).archive.Exec("SET GLOBAL innodb_flush_log_at_trx_commit=2"))
	got := refusals()
	must(t, lab(t).archive.Exec("SET GLOBAL innodb_flush_log_at_trx_commit=1"))
	if !strings.Contains(got, "may lose") {
		t.Error(got)
	}
	for i := range w.dbs.Cells {
		w.dbs.Cells[i].Archive = w.dbs.API
	}
	if got := refusals(); !strings.Contains(got, "is the cell's own") {
		t.Error(got)
	}
	w.dbs.Cells[0].Archive = nil
	for i := range w.dbs.Cells {
		w.dbs.Cells[i].Archive = nil
	}
	if got := refusals(); !strings.Contains(got, "no archive server") {
		t.Error(got)
	}
}

func FuzzLines(f *testing.F) {
	f.Add([]byte("{\"table\":\"instances\",\"row\":{\"uuid\":\"a\",\"id\":\"1\"}}\n"))
	f.Add([]byte("\x28\xb5\x2f\xfd"))
	root := &member{table: &Table{Name: instances, PrimaryKey: []string{"id"}}, column: "uuid"}
	f.Fuzz(func(t *testing.T, b []byte) {
		_ = eachLine(strings.NewReader(string(b)), func([]byte) error { return nil })
		var l line
		if json.Unmarshal(b, &l) == nil {
			(&tree{root: root}).picker("a")(l)
		}
	})
}

// The definition of a copy has no foreign keys and all else.
func TestCopyOf(t *testing.T) {
	def := "CREATE TABLE `t` (\n  `a` int(11) COMMENT 'CONSTRAINT `x` FOREIGN KEY (',\n  PRIMARY KEY (`a`),\n  CONSTRAINT `f` FOREIGN KEY (`a`) REFERENCES `i` (`a`),\n  CONSTRAINT `c` CHECK (`a` > 0),\n  CONSTRAINT `g` FOREIGN KEY (`a`) REFERENCES `i` (`a`)\n) ENGINE=InnoDB"
	got, err := copyOf(def, "s", "t")
	want := "CREATE TABLE IF NOT EXISTS `s`.`t` (\n  `a` int(11) COMMENT 'CONSTRAINT `x` FOREIGN KEY (',\n  PRIMARY KEY (`a`),\n  CONSTRAINT `c` CHECK (`a` > 0)\n) ENGINE=InnoDB"
	if err != nil || got != want {
		t.Errorf("%v\n%s", err, got)
	}
}
