package openstack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stackmend/stackmend/imagecache"
	"github.com/stackmend/stackmend/internal/openstack"
)

const (
	live = "servers/detail?all_tenants=1"
	soft = "servers/detail?all_tenants=1&soft_deleted=true"
)

func fleetOf(t testing.TB, c *cloud) (imagecache.Fleet, error) {
	t.Helper()
	k := c.clients()
	return New(k.Compute, k.Identity).Fleet(context.Background())
}

func tells(why []string, part string) bool {
	return slices.ContainsFunc(why, func(s string) bool { return strings.Contains(s, part) })
}

func TestFleet(t *testing.T) {
	c := newCloud(t)
	k := c.clients()
	before := time.Now()
	f, err := New(k.Compute, k.Identity).Fleet(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Incomplete) > 0 || len(f.Services) != 3 || len(f.Servers) != 8 {
		t.Errorf("%d services, %d servers, %q", len(f.Services), len(f.Servers), f.Incomplete)
	}
	if f.Services[2].Host != "c03" || f.Services[2].State != "down" {
		t.Errorf("c03 was killed: %+v", f.Services[2])
	}
	if f.At.Before(before) || f.At.After(time.Now()) {
		t.Errorf("taken at %v", f.At)
	}
	if d := cmp.Diff([]string{"os-services", live, soft, "os-services"}, c.asked); d != "" {
		t.Error(d)
	}
	if k.Compute.Microversion != "" {
		t.Errorf("the caller's client now asks in microversion %s", k.Compute.Microversion)
	}
}

// Pages are asked for at the endpoint of the catalogue, wherever links lead.
func TestPages(t *testing.T) {
	c := newCloud(t)
	const next = live + "&marker=d48ea7ab-f6d1-4ac2-b306-d22d49335596" // the recorded link names 127.0.0.1:8774
	c.nova[live] = c.replays("servers-detail-page1-limit2.json")
	c.nova["servers/detail?all_tenants=1&marker=d48ea7ab-f6d1-4ac2-b306-d22d49335596"] = c.replays("servers-detail.json")
	f, err := fleetOf(t, c)
	if err != nil || len(f.Servers) != 8 || !slices.Contains(c.asked, next) {
		t.Errorf("%v, %d servers, asked %q", err, len(f.Servers), c.asked)
	}
}

func TestNotComplete(t *testing.T) {
	const lostServers = `{"servers":[{"id":"a","status":"UNKNOWN","tenant_id":"p","created":"2026-11-22T08:56:26Z","links":[]}]}`
	const lostServices = `{"services":[{"binary":"nova-compute","host":"c9","status":"UNKNOWN"},
		{"binary":"nova-compute","host":"c1","id":"i","state":"up","status":"enabled","updated_at":"2026-11-22T08:56:57.000000","forced_down":false,"disabled_reason":null,"zone":"nova"}]}`
	for _, tc := range []struct {
		name, want string
		breaks     func(*cloud)
	}{
		{"lost cell in the servers", "UNKNOWN", func(c *cloud) { c.nova[live] = says(200, lostServers) }},
		{"lost cell in the services", `"c9" did not answer`, func(c *cloud) { c.nova["os-services"] = says(200, lostServices) }},
		{"no administrator", "no administrator", func(c *cloud) { c.role = "reader" }},
		{"hosts not told", "does not tell the host", func(c *cloud) {
			c.nova[live] = says(200, `{"servers":[{"id":"a","status":"ACTIVE","image":{"id":"i"}}]}`)
		}},
		{"lost after the lists", `"c9" did not answer`, func(c *cloud) {
			var n atomic.Int32
			c.nova["os-services"] = func(w http.ResponseWriter, _ *http.Request) {
				if n.Add(1) == 2 {
					fmt.Fprint(w, lostServices)
					return
				}
				c.replay(w, "os-services.json")
			}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newCloud(t)
			tc.breaks(c)
			f, err := fleetOf(t, c)
			if err != nil || !tells(f.Incomplete, tc.want) {
				t.Errorf("%v, %q", err, f.Incomplete)
			}
		})
	}
}

