package bootvolume

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/internal/lab/haproxy"
)

// shortDir is a folder whose name is short, for sockets.
func shortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "bv")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func dialer(path string) Dialer {
	return func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}
}

// free is an address of loopback where nothing listens yet, and that no
// connection of another program gets for its own end meanwhile.
func free(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", fmt.Sprintf("127.%d.%d.%d:0", 1+rand.IntN(254), rand.IntN(256), 1+rand.IntN(254)))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// A real HAProxy whose servers are down, drained, and full.
func TestRuntime(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	front := free(t)
	p := haproxy.Start(t, shortDir(t), `defaults
    mode tcp
    timeout connect 1s
    timeout client 60s
    timeout server 60s
listen galera
    bind `+front+`
    maxconn 2
    balance roundrobin
    server c1 `+l.Addr().String()+`
    server c2 `+l.Addr().String()+` backup
    server c3 127.0.0.1:1 check inter 100ms fall 1 backup
backend gone
    server a 127.0.0.1:1 check inter 100ms fall 1
`)
	var r Runtime
	connect(t, front)
	until(t, "a session on c1", func() bool {
		r, err = ReadRuntime(t.Context(), dialer(p.Socket), "h1")
		return err == nil && slices.ContainsFunc(r.Servers, func(l Live) bool { return l.Server == "c1" && l.Sessions == 1 })
	}, func() any { return r })
	ask(t, p, "set server galera/c1 state drain")
	connect(t, front)
	until(t, "servers down and sessions on two", func() bool {
		if r, err = ReadRuntime(t.Context(), dialer(p.Socket), "h1"); err != nil {
			t.Fatal(err)
		}
		got := codes(Check(&Snapshot{Running: []Runtime{r}}))
		return slices.Equal(got, []string{CodeConnectionsFull, CodeServersDown, CodeSeveralWriters, CodeServersDown})
	}, func() any { return Check(&Snapshot{Running: []Runtime{r}}).Findings })
	if r.Most != 500 || r.Connections < 2 {
		t.Errorf("%+v", r)
	}
	i := slices.IndexFunc(r.Servers, func(l Live) bool { return l.Server == "c1" })
	if r.Servers[i].Admin != "drain" || r.Servers[i].Sessions != 1 {
		t.Errorf("%+v", r.Servers[i])
	}
}

func connect(t *testing.T, addr string) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if _, err := c.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
}

func ask(t *testing.T, p *haproxy.Proxy, command string) {
	t.Helper()
	if out, err := p.Ask(command); err != nil || strings.TrimSpace(out) != "" {
		t.Fatalf("%s: %q %v", command, out, err)
	}
}

func until(t *testing.T, what string, ok func() bool, now func() any) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not %s: %+v", what, now())
		}
	}
}

// A socket that hangs, ends, or says something else.
func TestRuntimeOfSomethingElse(t *testing.T) {
	for name, answer := range map[string]func(net.Conn){
		"hangs":     func(c net.Conn) { time.Sleep(time.Minute) },
		"ends":      func(c net.Conn) { c.Close() },
		"else":      func(c net.Conn) { _, _ = c.Write([]byte("HTTP/1.0 400 Bad request\r\n\r\n")); c.Close() },
		"forbidden": func(c net.Conn) { _, _ = c.Write([]byte("Permission denied\n\n")); c.Close() },
	} {
		dial := func(context.Context) (net.Conn, error) {
			a, b := net.Pipe()
			go answer(b)
			go func() { _, _ = b.Read(make([]byte, 100)) }()
			return a, nil
		}
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		if r, err := ReadRuntime(ctx, dial, "h"); err == nil {
			t.Errorf("%s: %+v", name, r)
		}
		cancel()
	}
}

