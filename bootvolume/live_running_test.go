package bootvolume

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/internal/lab/haproxy"
)

const written = `defaults
    mode http
    timeout connect 1s
    timeout client 60s
    timeout server 60s
frontend front
    bind FRONT
    maxconn 40
    default_backend cinder
backend cinder
    balance roundrobin
    server a 127.0.0.1:1 weight 7 maxconn 9
    server b 127.0.0.1:2 disabled
    server c [::1]:3 backup
    server-template t 2 127.0.0.1:4
listen galera
    mode tcp
    bind DATABASE
    server a ADDR
    server b ADDR backup
`

// running reads the file and what runs.
func running(t *testing.T, p *haproxy.Proxy, socket string) *Snapshot {
	t.Helper()
	s := asWritten(t, p)
	r, err := ReadRuntime(t.Context(), dialer(socket), "h1")
	if err != nil {
		t.Fatal(err)
	}
	p.Master(t)
	if err := r.ReadMaster(t.Context(), dialer(filepath.Join(p.Dir, "m.sock"))); err != nil {
		t.Fatal(err)
	}
	s.Running = []Runtime{r}
	return s
}

// differ are the differences that are found.
func differ(s *Snapshot) (all []string) {
	for _, f := range Check(s).Findings {
		if f.Code == CodeLiveDiffers {
			all = append(all, f.Message)
		}
	}
	return all
}

// A HAProxy that runs as its file says, and then what operators change in it.
func TestRunningAgainstFile(t *testing.T) {
	text := strings.NewReplacer("FRONT", free(t), "DATABASE", free(t), "ADDR", "127.0.0.1:9").Replace(written)
	p := haproxy.Start(t, shortDir(t), text)
	if got := differ(running(t, p, p.Socket)); len(got) > 0 {
		t.Fatalf("nothing was changed: %q", got)
	}
	for _, c := range []struct{ command, back, want string }{
		{"set weight cinder/a 3", "set weight cinder/a 7", "weight of server a is 3, and 7 in the file"},
		{"set maxconn server cinder/a 8", "set maxconn server cinder/a 9", "maxconn of server a is 8, and 9 in the file"},
		{"set maxconn frontend front 41", "set maxconn frontend front 40", "maxconn is 41, and 40 in the file"},
		{"set maxconn global 400", "set maxconn global 500", "maxconn is 400, and 500 in the file"},
		{"disable server cinder/a", "enable server cinder/a", "server a is in maint"},
		{"set server cinder/a state drain", "set server cinder/a state ready", "server a is in drain"},
		{"enable server cinder/b", "disable server cinder/b", "server b takes requests, and is disabled in the file"},
	} {
		ask(t, p, c.command)
		if got := differ(running(t, p, p.Socket)); len(got) != 1 || !strings.Contains(got[0], c.want) {
			t.Errorf("%s: %q", c.command, got)
		}
		ask(t, p, c.back)
	}
	if _, err := p.Ask("set server cinder/a addr 127.0.0.9"); err != nil {
		t.Fatal(err)
	}
	if got := differ(running(t, p, p.Socket)); len(got) != 1 || !strings.Contains(got[0], "address of server a is 127.0.0.9:1, and 127.0.0.1:1 in the file") {
		t.Errorf("%q", got)
	}
}

