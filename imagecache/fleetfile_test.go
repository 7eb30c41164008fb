package imagecache

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var taken = time.Date(2026, 11, 22, 8, 57, 0, 0, time.UTC)

// servicesOf and serversOf read a recorded answer, as if kept at taken.
func servicesOf(t testing.TB, name string) List {
	return listOf(t, name, func(s string) (List, error) { return ParseServices(strings.NewReader(s)) })
}

func serversOf(t testing.TB, name string) List {
	return listOf(t, name, func(s string) (List, error) { return ParseServers(strings.NewReader(s)) })
}

func listOf(t testing.TB, name string, parse func(string) (List, error)) List {
	t.Helper()
	l, err := parse(recorded(t, name))
	if err != nil {
		t.Fatal(err)
	}
	l.At = taken
	return l
}

func recorded(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile("testdata/api/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestFleetOfRealLists(t *testing.T) {
	f, err := JoinFleet(servicesOf(t, "os-services.json"), serversOf(t, "servers-detail.json"), serversOf(t, "servers-detail.json"))
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Incomplete) > 0 {
		t.Errorf("not complete: %q", f.Incomplete)
	}
	beat := time.Date(2026, 11, 22, 8, 56, 57, 0, time.UTC)
	want := []Service{
		{Host: "c01", State: "up", Status: "enabled", Updated: beat},
		{Host: "c02", State: "up", Status: "enabled", Updated: beat},
		{Host: "c03", State: "down", Status: "enabled", Updated: beat.Add(-30 * time.Second)},
	}
	if d := cmp.Diff(want, f.Services); d != "" {
		t.Error(d)
	}
	if len(f.Servers) != 8 {
		t.Errorf("%d servers, want 8", len(f.Servers))
	}
	bfv := slices.IndexFunc(f.Servers, func(s Server) bool { return s.Name == "s7-bfv" })
	want7 := Server{ID: "d48ea7ab-f6d1-4ac2-b306-d22d49335596", Name: "s7-bfv", Host: "c01", Status: "ACTIVE", VolumesAttached: true}
	if d := cmp.Diff(want7, f.Servers[bfv]); d != "" {
		t.Error(d)
	}
	alice := slices.IndexFunc(f.Servers, func(s Server) bool { return s.Name == "s8-alice" })
	if got := f.Servers[alice]; got.Host != "c03" || got.Image != "4de94ac8-591b-46fb-9cd8-abd612cda6b9" {
		t.Errorf("s8-alice: %+v", got)
	}
}

func TestMicroversions(t *testing.T) {
	for _, mv := range []string{"-mv2.1", "-mv2.11", "-mv2.53", "", "-mv2.93"} {
		if l := servicesOf(t, "os-services"+mv+".json"); len(l.Services) != 3 || len(l.Incomplete) > 0 {
			t.Errorf("services%s: %+v", mv, l)
		}
	}
	for mv, old := range map[string]bool{"-mv2.1": true, "-mv2.53": true, "": false, "-mv2.93": false} {
		l := serversOf(t, "servers-detail"+mv+".json")
		if len(l.Servers) != 8 || tells(l.Incomplete, "below microversion 2.69") != old {
			t.Errorf("servers%s: %d, %q", mv, len(l.Servers), l.Incomplete)
		}
	}
}

func tells(why []string, part string) bool {
	return slices.ContainsFunc(why, func(s string) bool { return strings.Contains(s, part) })
}

