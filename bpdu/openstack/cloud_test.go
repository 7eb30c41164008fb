package openstack

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
)

// cloud answers with the files of package bpdu, one row on a page. Its fields
// break it.
type cloud struct {
	*httptest.Server
	role   string
	denied string
	broken bool
	lost   bool // a cell
}

func newCloud(t *testing.T) *cloud {
	t.Helper()
	c := &cloud{role: "admin"}
	mux := http.NewServeMux()
	token := func(w http.ResponseWriter, status int) {
		w.Header().Set("X-Subject-Token", "t")
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"token": {"user": {"id": "u", "name": "ada"}, "project": {"id": "p", "name": "ops"}, "roles": [{"name": %q}], "expires_at": "2099-01-01T00:00:00.000000Z",
			"catalog": [{"type": "network", "endpoints": [{"interface": "public", "region": "r", "region_id": "r", "url": "%[2]s/network"}]},
			{"type": "compute", "endpoints": [{"interface": "public", "region": "r", "region_id": "r", "url": "%[2]s/compute/v2.1"}]},
			{"type": "identity", "endpoints": [{"interface": "public", "region": "r", "region_id": "r", "url": "%[2]s/v3"}]}]}}`, c.role, c.URL)
	}
	mux.HandleFunc("POST /v3/auth/tokens", func(w http.ResponseWriter, _ *http.Request) { token(w, 201) })
	mux.HandleFunc("GET /v3/auth/tokens", func(w http.ResponseWriter, _ *http.Request) { token(w, 200) })
	for service, version := range map[string]string{"network": "v2.0", "compute": "v2.1"} {
		versions := func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, `{"versions": [{"id": %q, "status": "CURRENT", "links": [{"rel": "self", "href": "%s/%s/%s/"}]}]}`, version, c.URL, service, version)
		}
		mux.HandleFunc("GET /"+service+"/{$}", versions)
		mux.HandleFunc("GET /"+service+"/"+version+"/{$}", versions)
	}
	mux.HandleFunc("GET /network/v2.0/ports", c.list("ports", t))
	mux.HandleFunc("GET /compute/v2.1/servers/detail", c.list("servers", t))
	mux.HandleFunc("GET /compute/v2.1/os-services", c.services)
	c.Server = httptest.NewServer(mux)
	t.Cleanup(c.Close)
	return c
}

func (c *cloud) list(name string, t *testing.T) http.HandlerFunc {
	b, err := os.ReadFile("../testdata/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var all map[string][]json.RawMessage
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	return func(w http.ResponseWriter, r *http.Request) {
		at := 0
		fmt.Sscan(r.URL.Query().Get("marker"), &at)
		switch {
		case c.denied == name:
			http.Error(w, "no", http.StatusForbidden)
			return
		case c.broken && at == 1:
			fmt.Fprint(w, "<html>")
			return
		}
		w.Header().Set("Content-Type", "application/json")
		next := ""
		if at+1 < len(all[name]) {
			next = fmt.Sprintf(`{"rel": "next", "href": "%s%s?marker=%d&all_tenants=true"}`, c.URL, r.URL.Path, at+1)
		}
		fmt.Fprintf(w, `{%q: [%s], "%s_links": [%s]}`, name, all[name][at], name, next)
	}
}

// services answers as nova does where a cell is lost
// (https://docs.openstack.org/api-guide/compute/down_cells.html).
func (c *cloud) services(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-OpenStack-Nova-API-Version", r.Header.Get("X-OpenStack-Nova-API-Version"))
	rows := `{"binary": "nova-compute", "host": "node1", "id": "i", "state": "up", "status": "enabled"}`
	if c.lost {
		rows += `, {"binary": "nova-compute", "host": "node2", "status": "UNKNOWN"}`
	}
	fmt.Fprintf(w, `{"services": [%s]}`, rows)
}

func (c *cloud) login(t *testing.T) Clients {
	t.Helper()
	env := map[string]string{"OS_AUTH_URL": c.URL + "/v3", "OS_USERNAME": "ada", "OS_PASSWORD": "x", "OS_PROJECT_NAME": "ops",
		"OS_USER_DOMAIN_ID": "default", "OS_PROJECT_DOMAIN_ID": "default", "OS_REGION_NAME": "r"}
	clients, err := Login(t.Context(), "", func(k string) string { return env[k] })
	if err != nil {
		t.Fatal(err)
	}
	return clients
}

func TestRead(t *testing.T) {
	c := newCloud(t)
	got, err := Read(t.Context(), c.login(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Ports) != 4 || len(got.Servers) != 2 || len(got.Unseen) != 0 {
		t.Fatalf("%+v", got)
	}
	if s := got.ByMAC("fa:16:3e:24:e7:22"); len(s) != 1 || s[0].Server == nil || s[0].Server.User != "eve" || s[0].Port.Host != "node1" {
		t.Errorf("%+v", s)
	}
}

func TestDenied(t *testing.T) {
	c := newCloud(t)
	c.role, c.denied = "member", "servers"
	got, err := Read(t.Context(), c.login(t))
	if err != nil {
		t.Fatal(err)
	}
	if u := strings.Join(got.Unseen, "\n"); !strings.Contains(u, "no administrator") || !strings.Contains(u, "servers: denied") {
		t.Errorf("unseen: %q", u)
	}
}

func TestBroken(t *testing.T) {
	c := newCloud(t)
	c.broken = true
	if got, err := Read(t.Context(), c.login(t)); err == nil {
		t.Errorf("half of the ports, and no error: %+v", got)
	}
}

func TestLostCell(t *testing.T) {
	c := newCloud(t)
	c.lost = true
	got, err := Read(t.Context(), c.login(t))
	if err != nil || len(got.Servers) != 2 || len(got.Unseen) != 1 || !strings.Contains(got.Unseen[0], "node2") {
		t.Errorf("%+v, %v", got, err)
	}
}
