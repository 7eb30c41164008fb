package bootvolume

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stackmend/stackmend"
)

const cfg = `
global
    maxconn 100
defaults
    mode http
    timeout server 60s
    timeout client 1m
    balance source
    option httplog
    option redispatch
listen cinder_api
    bind 10.0.0.1:8776
    retry-on all-retryable-errors
    server a 10.0.0.2:8776 check
    server b 10.0.0.3:8776 check # comment
listen galera
    mode tcp
    bind 10.0.0.1:3306
    timeout client 90m
    timeout server 5400s
    balance leastconn
    default-server check on-marked-down shutdown-sessions
    server a 10.0.0.2:3306
    server b 10.0.0.3:3306 backup
defaults tcp
    mode tcp
    timeout client 10000
backend other from tcp
    server a 10.0.0.2:1 disabled
`

func TestHAProxyConf(t *testing.T) {
	ps, err := ReadHAProxy(strings.NewReader(cfg))
	if err != nil || len(ps) != 3 {
		t.Fatalf("%v %+v", err, ps)
	}
	cinder, galera, other := ps[0], ps[1], ps[2]
	if cinder.Balance != "source" || cinder.Mode != "http" || cinder.Timeouts["server"] != time.Minute || len(cinder.Servers) != 2 {
		t.Errorf("%+v", cinder)
	}
	if galera.Timeouts["client"] != 90*time.Minute || galera.Timeouts["server"] != 90*time.Minute || !galera.Servers[1].Backup || galera.Servers[0].OnDown != "shutdown-sessions" {
		t.Errorf("%+v", galera)
	}
	if other.Timeouts["client"] != 10*time.Second || len(other.Options) != 0 || other.Balance != "roundrobin" {
		t.Errorf("%+v", other)
	}
	got := codes(Check(&Snapshot{Proxies: ps}))
	if !slices.Equal(got, []string{CodeBalanceSource, CodeRetryOn, CodeSeveralWriters}) {
		t.Errorf("%v", got)
	}
	good := strings.NewReplacer("balance source", "balance roundrobin", "retry-on all", "# ", ":3306\n    server b", ":3306 on-marked-up shutdown-backup-sessions\n    server b").Replace(cfg)
	if ps, err = ReadHAProxy(strings.NewReader(good)); err != nil {
		t.Fatal(err)
	}
	if r := Check(&Snapshot{Proxies: ps}); r.Status != stackmend.OK {
		t.Errorf("%+v", r.Findings)
	}
	for text, want := range map[string]int{"option redispatch\n    retries 0": 1, "option redispatch\n    retries 1": 0, "retries 3": 1, "option redispatch\n    no option redispatch": 1} {
		other, err := ReadHAProxy(strings.NewReader(strings.Replace(good, "option redispatch", text, 1)))
		if err != nil {
			t.Fatal(err)
		}
		if got := codes(Check(&Snapshot{Proxies: other})); len(got) != want || want == 1 && got[0] != CodeNoRedispatch {
			t.Errorf("%s: %v", text, got)
		}
	}
	for i := range ps[0].Servers {
		ps[0].Servers[i].Check = false
	}
	if got := codes(Check(&Snapshot{Proxies: ps})); !slices.Equal(got, []string{CodeUnchecked}) {
		t.Errorf("without checks: %v", got)
	}
}

func TestGaleraConf(t *testing.T) {
	g, err := ReadGaleraConf(strings.NewReader("[client]\nport=1\n[mysqld]\ninnodb-flush-log-at-trx-commit = 0 # faster\nwsrep_sync_wait=0\n"), "db1")
	if err != nil {
		t.Fatal(err)
	}
	ps, err := ReadHAProxy(strings.NewReader(strings.ReplaceAll(cfg, " backup\n", "\n")))
	if err != nil {
		t.Fatal(err)
	}
	got := codes(Check(&Snapshot{Proxies: ps[1:], Galera: []GaleraConf{g}}))
	if !slices.Equal(got, []string{CodeSeveralWriters, CodeReadAfterWrite, CodeDurabilityTraded}) {
		t.Errorf("%v", got)
	}
	// What is not in the file may be in those that it includes.
	if g, err = ReadGaleraConf(strings.NewReader("[mysqld]\n!includedir /etc/mysql/conf.d/\n"), "db1"); err != nil {
		t.Fatal(err)
	}
	if got := codes(Check(&Snapshot{Proxies: ps[1:], Galera: []GaleraConf{g}})); !slices.Equal(got, []string{CodeSeveralWriters, CodeUnseen}) {
		t.Errorf("with an include: %v", got)
	}
	more := GaleraConf{Host: "db1", Variables: map[string]string{"wsrep_sync_wait": "1"}}
	if got := codes(Check(&Snapshot{Proxies: ps[1:], Galera: []GaleraConf{g, more}})); !slices.Equal(got, []string{CodeSeveralWriters}) {
		t.Errorf("with the file that it includes: %v", got)
	}
}