func TestListsThatAreNotWhole(t *testing.T) {
	servers, services := recorded(t, "servers-detail.json"), recorded(t, "os-services.json")
	const lost = `{"servers":[{"id":"a","status":"UNKNOWN","tenant_id":"p","created":"2026-11-22T08:56:26Z","links":[]}]}`
	for _, c := range []struct{ name, servers, services, want string }{
		{name: "cut", servers: servers[:len(servers)/2], want: "ends in the middle"},
		{name: "cut", services: services[:len(services)-60], want: "ends in the middle"},
		{name: "last brace missing", services: strings.TrimRight(services, " \n}"), want: "ends in the middle"},
		{name: "page", servers: recorded(t, "servers-detail-page1-limit2.json"), want: "further page"},
		{name: "lost cell", servers: lost, want: "UNKNOWN"},
		{name: "lost cell", services: `{"services":[{"binary":"nova-compute","host":"c9","status":"UNKNOWN"}]}`, want: `"c9" did not answer`},
		{name: "no admin", servers: strings.ReplaceAll(servers, "OS-EXT-SRV-ATTR:host\"", "x\""), want: "admin role"},
		{name: "one project", servers: strings.ReplaceAll(servers, "02d2de2756064b3f877456cb029d2145", "cedfb3f455a44a9c8da1ccb0ccdd150c"), want: "one project"},
		{name: "old", servers: `{"microversion":"2.68",` + servers[1:], want: `"2.68"`},
		{name: "old", services: `{"microversion":"2.1",` + services[1:], want: `"2.1"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, err := ParseServers(strings.NewReader(c.servers))
			if c.services != "" {
				l, err = ParseServices(strings.NewReader(c.services))
			}
			if err != nil || !tells(l.Incomplete, c.want) {
				t.Errorf("%v %q", err, l.Incomplete)
			}
		})
	}
}

func TestNoLists(t *testing.T) {
	for _, s := range []string{
		"", "null", "[]", "{}", `"x"`, `{"servers":[]}`, `{"servers":{}}`, `{"servers":[[]]}`, `{"servers":[{"name":"without id"}]}`,
		`{"servers":[{"id":"a","image":{}}]}`, `{"servers":[{"id":"a","image":7}]}`, `{"servers":[{"id":"a"}],"at":"yesterday"}`,
		`{"forbidden": {"code": 403, "message": "Policy doesn't allow os_compute_api:servers:detail:get_all_tenants to be performed."}}`,
		`{"error": {"code": 401, "message": "The request you have made requires authentication.", "title": "Unauthorized"}}`,
		`{"servers":[{"id":"a"}]}{"servers":[]}`, `<html>504 Gateway Time-out</html>`, "\x1f\x8b\x08\x00", "\xff\xfe{",
		`{"servers":[{"id":"a","name":"` + strings.Repeat("x", 5<<20) + `"}]}`,
	} {
		if l, err := ParseServers(strings.NewReader(s)); !errors.Is(err, ErrNoFleet) {
			t.Errorf("servers %.60q: %v, %+v", s, err, l)
		}
	}
	for _, s := range []string{
		"", `{"services":[]}`, `{"services":[{"binary":"nova-conductor","host":"c"}]}`, `{"services":[{"binary":"nova-compute"}]}`,
		`{"services":[{"binary":"nova-compute","host":"c","updated_at":"noon"}]}`, recorded(t, "servers-detail.json"),
	} {
		if l, err := ParseServices(strings.NewReader(s)); !errors.Is(err, ErrNoFleet) {
			t.Errorf("services %.60q: %v, %+v", s, err, l)
		}
	}
	_, err := ParseServers(strings.NewReader(`{"forbidden": {"code": 403, "message": "Policy"}}`))
	if err == nil || !strings.Contains(err.Error(), "403 forbidden: Policy") {
		t.Errorf("the refusal of the API is not told: %v", err)
	}
}

func TestJoinFleet(t *testing.T) {
	services := servicesOf(t, "os-services.json")
	asked := func(query string) List {
		l, err := ParseServers(strings.NewReader(`{"query":"` + query + `","at":"2026-11-22T08:56:58Z",` + recorded(t, "servers-detail.json")[1:]))
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	live, soft, unsaid := asked("all_tenants=1"), asked("all_tenants=True&soft_deleted=true"), serversOf(t, "servers-detail.json")
	for _, c := range []struct {
		name  string
		lists []List
		want  string
	}{
		{"both said", []List{live, soft}, ""},
		{"one said", []List{unsaid, soft}, ""},
		{"other said", []List{live, unsaid}, ""},
		{"one", []List{unsaid}, "soft_deleted"},
		{"live twice", []List{live, live}, "soft_deleted"},
		{"soft twice", []List{soft, soft}, "nothing else"},
		{"own project", []List{asked(""), soft}, "without all_tenants"},
		{"limited", []List{live, soft, asked("all_tenants=1&limit=5")}, "filtered"},
	} {
		f, err := JoinFleet(services, c.lists...)
		if err != nil {
			t.Fatal(err)
		}
		if whole := len(f.Incomplete) == 0; whole != (c.want == "") || !whole && !tells(f.Incomplete, c.want) {
			t.Errorf("%s: %q", c.name, f.Incomplete)
		}
		if len(f.Servers) != 8 {
			t.Errorf("%s: %d servers", c.name, len(f.Servers))
		}
	}
	if f, _ := JoinFleet(services, live, soft); !f.At.Equal(taken.Add(-2 * time.Second)) {
		t.Errorf("taken at %v", f.At)
	}
	undated := unsaid
	undated.At = time.Time{}
	for _, lists := range [][]List{nil, {undated, live}} {
		if _, err := JoinFleet(services, lists...); !errors.Is(err, ErrNoFleet) {
			t.Errorf("%d lists: %v", len(lists), err)
		}
	}
}

// A server that moved between the lists counts for both its hosts.
func TestMovedServerCountsTwice(t *testing.T) {
	services, a := servicesOf(t, "os-services.json"), serversOf(t, "servers-detail.json")
	b := a
	b.Servers = slices.Clone(a.Servers)
	b.Servers[0].Host = "c02"
	f, err := JoinFleet(services, a, b)
	if err != nil || len(f.Servers) != 9 {
		t.Errorf("%v, %d servers", err, len(f.Servers))
	}
}

func FuzzParseServers(f *testing.F) {
	f.Add(recorded(f, "servers-detail-page1-limit2.json"))
	f.Add(`{"servers":[{"id":"a","status":"UNKNOWN"}],"servers_links":[{"rel":"next","href":"x"}],"query":"%zz"}`)
	f.Fuzz(func(t *testing.T, s string) {
		l, err := ParseServers(strings.NewReader(s))
		if (err == nil) != (len(l.Servers) > 0) {
			t.Errorf("%v with %d servers", err, len(l.Servers))
		}
		if err != nil && !errors.Is(err, ErrNoFleet) {
			t.Error(err)
		}
	})
}

func FuzzParseServices(f *testing.F) {
	f.Add(recorded(f, "os-services.json"))
	f.Add(recorded(f, "os-services-mv2.1.json"))
	f.Fuzz(func(t *testing.T, s string) {
		l, err := ParseServices(strings.NewReader(s))
		if (err == nil) != (len(l.Services) > 0) {
			t.Errorf("%v with %d services", err, len(l.Services))
		}
		for _, v := range l.Services {
			if v.Host == "" {
				t.Error("a compute without a name")
			}
		}
	})
}

// TestFleetFiles: what the API answers has no date of its own, so it was taken
// when its file was written; the older file counts.
func TestFleetFiles(t *testing.T) {
	dir := t.TempDir()
	at := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	put := func(name, text string, age time.Duration) string {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(path, []byte(text), 0o600), os.Chtimes(path, at.Add(-age), at.Add(-age))); err != nil {
			t.Fatal(err)
		}
		return path
	}
	services := put("services.json", `{"services": [{"id": "1", "binary": "nova-compute", "host": "c01", "state": "up", "status": "enabled"}]}`, 0)
	server := `{"servers": [{"id": "s1", "name": "a", "status": "ACTIVE", "OS-EXT-SRV-ATTR:host": "c01", "tenant_id": "p"}]}`
	servers := put("servers.json", server, time.Hour)
	f, err := FleetFiles(services, servers, put("soft-deleted.json", server, 0)).Fleet(t.Context())
	if err != nil || !f.At.Equal(at.Add(-time.Hour)) || len(f.Services) != 1 || len(f.Servers) == 0 {
		t.Errorf("%v, at %v: %+v", err, f.At, f)
	}
	if _, err := FleetFiles(services, filepath.Join(dir, "absent")).Fleet(t.Context()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("absent: %v", err)
	}
	if _, err := FleetFiles(put("cut.json", `{"itemNotFound": {}}`, 0), servers).Fleet(t.Context()); !errors.Is(err, ErrNoFleet) || !strings.Contains(err.Error(), "cut.json") {
		t.Errorf("an error of the API: %v", err)
	}
}
