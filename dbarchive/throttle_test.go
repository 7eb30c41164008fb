package dbarchive

import (
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/internal/lab/mariadb"
)

// A link passes bytes on until it is frozen: connections stay open and say
// nothing any more.
type link struct {
	net.Listener
	mu     sync.Mutex
	frozen bool
}

func newLink(t *testing.T, to string) *link {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { l.Close() })
	k := &link{Listener: l}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s, err := net.Dial("tcp", to)
			if err != nil {
				c.Close()
				continue
			}
			t.Cleanup(func() { c.Close(); s.Close() })
			go io.Copy(s, c)
			go k.pass(c, s)
		}
	}()
	return k
}

func (k *link) pass(to io.Writer, from io.Reader) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		for k.isFrozen() {
			time.Sleep(10 * time.Millisecond)
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

func (k *link) isFrozen() bool { k.mu.Lock(); defer k.mu.Unlock(); return k.frozen }
func (k *link) freeze(f bool)  { k.mu.Lock(); k.frozen = f; k.mu.Unlock() }

// until asks a guard until it decides so, with such a reason.
func until(t *testing.T, g stackmend.Guard, begun bool, want stackmend.Decision, reason string) {
	t.Helper()
	var v stackmend.Verdict
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		var err error
		v, err = g.Evaluate(context.Background(), stackmend.Request{Begun: begun, Step: stackmend.Step{Args: map[string]string{"cell": "cell1"}}})
		must(t, err)
		if v.Decision == want && strings.Contains(v.Reason, reason) {
			return
		}
	}
	t.Fatalf("the guard says %v: %s; want %v: %s", v.Decision, v.Reason, want, reason)
}

func TestReplicaLag(t *testing.T) {
	t.Parallel()
	w := fresh(t)
	k := newLink(t, strings.TrimPrefix(w.DSN("x")[strings.Index(w.DSN("x"), "(")+1:strings.Index(w.DSN("x"), ")")], "tcp"))
	r, err := w.StartReplica(t.TempDir(), k.Addr().(*net.TCPAddr).Port)
	if r != nil {
		defer r.Stop()
	}
	must(t, err)
	replica, err := r.Open(mariadb.Cell1)
	must(t, err)
	defer replica.Close()
	primary := w.cell(t, "cell1").DB
	must(t, w.Populate(mariadb.Population{Database: mariadb.Cell1, Cell: "cell1", Instances: 30, Live: 3}))
	w.apply(t, w.plan(t, Selection{Cells: []string{"cell1"}})) // makes the tables
	g := ReplicaLag(w.cell(t, "cell1"), replica, 3*time.Second, 8*time.Second)

	until(t, g, false, stackmend.Permit, "no heartbeat runs yet")
	until(t, g, true, stackmend.Wait, "heartbeat has stopped")
	l := newLease(primary, mariadb.Cell1, leaseTTL)
	_, leave, err := l.take(t.Context())
	must(t, err)
	defer leave()
	until(t, g, true, stackmend.Permit, "by the heartbeat")

	must(t, r.Exec("STOP SLAVE SQL_THREAD"))
	until(t, g, true, stackmend.Wait, "SQL No")
	must(t, r.Exec("START SLAVE"))
	until(t, g, true, stackmend.Permit, "by the heartbeat")

	k.freeze(true) // the server says 0 seconds behind
	until(t, g, true, stackmend.Wait, "by the heartbeat, the limit is")
	until(t, g, true, stackmend.Deny, "hard limit")
	k.freeze(false)
	until(t, g, true, stackmend.Permit, "by the heartbeat")
	// a replica is refused as a place to archive in, and so is a read-only server
	c := w.cell(t, "cell1")
	snap, err := Observe(t.Context(), Databases{Cells: []Cell{{Name: c.Name, UUID: c.UUID, DB: replica}}}, Selection{Before: cutoff})
	must(t, err)
	if got := strings.Join(Plan(snap, time.Hour).Refusals, "\n"); !strings.Contains(got, "replicates from") || !strings.Contains(got, "read-only") {
		t.Errorf("refusals on a replica: %q", got)
	}
	must(t, r.Stop())
	until(t, g, true, stackmend.Wait, "cannot be reached")
}

func TestLoadGuard(t *testing.T) {
	t.Parallel()
	w := fresh(t)
	until(t, Load(w.dbs.API, LoadLimits{ThreadsSoft: 100, HistorySoft: 1 << 40}), false, stackmend.Permit, "history list length")
	until(t, Load(w.dbs.API, LoadLimits{ThreadsSoft: 1}), false, stackmend.Wait, "Threads_running")
	until(t, Load(w.dbs.API, LoadLimits{ThreadsHard: 1}), false, stackmend.Deny, "Threads_running")
	until(t, Disk(w.dbs.API, 1, 1), false, stackmend.Wait, "cannot be read")
	must(t, w.Exec("INSTALL SONAME 'disks'"))
	defer w.Exec("UNINSTALL SONAME 'disks'")
	until(t, Disk(w.dbs.API, 1, 1), false, stackmend.Permit, "available")
	until(t, Disk(w.dbs.API, 1<<60, 1), false, stackmend.Wait, "available")
	until(t, Disk(w.dbs.API, 1<<60, 1<<59), false, stackmend.Deny, "hard limit")
	until(t, Galera(w.dbs.API, GaleraLimits{}), false, stackmend.Permit, "no Galera node")
}
