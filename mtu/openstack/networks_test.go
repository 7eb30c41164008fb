package openstack

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/stackmend/stackmend/mtu"
)

// cloud answers with the recorded list, one network on a page.
type cloud struct {
	*httptest.Server
	role   string
	broken http.HandlerFunc // in place of the second page
	rows   []json.RawMessage
}

func newCloud(t *testing.T) *cloud {
	t.Helper()
	b, err := os.ReadFile("../testdata/api/networks.json")
	var list struct{ Networks []json.RawMessage }
	if err == nil {
		err = json.Unmarshal(b, &list)
	}
	if err != nil || len(list.Networks) < 2 {
		t.Fatalf("%d networks: %v", len(list.Networks), err)
	}
	c := &cloud{role: "admin", rows: list.Networks}
	mux := http.NewServeMux()
	token := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { c.token(w, status) }
	}
	mux.HandleFunc("POST /v3/auth/tokens", token(http.StatusCreated))
	mux.HandleFunc("GET /v3/auth/tokens", token(http.StatusOK))
	mux.HandleFunc("GET /network/{$}", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"versions": [{"id": "v2.0", "status": "CURRENT", "links": [{"rel": "self", "href": "%s/network/v2.0/"}]}]}`, c.URL)
	})
	mux.HandleFunc("GET /network/v2.0/networks", c.list)
	c.Server = httptest.NewServer(mux)
	t.Cleanup(c.Close)
	return c
}

func (c *cloud) token(w http.ResponseWriter, status int) {
	w.Header().Set("X-Subject-Token", "t")
	w.WriteHeader(status)
	entry := `{"type": %q, "endpoints": [{"interface": "public", "region": "r", "region_id": "r", "url": "%s/%s"}]}`
	fmt.Fprintf(w, `{"token": {"user": {"id": "u", "name": "ada"}, "project": {"id": "p", "name": "ops"}, "roles": [{"name": %q}],
		"expires_at": "2099-01-01T00:00:00.000000Z", "catalog": [%s, %s]}}`, c.role,
		fmt.Sprintf(entry, "network", c.URL, "network"), fmt.Sprintf(entry, "identity", c.URL, "v3"))
}

func (c *cloud) list(w http.ResponseWriter, r *http.Request) {
	page := 0
	if m := r.URL.Query().Get("marker"); m != "" {
		fmt.Sscan(m, &page)
	}
	if page == 1 && c.broken != nil {
		c.broken(w, r)
		return
	}
	body := map[string]any{"networks": c.rows[page : page+1]}
	if page+1 < len(c.rows) {
		body["networks_links"] = []any{map[string]string{"rel": "next", "href": fmt.Sprintf("https://elsewhere.example/v2.0/networks?marker=%d", page+1)}}
	}
	_ = json.NewEncoder(w).Encode(body)
}

func (c *cloud) networks(t *testing.T) ([]mtu.Network, []string, error) {
	t.Helper()
	env := map[string]string{"OS_AUTH_URL": c.URL + "/v3", "OS_USERNAME": "ada", "OS_PASSWORD": "a-secret-word",
		"OS_USER_DOMAIN_NAME": "Default", "OS_PROJECT_NAME": "ops", "OS_PROJECT_DOMAIN_NAME": "Default"}
	clients, err := Login(t.Context(), "", func(k string) string { return env[k] })
	if err != nil {
		t.Fatal(err)
	}
	return Networks(t.Context(), clients)
}

func TestEveryPage(t *testing.T) {
	c := newCloud(t)
	got, unseen, err := c.networks(t)
	if err != nil || len(got) != len(c.rows) || len(unseen) > 0 {
		t.Fatalf("%d of %d networks, unseen %q: %v", len(got), len(c.rows), unseen, err)
	}
	seen := map[string]bool{}
	for _, n := range got {
		for _, s := range n.Segments {
			seen[fmt.Sprintf("%s %d", s.Type, n.MTU)] = true
		}
	}
	for _, want := range []string{"flat 9000", "flat 1500", "vlan 9000", "vxlan 8950", "vxlan 1450"} {
		if !seen[want] {
			t.Errorf("no network is %s: %v", want, seen)
		}
	}
}

func TestNoAdministrator(t *testing.T) {
	c := newCloud(t)
	c.role = "member"
	if _, unseen, err := c.networks(t); err != nil || len(unseen) != 1 || !strings.Contains(unseen[0], "no administrator") {
		t.Errorf("unseen %q: %v", unseen, err)
	}
}

func TestBrokenInTheMiddle(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"503": func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "<html>busy</html>", http.StatusServiceUnavailable)
		},
		"403":     func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "{}", http.StatusForbidden) },
		"cut":     func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"networks": [{"id": "a"`) },
		"no list": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{}`) },
		"a circle": func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"networks": [], "networks_links": [{"rel": "next", "href": "x?marker=1"}]}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCloud(t)
			c.broken = h
			got, _, err := c.networks(t)
			if err == nil || len(got) > 0 {
				t.Errorf("%d networks: %v", len(got), err)
			}
			if name == "403" && !errors.Is(err, ErrDenied) {
				t.Errorf("%v is not ErrDenied", err)
			}
		})
	}
}
