package bootvolume

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stackmend/stackmend/internal/lab/haproxy"
)

// A stub answers requests for volumes when enough of them are there, or when
// it has waited long enough.
type stub struct {
	*httptest.Server
	mu         sync.Mutex
	now, most  int
	enough     int
	patience   time.Duration
	reached    chan struct{}
	reachedOne sync.Once
}

func newStub(t *testing.T, enough int, patience time.Duration) *stub {
	s := &stub{enough: enough, patience: patience, reached: make(chan struct{})}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		s.mu.Lock()
		s.now++
		s.most = max(s.most, s.now)
		if s.now >= s.enough {
			s.reachedOne.Do(func() { close(s.reached) })
		}
		s.mu.Unlock()
		select {
		case <-s.reached:
		case <-time.After(s.patience):
		}
		s.mu.Lock()
		s.now--
		s.mu.Unlock()
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *stub) addr() string { return s.Listener.Addr().String() }

// batchOf sends requests for volumes at once, each on a connection of its own,
// and counts the answers.
func batchOf(t *testing.T, n int, front string) map[int]int {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: (&net.Dialer{}).DialContext}, Timeout: time.Minute}
	var mu sync.Mutex
	var wg sync.WaitGroup
	got := make(map[int]int)
	for range n {
		wg.Go(func() {
			r, err := client.Post("http://"+front+"/v3/p/volumes", "application/json", strings.NewReader("{}"))
			status := 0
			if err == nil {
				status = r.StatusCode
				r.Body.Close()
			}
			mu.Lock()
			defer mu.Unlock()
			got[status]++
		})
	}
	wg.Wait()
	return got
}

// asWritten is what the file of a HAProxy says, and when it was changed.
func asWritten(t *testing.T, p *haproxy.Proxy) *Snapshot {
	t.Helper()
	f, err := os.Open(p.Config)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := &Snapshot{}
	if s.Proxies, err = ReadHAProxy(f); err != nil {
		t.Fatal(err)
	}
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	s.ProxiesWritten = info.ModTime()
	return s
}

// judged is what is found of the file and the log of a HAProxy.
func judged(t *testing.T, p *haproxy.Proxy) []string {
	t.Helper()
	s := asWritten(t, p)
	if err := s.Logs.ReadFiles(t.Context(), os.DirFS(filepath.Dir(p.Log)), filepath.Base(p.Log), Log{Source: HAProxy, Host: "h", Now: time.Now(), Zone: time.Local}); err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, f := range Check(s).Findings {
		if f.Code == CodeTimeoutTooShort || f.Code == CodeConnectionsTooFew {
			all = append(all, f.Code+": "+f.Message+"; "+f.Fix)
		}
	}
	return all
}

const small = `defaults
    mode http
    option httplog
    log global
    timeout connect 1m
    timeout client 1m
    timeout server 1m
    timeout queue 500ms
listen cinder_api
    bind FRONT
    MAXCONN
    default-server maxconn EACH
    server a ADDR
    server b ADDR
`

// A batch that the servers of a real HAProxy have no room for loses what waits
// too long, and with the value that is named it loses nothing.
func TestMaxconnOfServers(t *testing.T) {
	const n = 6
	cinder, front := newStub(t, n, 2*time.Second), free(t)
	text := strings.NewReplacer("FRONT", front, "    MAXCONN\n", "", "ADDR", cinder.addr()).Replace(small)
	p := haproxy.Start(t, shortDir(t), strings.ReplaceAll(text, "EACH", "1"))
	if got := batchOf(t, n, front); got[http.StatusServiceUnavailable] == 0 {
		t.Fatalf("none was lost: %v", got)
	}
	until(t, "told", func() bool {
		got := judged(t, p)
		return len(got) == 1 && strings.Contains(got[0], CodeTimeoutTooShort) && strings.Contains(got[0], "maxconn of at least 3 at each")
	}, func() any { return judged(t, p) })
	if err := os.Truncate(p.Log, 0); err != nil { // of another batch
		t.Fatal(err)
	}
	p.Write(t, strings.ReplaceAll(text, "EACH", "3"))
	p.Reload(t)
	if got := batchOf(t, n, front); got[http.StatusAccepted] != n {
		t.Errorf("with what was named: %v", got)
	}
	if got := judged(t, p); len(got) > 0 {
		t.Errorf("%q", got)
	}
}

// What a listen does not admit waits in the kernel, where HAProxy's log has
// nothing of it; with the value that is named all are under way at once.
func TestMaxconnOfAListen(t *testing.T) {
	const n = 4
	for limit, want := range map[string]int{"maxconn 2": 2, "maxconn 4": n} {
		patience := time.Second
		if want == n {
			patience = time.Minute
		}
		cinder, front := newStub(t, n, patience), free(t)
		text := strings.NewReplacer("FRONT", front, "MAXCONN", limit, " maxconn EACH", " weight 1", "ADDR", cinder.addr()).Replace(small)
		p := haproxy.Start(t, shortDir(t), text)
		if got := batchOf(t, n, front); got[http.StatusAccepted] != n || cinder.most != want {
			t.Errorf("%s: %v, %d at once", limit, got, cinder.most)
		}
		s := asWritten(t, p)
		s.Batch = n
		r := Check(s)
		if few := slices.Contains(codes(r), CodeConnectionsTooFew); few != (want < n) {
			t.Errorf("%s: %+v", limit, r.Findings)
		}
	}
}