// A file that was changed and not taken up, line by line.
func TestFileNotTakenUp(t *testing.T) {
	text := strings.NewReplacer("FRONT", free(t), "DATABASE", free(t), "ADDR", "127.0.0.1:9").Replace(written)
	p := haproxy.Start(t, shortDir(t), text)
	for _, c := range []struct{ from, to, want string }{
		{"balance roundrobin", "balance source", "balance is roundrobin, and source in the file"},
		{"    server c [::1]:3 backup\n", "", "server c runs, and is not in the file"},
		{"backup\n    server-t", "\n    server-t", "server c is backup: true, and false in the file"},
		{"template t 2", "template t 3", "server t3 is in the file, and does not run"},
		{"listen galera", "listen mariadb", "it is in the file, and does not run"},
		{"listen galera", "listen mariadb", "it runs, and is not in the file"},
		{"    mode tcp\n", "    mode tcp\n    disabled\n", "it runs, and is disabled in the file"},
		{"    mode tcp\n", "", "mode is tcp, and http in the file"},
	} {
		p.Write(t, strings.Replace(text, c.from, c.to, 1))
		s := running(t, p, p.Socket)
		s.ProxiesWritten = time.Time{}
		if got := differ(s); !strings.Contains(strings.Join(got, "\n"), c.want) || len(got) > 2 {
			t.Errorf("%s: %q", c.to, got)
		}
	}
	// The time alone tells that a reload is missing.
	p.Write(t, text)
	if err := os.Chtimes(p.Config, time.Now().Add(time.Minute), time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if got := differ(running(t, p, p.Socket)); len(got) != 1 || !strings.Contains(got[0], "not in effect") {
		t.Errorf("%q", got)
	}
}

// A reload that was refused, and one that left a worker with its sessions.
func TestWorkersOfAReload(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	front := free(t)
	text := strings.NewReplacer("FRONT", free(t), "DATABASE", front, "ADDR", l.Addr().String()).Replace(written)
	p := haproxy.Start(t, shortDir(t), text)
	connect(t, front)
	until(t, "a session", func() bool {
		r, err := ReadRuntime(t.Context(), dialer(p.Socket), "h1")
		return err == nil && slices.ContainsFunc(r.Servers, func(l Live) bool { return l.Proxy == "galera" && l.Server == "a" && l.Sessions == 1 })
	}, func() any { return "none" })
	p.Reload(t)
	s := running(t, p, p.Socket)
	if got := differ(s); len(got) != 1 || !strings.Contains(got[0], "1 workers of before a reload") || len(s.Running[0].Master.Old) != 1 || s.Running[0].Master.Old[0].PID == 0 {
		t.Errorf("%q %+v", got, s.Running[0].Master)
	}
	p.Write(t, text+"nonsense\n")
	if err := signal(p.Master(t)); err != nil {
		t.Fatal(err)
	}
	var m Runtime
	until(t, "refused", func() bool {
		return m.ReadMaster(t.Context(), dialer(filepath.Join(p.Dir, "m.sock"))) == nil && m.Master.Failed == 1
	}, func() any { return m.Master })
	m.Host = "h1"
	if got := differ(&Snapshot{Running: []Runtime{m}}); !slices.ContainsFunc(got, func(g string) bool { return strings.Contains(g, "the last 1 reloads failed") }) {
		t.Errorf("%q", got)
	}
}

// A socket of level user tells the servers and not the balance: that is said.
func TestRunningAtLevelUser(t *testing.T) {
	dir := shortDir(t)
	user := filepath.Join(dir, "u.sock")
	text := strings.NewReplacer("FRONT", free(t), "DATABASE", free(t), "ADDR", "127.0.0.1:9").Replace(written)
	p := haproxy.Start(t, dir, "    stats socket "+user+" mode 600 level user\n"+text)
	if _, err := p.Ask("set server cinder/a addr 127.0.0.9"); err != nil {
		t.Fatal(err)
	}
	s := running(t, p, user)
	if got := differ(s); len(got) != 1 || !strings.Contains(got[0], "address of server a") {
		t.Errorf("%q", got)
	}
	r := Check(s)
	if i := slices.IndexFunc(r.Findings, func(f stackmend.Finding) bool { return f.Code == CodeUnseen }); i < 0 || r.Status != stackmend.Unknown {
		t.Errorf("%+v", r)
	}
}

// What is no master says so.
func TestMasterOfSomethingElse(t *testing.T) {
	for _, answer := range []string{"", "Unknown command\n", "#<PID> <type>\n", "1 master\n"} {
		dial := func(context.Context) (net.Conn, error) {
			a, b := net.Pipe()
			go func() { _, _ = b.Read(make([]byte, 100)); fmt.Fprint(b, answer); b.Close() }()
			return a, nil
		}
		var r Runtime
		if err := r.ReadMaster(t.Context(), dial); err == nil {
			t.Errorf("%q: %+v", answer, r.Master)
		}
	}
}

func FuzzMaster(f *testing.F) {
	f.Add("#<PID> <type> <reloads> <uptime> <version>\n1 master 1 [failed: 2] 0d00h00m06s 2.6\n# workers\n2 worker 0 0d 2.6\n# old workers\n3 worker 1 0d 2.6\n# programs\n")
	f.Fuzz(func(t *testing.T, text string) {
		var r Runtime
		if err := r.Master.read(strings.NewReader(text)); err == nil && !r.Master.Asked {
			t.Errorf("%q is a master's", text)
		}
		Check(&Snapshot{Running: []Runtime{r}})
	})
}
