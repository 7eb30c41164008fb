package live

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/stackmend/stackmend/internal/lab/openstack"
)

// A proxy stands before every API of a cloud, as a load balancer does: at
// another address, with the same ports. The catalogue that it passes on names
// that address; the links in lists do not, as happens where a proxy does not
// pass the name on by which it was asked.
type proxy struct {
	addr string

	mu    sync.Mutex
	asked []string                                      // paths with queries
	fault func(http.ResponseWriter, *http.Request) bool // true: it has answered
}

// front starts a proxy that ends with the test.
func front(t *testing.T, c *openstack.Cloud) *proxy {
	t.Helper()
	p := &proxy{addr: openstack.Address(t)}
	for _, port := range []string{"5000", "8774", "9292", "9696"} {
		l, err := net.Listen("tcp", net.JoinHostPort(p.addr, port))
		if err != nil {
			t.Fatal(err)
		}
		s := &http.Server{Handler: p.handler(c.Addr, port)}
		go func() { _ = s.Serve(l) }()
		t.Cleanup(func() { s.Close() })
	}
	return p
}

func (p *proxy) handler(addr, port string) http.Handler {
	target := &url.URL{Scheme: "http", Host: net.JoinHostPort(addr, port)}
	rp := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ModifyResponse: func(r *http.Response) error {
			if port != "5000" {
				return nil
			}
			b, err := io.ReadAll(r.Body)
			if err != nil {
				return err
			}
			b = bytes.ReplaceAll(b, []byte(addr), []byte(p.addr))
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(b)), int64(len(b))
			r.Header.Set("Content-Length", fmt.Sprint(len(b)))
			return nil
		},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.asked = append(p.asked, r.URL.RequestURI())
		fault := p.fault
		p.mu.Unlock()
		if fault == nil || !fault(w, r) {
			rp.ServeHTTP(w, r)
		}
	})
}

// breaks sets the fault, and forgets what was asked.
func (p *proxy) breaks(fault func(http.ResponseWriter, *http.Request) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault, p.asked = fault, nil
}

// pages counts the further pages of a list that were asked for.
func (p *proxy) pages(path string) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range p.asked {
		if strings.Contains(a, path) && strings.Contains(a, "marker=") {
			n++
		}
	}
	return n
}

// later is a request for a further page of a list.
func later(r *http.Request, path string) bool {
	return strings.HasSuffix(r.URL.Path, path) && r.URL.Query().Get("marker") != ""
}

// busy answers the second page of a list as a load balancer without servers
// does.
func busy(path string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if !later(r, path) {
			return false
		}
		http.Error(w, "<html><body><h1>503 Service Unavailable</h1>\nNo server is available to handle this request.\n</body></html>", http.StatusServiceUnavailable)
		return true
	}
}

// ends lets the token of the caller end before the second page of a list, once.
func ends(t *testing.T, c *openstack.Cloud, path string) func(http.ResponseWriter, *http.Request) bool {
	var once sync.Once
	return func(_ http.ResponseWriter, r *http.Request) bool {
		if later(r, path) {
			once.Do(func() { c.Revoke(t, r.Header.Get("X-Auth-Token")) })
		}
		return false
	}
}

// refusesNth answers the nth request of a method as a load balancer without
// servers does, once.
func refusesNth(method string, nth int) func(http.ResponseWriter, *http.Request) bool {
	var mu sync.Mutex
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != method {
			return false
		}
		mu.Lock()
		defer mu.Unlock()
		if nth--; nth != 0 {
			return false
		}
		http.Error(w, "<html><body><h1>503 Service Unavailable</h1></body></html>", http.StatusServiceUnavailable)
		return true
	}
}
