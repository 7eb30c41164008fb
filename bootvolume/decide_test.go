package bootvolume

import (
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
)

func codes(r stackmend.Result) (all []string) {
	for _, f := range r.Findings {
		all = append(all, f.Code)
	}
	return all
}

func TestDecideIsPure(t *testing.T) {
	allowed := []string{"crypto/sha256", "encoding/hex", "encoding/json", "errors", "fmt", "maps", "slices", "strconv", "strings", "time", "github.com/stackmend/stackmend"}
	for _, file := range []string{"decide.go", "decide_conf.go", "decide_live.go", "probe.go", "edit.go", "edit_plan.go"} {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range f.Imports {
			if p, _ := strconv.Unquote(i.Path.Value); !slices.Contains(allowed, p) {
				t.Errorf("%s imports %s", file, p)
			}
		}
	}
}

func TestVerdictOfTheFrozenCinder(t *testing.T) {
	r := Check(zed(t))
	if got := codes(r); !slices.Equal(got, []string{CodeHAProxyTimeout, CodeOrphanVolume}) || r.Status != stackmend.Fail {
		t.Fatalf("%v: %v", r.Status, got)
	}
	if f := r.Findings[0]; f.Confidence != stackmend.High || !strings.Contains(f.Message, "cinder_api/cinder-api-1 after 7.04s") {
		t.Errorf("%+v", f)
	}
}

// The absence of a log is not the absence of a request.
func TestVerdictWithoutALog(t *testing.T) {
	if got := codes(Check(zed(t, HAProxy))); !slices.Equal(got, []string{CodeUndetermined, CodeOrphanVolume}) {
		t.Errorf("without HAProxy's: %v", got)
	}
	if got := codes(Check(zed(t, API))); !slices.Equal(got, []string{CodeHAProxyTimeout}) {
		t.Errorf("without cinder-api's: %v", got)
	}
	if r := Check(zed(t, Compute)); r.Status != stackmend.Unknown {
		t.Errorf("without nova-compute's: %v", r.Status)
	}
}

// Each case changes the one lost boot of the recording.
func TestVerdicts(t *testing.T) {
	const id = "1b08bda0-bb50-4304-a740-4ce1e8da50cf"
	request := func(s *Snapshot, change func(*Request)) {
		for i := range s.Logs.Requests {
			if s.Logs.Requests[i].Status == 504 {
				change(&s.Logs.Requests[i])
			}
		}
	}
	failure := func(s *Snapshot, text string) {
		for i, e := range s.Logs.Events {
			if e.Kind == Broken {
				s.Logs.Events[i].Text = text
			}
		}
	}
	noCinder := func(s *Snapshot) {
		s.Logs.Events = slices.DeleteFunc(s.Logs.Events, func(e Event) bool { return strings.HasPrefix(e.Request, "req-d4703fbc") && e.Instance == "" })
	}
	noPost := func(s *Snapshot) {
		noCinder(s)
		s.Logs.Requests = slices.DeleteFunc(s.Logs.Requests, func(r Request) bool { return r.Status == 504 })
	}
	cases := []struct {
		want   string
		change func(*Snapshot)
	}{
		{CodeHAProxyRefused, func(s *Snapshot) {
			request(s, func(r *Request) { r.Status, r.Server, r.Term = 503, "<NOSRV>", "SC" })
		}},
		{CodeNotLogged, func(s *Snapshot) {
			noCinder(s)
			request(s, func(r *Request) { r.Status, r.Term = 500, "--" })
		}},
		{CodeUndetermined, func(s *Snapshot) { // by a server whose log is not at hand
			noCinder(s)
			request(s, func(r *Request) { r.Status, r.Term, r.Server = 500, "--", "cinder-api-2" })
		}},
		{CodeUndetermined, func(s *Snapshot) { noPost(s); s.Logs.APIs = nil }},
		{CodeNeverSent, noPost},
		{CodeLostBeforeHAProxy, func(s *Snapshot) { noPost(s); failure(s, "Unable to establish connection to http://cinder") }},
		{CodeUndetermined, func(s *Snapshot) { noPost(s); s.Logs.Spans[HAProxy] = Span{} }},
		{CodeUndetermined, func(s *Snapshot) { // HAProxy logs no IDs: it may have seen the request
			noPost(s)
			failure(s, "Unable to establish connection to http://cinder")
			for i := range s.Logs.Requests {
				s.Logs.Requests[i].ID = ""
			}
		}},
		{CodeIDNotFound, func(s *Snapshot) { failure(s, "Volume x could not be found.") }},
		{CodeOverQuota, func(s *Snapshot) {
			failure(s, "Failed to create block device for instance due to exceeding volume related resource quota. Error: ")
		}},
		{CodeOverQuota, func(s *Snapshot) { failure(s, "VolumeLimitExceeded: Maximum number of volumes allowed (10) exceeded") }},
		{CodeTooSlow, func(s *Snapshot) {
			failure(s, "Volume x did not finish being created even after we waited 187 seconds or 61 attempts. And its status is creating.")
		}},
	}
	for _, c := range cases {
		t.Run(c.want, func(t *testing.T) {
			s := zed(t)
			// HAProxy's log goes on after the incident.
			s.Logs.cover(HAProxy, now)
			c.change(s)
			r := Check(s)
			if len(r.Findings) == 0 || r.Findings[0].Code != c.want || r.Findings[0].Subject != "instance "+id {
				t.Errorf("%+v", r.Findings)
			}
		})
	}
}