// Of two writers each way to see that reads wait ends the finding.
func TestReadAfterWriteRemedies(t *testing.T) {
	ps, err := ReadHAProxy(strings.NewReader(strings.ReplaceAll(cfg, " backup\n", "\n")))
	if err != nil {
		t.Fatal(err)
	}
	service := func(text string) ServiceConf {
		c, err := ReadServiceConf(strings.NewReader(text), "ctl1")
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	waits, silent, off := service("[database]\nmysql_wsrep_sync_wait = 1\n"), service("[database]\n"), service("[database]\nmysql_wsrep_sync_wait = 0\n")
	file := func(v string) GaleraConf {
		return GaleraConf{Host: "db1", Variables: map[string]string{"wsrep_sync_wait": v}}
	}
	live := func(v string) Node {
		return Node{Host: "db1", Variables: map[string]string{"wsrep_sync_wait": v}, Status: map[string]string{"wsrep_local_state_comment": "Synced", "wsrep_cluster_status": "Primary", "wsrep_ready": "ON"}}
	}
	found := []string{CodeSeveralWriters, CodeReadAfterWrite}
	for name, c := range map[string]struct {
		s    Snapshot
		want []string
	}{
		"the file does not":          {Snapshot{Galera: []GaleraConf{file("0")}}, found},
		"the file does":              {Snapshot{Galera: []GaleraConf{file("1")}}, found[:1]},
		"the node does not":          {Snapshot{Nodes: []Node{live("0")}}, found},
		"the node does":              {Snapshot{Nodes: []Node{live("7")}}, found[:1]},
		"neither: told once":         {Snapshot{Galera: []GaleraConf{file("0")}, Nodes: []Node{live("0")}}, found},
		"every service does":         {Snapshot{Galera: []GaleraConf{file("0")}, Nodes: []Node{live("0")}, Services: []ServiceConf{waits, waits}}, found[:1]},
		"one service does not":       {Snapshot{Galera: []GaleraConf{file("0")}, Services: []ServiceConf{waits, silent}}, found},
		"one switches it off itself": {Snapshot{Galera: []GaleraConf{file("1")}, Services: []ServiceConf{waits, off}}, found},
	} {
		c.s.Proxies = ps[1:]
		if got := codes(Check(&c.s)); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// A timeout counts where HAProxy heeds it.
func TestIdleTimeouts(t *testing.T) {
	for text, want := range map[string]int{
		"backend galera\n timeout client 1m\n timeout server 90m\n server a h:3306 check\n":                        0,
		"backend galera\n timeout client 90m\n timeout server 1m\n server a h:3306 check\n":                        1,
		"frontend galera\n bind :3306\n timeout client 1m\n timeout server 1m\n":                                   1,
		"listen galera\n bind :3306\n timeout client 1m\n timeout server 1m\n server a h:3306 check\n":             2,
		"listen other\n bind :3307\n timeout client 1m\n timeout server 1m\n server-template a 1-3 h:3307 check\n": 0,
	} {
		ps, err := ReadHAProxy(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if got := codes(Check(&Snapshot{Proxies: ps})); len(got) != want || slices.ContainsFunc(got, func(c string) bool { return c != CodeTimeoutTooShort }) {
			t.Errorf("%s: %v", text, got)
		}
	}
}

// What the services are set to counts, and their default only without it.
func TestIdleTimeoutsAgainstServices(t *testing.T) {
	service := func(text string) ServiceConf {
		c, err := ReadServiceConf(strings.NewReader("[database]\n"+text), "ctl")
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	node := func(wait string) []Node {
		return []Node{{Host: "c1", Variables: map[string]string{"wait_timeout": wait}, Status: map[string]string{"wsrep_local_state_comment": "Synced", "wsrep_cluster_status": "Primary", "wsrep_ready": "ON"}}}
	}
	for name, c := range map[string]struct {
		timeout, wait string
		services      []ServiceConf
		want          int
	}{
		"nothing is known of services":  {"5m", "28800", nil, 2},
		"they have the default":         {"5m", "28800", []ServiceConf{service("")}, 2},
		"they recycle sooner":           {"5m", "28800", []ServiceConf{service("connection_recycle_time = 280\n")}, 0},
		"one of them does not":          {"5m", "28800", []ServiceConf{service("connection_recycle_time = 280\n"), service("")}, 2},
		"by a former name":              {"5m", "28800", []ServiceConf{service("idle_timeout = 280\n")}, 0},
		"they never do":                 {"90m", "28800", []ServiceConf{service("connection_recycle_time = -1\n")}, 3},
		"the server itself is too soon": {"90m", "600", nil, 1},
	} {
		ps, err := ReadHAProxy(strings.NewReader("listen galera\n bind :3306\n timeout client " + c.timeout + "\n timeout server " + c.timeout + "\n server a h:3306 check\n"))
		if err != nil {
			t.Fatal(err)
		}
		if got := codes(Check(&Snapshot{Proxies: ps, Services: c.services, Nodes: node(c.wait)})); len(got) != c.want || slices.ContainsFunc(got, func(c string) bool { return c != CodeTimeoutTooShort }) {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// Servers of a template are servers: all of them write.
func TestServerTemplate(t *testing.T) {
	for text, want := range map[string][]string{"1-3": {"db1", "db2", "db3"}, "2": {"db1", "db2"}, "3-1": nil, "99999": nil, "x": nil} {
		ps, err := ReadHAProxy(strings.NewReader("listen galera\n bind :3306\n server-template db " + text + " db.example:3306 check\n"))
		if want == nil {
			if !errors.Is(err, ErrSyntax) {
				t.Errorf("%s: %v %+v", text, err, ps)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, s := range ps[0].writers() {
			got = append(got, s.Name)
		}
		if !slices.Equal(got, want) || !slices.Contains(codes(Check(&Snapshot{Proxies: ps})), CodeSeveralWriters) {
			t.Errorf("%s: %v", text, got)
		}
	}
}

// What all templates together make is bounded too.
func TestServerTemplates(t *testing.T) {
	line := " server-template db 4096 db.example:3306\n"
	for n, want := range map[int]error{16: nil, 17: ErrSyntax} {
		text := "backend a\n" + strings.Repeat(line, n-1) + "backend b\n" + line
		if _, err := ReadHAProxy(strings.NewReader(text)); !errors.Is(err, want) {
			t.Errorf("%d: %v", n, err)
		}
	}
}

func TestNovaConf(t *testing.T) {
	n, err := ReadNovaConf(strings.NewReader("[DEFAULT]\nblock_device_allocate_retries = 5\n"), "c01")
	if err != nil || n.Waits() != 15*time.Second {
		t.Fatalf("%v %+v", err, n)
	}
	dir := fstest.MapFS{"nova.conf": {Data: []byte("[DEFAULT]\nblock_device_allocate_retries = 5\n")}, "conf.d/10.conf": {Data: []byte("[DEFAULT]\nblock_device_allocate_retries = 7\n")}}
	if more, err := ReadNovaConfFiles(dir, "c01", "nova.conf", "conf.d"); err != nil || more.Retries != 7 {
		t.Errorf("%v %+v", err, more)
	}
	if _, err := ReadNovaConfFiles(dir, "c01", "none.conf"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	s := zed(t)
	s.Nova = []NovaConf{n}
	for _, c := range []struct {
		end string
		few bool
	}{{"", true}, {" And its status is creating.", true}, {" And its status is error.", false}} {
		for i, e := range s.Logs.Events {
			if e.Kind == Broken {
				s.Logs.Events[i].Text = "Volume x did not finish being created even after we waited 15 seconds or 6 attempts." + c.end
			}
		}
		if got := codes(Check(s)); slices.Contains(got, CodeRetriesTooFew) != c.few {
			t.Errorf("%q: %v", c.end, got)
		}
	}
}

// Whatever a file says, what is read of it can be judged.
func FuzzConf(f *testing.F) {
	f.Add("[DEFAULT]\nblock_device_allocate_retries = 5\nblock_device_allocate_retries_interval = $block_device_allocate_retries\n[database]\nmysql_wsrep_sync_wait = 1\n")
	f.Add("[client]\nport=1\n[mysqld]\ninnodb-flush-log-at-trx-commit = 0 # faster\nwsrep_sync_wait=0\n!includedir /etc/mysql/conf.d/\n")
	f.Add("[DEFAULT]\nblock_device_allocate_retries = 9223372036854775807\nblock_device_allocate_retries_interval = 9223372036854775807\n")
	f.Fuzz(func(t *testing.T, text string) {
		s := zed(t)
		if n, err := ReadNovaConf(strings.NewReader(text), "c01"); err == nil {
			if s.Nova = []NovaConf{n}; n.Waits() < 0 {
				t.Errorf("%+v waits %v", n, n.Waits())
			}
		}
		if g, err := ReadGaleraConf(strings.NewReader(text), "db1"); err == nil {
			s.Galera = []GaleraConf{g, g}
		}
		if c, err := ReadServiceConf(strings.NewReader(text), "ctl1"); err == nil {
			s.Services = []ServiceConf{c}
		}
		Check(s)
	})
}

func FuzzHAProxyConf(f *testing.F) {
	f.Add(cfg)
	f.Fuzz(func(t *testing.T, text string) {
		ps, _ := ReadHAProxy(strings.NewReader(text))
		Check(&Snapshot{Proxies: ps})
	})
}