// A node that cannot apply makes the writers elsewhere stand still.
func TestFlowControl(t *testing.T) {
	dbs := nodes(t)
	do(t, dbs["c1"], "CREATE TABLE IF NOT EXISTS lab.load1 (id INT AUTO_INCREMENT PRIMARY KEY, v INT)")
	release := hold(t, dbs["c2"], dbs["c1"])
	defer release()
	ctx, stop := context.WithCancel(t.Context())
	written := make(chan error)
	go func() {
		for ctx.Err() == nil {
			_, _ = dbs["c1"].ExecContext(ctx, "INSERT INTO lab.load1 (v) VALUES (1)") // it hangs: that is the point
		}
		close(written)
	}()
	var found []stackmend.Finding
	until(t, "paused", func() bool {
		n, err := ReadNode(t.Context(), dbs["c1"], "c1", 500*time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		found = Check(&Snapshot{Nodes: []Node{n}}).Findings
		return slices.ContainsFunc(found, func(f stackmend.Finding) bool { return f.Code == CodeFlowControl })
	}, func() any { return found })
	n, err := ReadNode(t.Context(), dbs["c2"], "c2", 100*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if f := Check(&Snapshot{Nodes: []Node{n}}).Findings; len(f) == 0 || !strings.Contains(f[0].Message, "this node asked") {
		t.Errorf("the culprit: %+v", f)
	}
	stop()
	release()
	<-written
}

// Transactions on two nodes that change one row: one of them is aborted.
func TestCertificationConflict(t *testing.T) {
	dbs := nodes(t)
	do(t, dbs["c1"], "CREATE TABLE IF NOT EXISTS lab.hot (id INT PRIMARY KEY, v INT)")
	do(t, dbs["c1"], "REPLACE INTO lab.hot VALUES (1, 0)")
	until(t, "there", func() bool {
		var n int
		return dbs["c2"].QueryRow("SELECT COUNT(*) FROM lab.hot WHERE id=1").Scan(&n) == nil && n == 1
	}, func() any { return nil })
	tx, err := dbs["c2"].BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec("UPDATE lab.hot SET v=2 WHERE id=1"); err != nil {
		t.Fatal(err)
	}
	// Counted while it is looked, not since the server began.
	looked := make(chan Node, 1)
	go func() {
		n, err := ReadNode(t.Context(), dbs["c2"], "c2", 5*time.Second)
		if err != nil {
			t.Error(err)
		}
		looked <- n
	}()
	time.Sleep(time.Second)
	do(t, dbs["c1"], "UPDATE lab.hot SET v=1 WHERE id=1")
	n := <-looked
	if n.Aborted != 1 || n.Uncertified != 0 {
		t.Errorf("%+v", n)
	}
	confidence := func(n Node) stackmend.Confidence {
		f := Check(&Snapshot{Nodes: []Node{n}}).Findings
		i := slices.IndexFunc(f, func(f stackmend.Finding) bool { return f.Code == CodeCertification })
		if i < 0 {
			t.Fatalf("no conflict: %+v", f)
		}
		return f[i].Confidence
	}
	if got := confidence(n); got != stackmend.High {
		t.Errorf("%v", got)
	}
	if n, err = ReadNode(t.Context(), dbs["c2"], "c2", 100*time.Millisecond); err != nil || n.Aborted != 0 || confidence(n) != stackmend.Low {
		t.Errorf("a conflict of before: %+v %v", n, err)
	}
	if err := tx.Commit(); err == nil {
		t.Error("both have written")
	}
}

// A node that has no connection left refuses, and nobody else logs it.
func TestRefusedConnections(t *testing.T) {
	db := nodes(t)["c3"]
	do(t, db, "SET GLOBAL max_connections=12")
	defer do(t, db, "SET GLOBAL max_connections=200")
	var open []*sql.Conn
	var err error
	for range 20 {
		var c *sql.Conn
		if c, err = db.Conn(t.Context()); err != nil {
			break
		}
		open = append(open, c)
	}
	if err == nil || !strings.Contains(err.Error(), "1040") {
		t.Errorf("20 connections of 12: %v", err)
	}
	for _, c := range open {
		c.Close()
	}
	n, err := ReadNode(t.Context(), db, "c3", 0)
	if err != nil {
		t.Fatal(err)
	}
	if f := Check(&Snapshot{Nodes: []Node{n}}).Findings; !slices.ContainsFunc(f, func(f stackmend.Finding) bool {
		return f.Code == CodeConnectionsFull && strings.Contains(f.Message, "max_connections is 12")
	}) {
		t.Errorf("%+v", f)
	}
}

// What is in effect, against the file.
func TestLiveAgainstFile(t *testing.T) {
	n, err := ReadNode(t.Context(), nodes(t)["c3"], "c3", 0)
	if err != nil {
		t.Fatal(err)
	}
	g := GaleraConf{Host: "c3", Variables: map[string]string{"wsrep_on": "1", "wsrep_sync_wait": "1"}}
	r := Check(&Snapshot{Nodes: []Node{n}, Galera: []GaleraConf{g}})
	r.Findings = slices.DeleteFunc(r.Findings, func(f stackmend.Finding) bool {
		return f.Code == CodeCertification || f.Code == CodeDurabilityTraded || f.Code == CodeConnectionsFull
	}) // of other tests
	if got := codes(r); !slices.Equal(got, []string{CodeLiveDiffers}) || !strings.Contains(r.Findings[0].Message, "wsrep_sync_wait is 0") {
		t.Errorf("%+v", r.Findings)
	}
}

func FuzzRuntime(f *testing.F) {
	f.Add("# pxname,svname,scur\na,b,1\n\n")
	f.Add("1\n# be_id be_name srv_id srv_name srv_admin_state\n2 a 1 b 1\n")
	f.Add("Maxconn: 7\n")
	f.Add("# srv_name srv_admin_state x y be_name\na 1 b\n")
	f.Fuzz(func(t *testing.T, text string) {
		var r Runtime
		_ = r.stat(strings.NewReader(text)) // what it makes of it does not matter, as long as it ends
		_ = r.state(strings.NewReader(text))
		_ = r.info(strings.NewReader(text))
		Check(&Snapshot{Running: []Runtime{r}})
	})
}

func FuzzLateness(f *testing.F) {
	f.Add(Lateness{"a", "b", 3, 1, 2, 4, true}.text())
	f.Fuzz(func(t *testing.T, text string) {
		rows, err := parseLateness(text)
		if err == nil {
			Check(&Snapshot{Rows: rows})
		}
	})
}