// An instance that boots from a volume that exists asks for none.
func TestExistingVolume(t *testing.T) {
	s := zed(t)
	s.Logs.cover(HAProxy, now)
	s.Logs.Requests = slices.DeleteFunc(s.Logs.Requests, func(r Request) bool { return r.Status == 504 })
	s.Logs.Events = slices.DeleteFunc(s.Logs.Events, func(e Event) bool {
		return strings.HasPrefix(e.Request, "req-d4703fbc") && (e.Instance == "" || e.Kind == Begun)
	})
	if got := codes(Check(s)); !slices.Equal(got, []string{CodeUndetermined}) {
		t.Errorf("%v", got)
	}
	for text, want := range map[string]Kind{"Booting with volume 1b08 at /dev/sda": "", "Booting with blank volume at /dev/sda": Begun} {
		if got := kindOf("nova.virt.block_device", text); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
}

// Where instances share a request, which of them has none is told by order.
func TestSharedRequest(t *testing.T) {
	s := zed(t)
	s.Logs.cover(HAProxy, now)
	s.Logs.Requests = slices.DeleteFunc(s.Logs.Requests, func(r Request) bool { return r.Status == 504 })
	s.Logs.Events = slices.DeleteFunc(s.Logs.Events, func(e Event) bool {
		return strings.HasPrefix(e.Request, "req-d4703fbc") && e.Instance == ""
	})
	for i, e := range s.Logs.Events {
		if e.Instance != "" {
			s.Logs.Events[i].Request = "req-12e6c881-be36-4e6a-9b72-57fd00b44536"
		}
	}
	r := Check(s)
	if got := codes(r); !slices.Equal(got, []string{CodeNeverSent}) || r.Findings[0].Confidence != stackmend.Medium {
		t.Errorf("%v %+v", got, r.Findings)
	}
}

const cfg = `
global
    maxconn 100
defaults
    mode http
    timeout server 60s
    timeout client 1m
    balance source
    option httplog
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

func TestNovaConf(t *testing.T) {
	n, err := ReadNovaConf(strings.NewReader("[DEFAULT]\nblock_device_allocate_retries = 5\n"), "c01")
	if err != nil || n.Waits() != 15*time.Second {
		t.Fatalf("%v %+v", err, n)
	}
	s := zed(t)
	s.Nova = []NovaConf{n}
	for i, e := range s.Logs.Events {
		if e.Kind == Broken {
			s.Logs.Events[i].Text = "Volume x did not finish being created even after we waited 15 seconds or 6 attempts."
		}
	}
	if got := codes(Check(s)); !slices.Contains(got, CodeRetriesTooFew) {
		t.Errorf("%v", got)
	}
}

func FuzzHAProxyConf(f *testing.F) {
	f.Add(cfg)
	f.Fuzz(func(t *testing.T, text string) {
		ps, _ := ReadHAProxy(strings.NewReader(text))
		Check(&Snapshot{Proxies: ps})
	})
}
