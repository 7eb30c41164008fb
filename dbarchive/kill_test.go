package dbarchive

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/internal/lab/mariadb"
)

// childAddr makes the test binary an archiver that works through this address.
const childAddr = "DBARCHIVE_TEST_CHILD"

// childFull makes that archiver one with the settings of a real run, and so
// many connections.
const childFull = "DBARCHIVE_TEST_FULL"

// childTo and childArchive are its destination, and its archive server.
const (
	childTo      = "DBARCHIVE_TEST_TO"
	childArchive = "DBARCHIVE_TEST_ARCHIVE"
)

// archiveAsChild archives everything, as an operator's program would.
func archiveAsChild(addr string) int {
	dbs := Databases{}
	openDB := func(name string) *sql.DB {
		db, err := sql.Open("mysql", fmt.Sprintf("nova:nova@tcp(%s)/%s", addr, name))
		if err != nil {
			panic(err)
		}
		return db
	}
	dbs.API = openDB(mariadb.API)
	for name, db := range map[string]string{"cell0": mariadb.Cell0, "cell1": mariadb.Cell1, "cell2": mariadb.Cell2} {
		c := Cell{Name: name, DB: openDB(db)}
		if err := dbs.API.QueryRow("SELECT uuid FROM cell_mappings WHERE name=?", name).Scan(&c.UUID); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		if dsn := os.Getenv(childArchive); dsn != "" && name == "cell1" {
			c.Archive, _ = sql.Open("mysql", dsn)
		}
		dbs.Cells = append(dbs.Cells, c)
	}
	sel := Selection{Before: cutoff, Cells: []string{"cell1"}}
	if to := os.Getenv(childTo); to != "" {
		sel.To, _ = ParseDestination(to)
	}
	snap, err := Observe(context.Background(), dbs, sel)
	if err == nil {
		settings := Settings{LeaseTTL: 3 * time.Second, Limits: Limits{Rows: 300}}
		parallel := 2
		if n, err := strconv.Atoi(os.Getenv(childFull)); err == nil {
			settings, parallel = Settings{}, n
		}
		a := NewApplier(dbs, settings)
		_, err = stackmend.Run(context.Background(), Plan(snap, time.Hour), a, stackmend.Options{Mode: stackmend.Apply, Parallel: parallel, MaxWait: time.Minute})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// A wire passes everything on between archivers and the server, until a
// trigger says that the moment has come.
type wire struct {
	net.Listener
	server string
	env    []string // of the archivers

	mu      sync.Mutex
	trigger func(packet []byte) (now, forward bool)
	fire    func()
}

func newWire(t testing.TB, s *mariadb.Server) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { l.Close() })
	w := &wire{Listener: l, server: fmt.Sprintf("%s:%d", s.Addr, s.Port)}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go w.serve(c)
		}
	}()
	return w
}

func (w *wire) serve(c net.Conn) {
	defer c.Close()
	s, err := net.Dial("tcp", w.server)
	if err != nil {
		return
	}
	defer s.Close()
	go func() { io.Copy(c, s); c.Close() }()
	buf := make([]byte, 64<<10)
	for {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		w.mu.Lock()
		if w.trigger != nil {
			if now, forward := w.trigger(buf[:n]); now {
				w.trigger = nil
				if forward {
					s.Write(buf[:n])
				}
				w.fire()
				w.mu.Unlock()
				return
			}
		}
		w.mu.Unlock()
		if _, err := s.Write(buf[:n]); err != nil {
			return
		}
	}
}

// killed runs a child archiver and kills it when the trigger says so. It
// reports whether the child was killed; otherwise it completed.
func (w *wire) killed(t *testing.T, trigger func([]byte) (now, forward bool)) bool {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	cmd := exec.Command(self, "-test.run=^$")
	cmd.Env = append(append(os.Environ(), w.env...), childAddr+"="+w.Addr().String())
	var out bytes.Buffer
	cmd.Stderr = &out
	must(t, cmd.Start())
	killed := false
	w.mu.Lock()
	w.trigger, w.fire = trigger, func() { killed = true; cmd.Process.Kill() }
	w.mu.Unlock()
	err = cmd.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trigger = nil
	if !killed && err != nil {
		t.Fatalf("the archiver failed: %v\n%s", err, &out)
	}
	return killed
}

// when fires at the n-th packet to the server that holds a text.
func when(text string, n int, forward bool) func([]byte) (bool, bool) {
	return func(p []byte) (bool, bool) {
		if bytes.Contains(p, []byte(text)) {
			n--
		}
		return n == 0 && bytes.Contains(p, []byte(text)), forward
	}
}

// completed archives what is left, in another child, and checks the books.
func (w *world) completed(t *testing.T, x *wire, before books) {
	t.Helper()
	if x.killed(t, func([]byte) (bool, bool) { return false, true }) {
		t.Fatal("killed without a trigger")
	}
	balance(t, before, w.books(t, "cell1"))
	w.nothingLeft(t)
}

// Wherever an archiver is killed, the next run leaves every row in exactly one
// place and no API row of an archived instance.
func TestKilledAtRandomMoments(t *testing.T) {
	t.Parallel()
	r := seeded(t)
	rounds := 5
	if *soak {
		rounds = 50
	}
	w := fresh(t)
	x := newWire(t, w.Server)
	for range rounds {
		must(t, w.Clear(databases...))
		must(t, w.Populate(mariadb.Population{Database: mariadb.Cell1, Cell: "cell1", Instances: 240, Live: 40, Metadata: 4, Anomalies: true}))
		before := w.books(t, "cell1")
		// so many statements does such a run have, give or take
		for kills := 0; kills < 2; kills++ {
			if !x.killed(t, when("stackmend:", 1+r.IntN(400), r.IntN(2) == 0)) {
				break
			}
		}
		w.completed(t, x, before)
	}
}

// The moments at which the two databases disagree, each with the statement
// lost and with its answer lost.
func TestKilledBetweenTheDatabases(t *testing.T) {
	t.Parallel()
	w := fresh(t)
	x := newWire(t, w.Server)
	for _, moment := range []string{"REPLACE INTO `nova`.`stackmend_api_rows`", "*/ COMMIT", "STRAIGHT_JOIN `nova_api`.`instance_mappings`",
		"STRAIGHT_JOIN `nova_api`.`request_specs`", "DELETE FROM `nova`.`stackmend_api_rows`"} {
		for _, forward := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s forwarded %v", moment, forward), func(t *testing.T) {
				must(t, w.Clear(databases...))
				w.scatter(t, rand.New(rand.NewPCG(7, 7)), "nova", "cell1", 40)
				before := w.books(t, "cell1")
				if !x.killed(t, when(moment, 1, forward)) {
					t.Fatal("it never came to this moment")
				}
				if moment == "STRAIGHT_JOIN `nova_api`.`instance_mappings`" && !forward && w.books(t, "cell1").pending == 0 {
					t.Error("nothing is pending between the two databases: the test tests nothing")
				}
				w.completed(t, x, before)
			})
		}
	}
}