func TestErrors(t *testing.T) {
	const denied = `{"forbidden": {"code": 403, "message": "Policy doesn't allow os_compute_api:servers:detail:get_all_tenants to be performed."}}`
	for _, tc := range []struct {
		name   string
		want   error
		says   string
		breaks func(*cloud)
	}{
		{"servers denied", ErrDenied, "get_all_tenants", func(c *cloud) { c.nova[live] = says(403, denied) }},
		{"services denied", ErrDenied, "403", func(c *cloud) { c.nova["os-services"] = says(403, denied) }},
		{"unavailable in the middle", nil, "503", func(c *cloud) {
			c.nova[live] = c.replays("servers-detail-page1-limit2.json")
			c.nova["servers/detail?all_tenants=1&marker=d48ea7ab-f6d1-4ac2-b306-d22d49335596"] = says(503, "<html>"+strings.Repeat("No server is available. ", 1000))
		}},
		{"a page of a proxy", nil, "not the list", func(c *cloud) { c.nova[soft] = says(200, "<html>Sign in</html>") }},
		{"no services", imagecache.ErrNoFleet, "", func(c *cloud) { c.nova["os-services"] = says(200, `{"services":[]}`) }},
		{"no servers", imagecache.ErrNoFleet, "", func(c *cloud) {
			c.nova[live], c.nova[soft] = says(200, `{"servers":[]}`), says(200, `{"servers":[]}`)
		}},
		{"cut JSON", io.ErrUnexpectedEOF, "", func(c *cloud) { c.nova[live] = says(200, `{"servers":[{"id":"a","status":"ACTIVE"},`) }},
		{"cut connection", io.ErrUnexpectedEOF, "", func(c *cloud) {
			c.nova[live] = func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Length", "100000")
				c.replay(w, "os-services-mv2.1.json")
			}
		}},
		{"older nova", nil, "406", func(c *cloud) { c.nova["os-services"] = says(406, `{"computeFault":{}}`) }},
		{"header lost", nil, "microversion", func(c *cloud) {
			c.nova[live] = func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Del("X-OpenStack-Nova-API-Version")
				c.replay(w, "servers-detail-mv2.1.json")
			}
		}},
		{"pages in a circle", ErrPaging, "twice", func(c *cloud) {
			c.nova[live] = c.replays("servers-detail-page1-limit2.json")
			c.nova["servers/detail?all_tenants=1&marker=d48ea7ab-f6d1-4ac2-b306-d22d49335596"] = c.nova[live]
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newCloud(t)
			tc.breaks(c)
			f, err := fleetOf(t, c)
			if err == nil || tc.want != nil && !errors.Is(err, tc.want) || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("%v", err)
			}
			if len(f.Servers) > 0 || err != nil && len(err.Error()) > 1000 {
				t.Errorf("%d servers, an error of %d bytes", len(f.Servers), len(err.Error()))
			}
		})
	}
}

// A token that ends between two lists is renewed.
func TestExpiredToken(t *testing.T) {
	for at := 1; at <= 4; at++ {
		c := newCloud(t)
		c.expire = at
		f, err := fleetOf(t, c)
		if err != nil || len(f.Incomplete) > 0 || len(f.Servers) != 8 {
			t.Errorf("at request %d: %v %q", at, err, f.Incomplete)
		}
	}
}

func TestExpiredTokenOfAnother(t *testing.T) {
	c := newCloud(t)
	k := c.clients()
	k.Compute.ProviderClient.ReauthFunc = nil
	c.expire = 2
	if _, err := New(k.Compute, k.Identity).Fleet(context.Background()); !errors.Is(err, ErrDenied) {
		t.Error(err)
	}
}

// A server that takes the request and says nothing costs the timeout, no more.
func TestHangingServer(t *testing.T) {
	c := newCloud(t)
	release := make(chan struct{})
	t.Cleanup(func() { close(release) }) // before the server closes, which waits for it
	c.nova[live] = func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `{"servers":[`)
		w.(http.Flusher).Flush()
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}
	k := c.clients()
	f := New(k.Compute, k.Identity)
	f.Timeout = 300 * time.Millisecond
	if _, err := f.Fleet(context.Background()); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "within 300ms") {
		t.Error(err)
	}
	f.Timeout = 0
	ctx, cancel := context.WithCancelCause(context.Background())
	cause := errors.New("the operator went home")
	time.AfterFunc(100*time.Millisecond, func() { cancel(cause) })
	if _, err := f.Fleet(ctx); !errors.Is(err, cause) {
		t.Error(err)
	}
}

func TestWithoutKeystone(t *testing.T) {
	c := newCloud(t)
	k := c.clients()
	f, err := New(k.Compute, nil).Fleet(context.Background())
	if err != nil || len(f.Incomplete) > 0 {
		t.Errorf("the login tells the roles: %v %q", err, f.Incomplete)
	}
	reader := New(k.Compute, nil)
	reader.AdminRoles = []string{"cloud_admin"}
	if f, err := reader.Fleet(context.Background()); err != nil || !tells(f.Incomplete, "no administrator") {
		t.Errorf("%v %q", err, f.Incomplete)
	}
	if _, err := (&Fleet{}).Fleet(context.Background()); err == nil {
		t.Error("the zero Fleet asked somebody")
	}
}

func TestGlance(t *testing.T) {
	c := newCloud(t)
	k := c.clients()
	g := Glance(context.Background(), k.Image, k.Identity)
	if len(g.Incomplete) > 0 || len(g.IDs) != 4 || !slices.Contains(g.IDs, "67e3e9df-2082-4d2b-8ae6-5e2132629ed4") {
		t.Errorf("%+v", g)
	}
	c.role = "member"
	if g := Glance(context.Background(), k.Image, k.Identity); !tells(g.Incomplete, "no administrator") {
		t.Errorf("%+v", g)
	}
	c.Close()
	if g := Glance(context.Background(), k.Image, nil); len(g.Incomplete) == 0 {
		t.Errorf("%+v", g)
	}
	if g := Glance(context.Background(), nil, nil); len(g.Incomplete) == 0 {
		t.Errorf("%+v", g)
	}
}

// No error shows the password.
func TestLoginRefused(t *testing.T) {
	c := newCloud(t)
	c.Close()
	_, err := Login(context.Background(), "", c.env)
	if err == nil || strings.Contains(err.Error(), "a-secret-word") {
		t.Error(err)
	}
	auth, err := openstack.FromEnv("", c.env)
	if err != nil || strings.Contains(fmt.Sprintf("%v %+v %#v", auth, auth, auth), "a-secret-word") {
		t.Errorf("%v %#v", err, auth)
	}
	if _, err := Login(context.Background(), "", func(string) string { return "" }); err == nil {
		t.Error("logged in with nothing")
	}
}
