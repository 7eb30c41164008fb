package live

import (
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/imagecache"
	api "github.com/stackmend/stackmend/imagecache/openstack"
	"github.com/stackmend/stackmend/internal/lab/openstack"
)

// clients logs in at the proxy.
func (w *world) imageClients(t *testing.T, u openstack.User) api.Clients {
	t.Helper()
	k, err := api.Login(soon(t), "", w.EnvAt(w.proxy.addr, u))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func (w *world) fleet(t *testing.T) (imagecache.Fleet, error) {
	t.Helper()
	k := w.imageClients(t, openstack.Admin)
	return api.New(k.Compute, k.Identity).Fleet(soon(t))
}

// Every server is in the list, whatever became of it, its image or its host.
func imagecacheWhole(t *testing.T, w *world) {
	f, err := w.fleet(t)
	if err != nil {
		t.Fatal(err)
	}
	w.sees(t, f)
	if len(f.Services) != 3 || len(f.Incomplete) > 0 {
		t.Errorf("services %+v, incomplete %q", f.Services, f.Incomplete)
	}
	if w.proxy.pages("servers/detail") < 2 {
		t.Errorf("no further pages: %q", w.proxy.asked)
	}
	k := w.imageClients(t, openstack.Admin)
	g := api.Glance(soon(t), k.Image, k.Identity)
	if len(g.Incomplete) > 0 || len(g.IDs) != 3 || slices.Contains(g.IDs, w.Image("snapshot")) {
		t.Errorf("%+v", g)
	}
}

// sees compares the fleet with what was booted.
func (w *world) sees(t *testing.T, f imagecache.Fleet) {
	t.Helper()
	byName := map[string]imagecache.Server{}
	for _, s := range f.Servers {
		byName[s.Name] = s
	}
	for name, id := range w.servers {
		if byName[name].ID != id {
			t.Errorf("%s is missing: %+v", name, byName[name])
		}
	}
	if len(f.Servers) != len(w.servers) {
		t.Errorf("%d servers, want %d", len(f.Servers), len(w.servers))
	}
	for name, want := range map[string]imagecache.Server{
		"on-c01":       {Host: "c01", Status: "ACTIVE", Image: w.Image("base-a")},
		"of-snapshot":  {Host: "c02", Status: "ACTIVE", Image: w.Image("snapshot")},
		"from-volume":  {Host: "c01", Status: "ACTIVE", VolumesAttached: true},
		"shelved":      {Status: "SHELVED_OFFLOADED", Image: w.Image("base-a")},
		"soft-deleted": {Host: "c01", Status: "SOFT_DELETED", Image: w.Image("base-a")},
	} {
		want.ID, want.Name = w.servers[name], name
		if byName[name] != want {
			t.Errorf("%s: %+v, want %+v", name, byName[name], want)
		}
	}
}

func (w *world) observe(t *testing.T) (imagecache.Site, *api.Fleet, *imagecache.Snapshot) {
	t.Helper()
	k := w.imageClients(t, openstack.Admin)
	fleet := api.New(k.Compute, k.Identity)
	site := imagecache.Site{Dir: w.Instances(), Quarantine: filepath.Join(w.Instances(), "_quarantine")}
	s, err := imagecache.Observe(soon(t), site, imagecache.Sources{Fleet: fleet, Glance: api.Glance(soon(t), k.Image, k.Identity)})
	if err != nil {
		t.Fatal(err)
	}
	return site, fleet, s
}

// age makes every base image old enough to be taken away.
func (w *world) age(t *testing.T) {
	t.Helper()
	bases, err := filepath.Glob(filepath.Join(w.Instances(), "_base", "*"))
	if err != nil || len(bases) == 0 {
		t.Fatalf("no base images: %v", err)
	}
	old := time.Now().AddDate(0, -2, 0)
	for _, b := range bases {
		if err := os.Chtimes(b, old, old); err != nil {
			t.Fatal(err)
		}
	}
}

func base(image string) string {
	sum := sha1.Sum([]byte(image))
	return hex.EncodeToString(sum[:])
}

// registered waits until every compute is in nova's registry of who uses the
// storage.
func (w *world) registered(t *testing.T) {
	t.Helper()
	path := filepath.Join(w.Instances(), "compute_nodes")
	for end := time.Now().Add(3 * time.Minute); ; time.Sleep(200 * time.Millisecond) {
		b, err := os.ReadFile(path)
		if err == nil && !slices.ContainsFunc(openstack.Computes, func(h string) bool { return !strings.Contains(string(b), h) }) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("compute_nodes: %s: %v", b, err)
		}
	}
}

// Of all base images the one is taken whose only server is gone; not that of
// the server whose image is gone, of a shelved one, or of a soft-deleted one.
func imagecachePlan(t *testing.T, w *world) {
	w.registered(t)
	w.age(t)
	site, fleet, s := w.observe(t)
	p, err := imagecache.Quarantine(s, imagecache.Policy{})
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Refusals) > 0 || len(p.Steps) != 1 || !strings.Contains(p.Steps[0].Target, base(w.Image("unused"))) {
		t.Fatalf("refusals %q, steps %+v, kept %+v", p.Refusals, p.Steps, p.Kept)
	}
	a, err := imagecache.NewApplier(site, fleet)
	if err != nil {
		t.Fatal(err)
	}
	r, err := stackmend.Run(soon(t), p, a, stackmend.Options{Mode: stackmend.Apply})
	if err != nil || len(r.Outcomes) != 1 || r.Outcomes[0].State != stackmend.Done {
		t.Fatalf("%+v: %v", r.Outcomes, err)
	}
	for name, there := range map[string]bool{"unused": false, "snapshot": true, "base-a": true, "base-b": true} {
		if _, err := os.Stat(filepath.Join(w.Instances(), "_base", base(w.Image(name)))); (err == nil) != there {
			t.Errorf("the base image of %s: %v", name, err)
		}
	}
}

// A list that breaks in the middle is an error; a token that ends is renewed;
// who may not ask is told so.
func imagecacheFaults(t *testing.T, w *world) {
	w.proxy.breaks(busy("/servers/detail"))
	if f, err := w.fleet(t); err == nil || !strings.Contains(err.Error(), "503") || len(f.Servers) > 0 {
		t.Errorf("503 in the middle: %d servers, %v", len(f.Servers), err)
	}
	w.proxy.breaks(busy("/images"))
	k := w.imageClients(t, openstack.Admin)
	if g := api.Glance(soon(t), k.Image, k.Identity); len(g.Incomplete) == 0 || !strings.Contains(g.Incomplete[0], "503") {
		t.Errorf("503 in the middle of the images: %+v", g)
	}
	w.proxy.breaks(ends(t, w.Cloud, "/servers/detail"))
	f, err := w.fleet(t)
	if err != nil || len(f.Incomplete) > 0 {
		t.Errorf("a token that ends: %v, %q", err, f.Incomplete)
	}
	w.sees(t, f)
	w.proxy.breaks(nil)
	k = w.imageClients(t, openstack.Alice)
	if _, err := api.New(k.Compute, k.Identity).Fleet(soon(t)); !errors.Is(err, api.ErrDenied) {
		t.Errorf("no administrator: %v", err)
	}
	if g := api.Glance(soon(t), k.Image, k.Identity); len(g.Incomplete) == 0 {
		t.Errorf("no administrator, and the images are all: %+v", g)
	}
	w.proxy.breaks(oldNova)
	if _, err := w.fleet(t); err == nil || !strings.Contains(err.Error(), "microversion") {
		t.Errorf("the microversion got lost on its way: %v", err)
	}
}

// oldNova loses the header that names the microversion, as some proxies do.
func oldNova(_ http.ResponseWriter, r *http.Request) bool {
	r.Header.Del("X-OpenStack-Nova-API-Version")
	r.Header.Del("OpenStack-API-Version")
	return false
}

// refuses looks for a plan without steps that says why.
func refuses(t *testing.T, s *imagecache.Snapshot, why string) {
	t.Helper()
	p, err := imagecache.Quarantine(s, imagecache.Policy{})
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Steps) > 0 && len(p.Refusals) == 0 || !strings.Contains(strings.Join(p.Refusals, "\n"), why) {
		t.Errorf("no refusal with %q: %q, steps %+v", why, p.Refusals, p.Steps)
	}
	r, err := imagecache.Check(s, imagecache.Policy{})
	if err != nil || r.Status == stackmend.OK {
		t.Errorf("status %v: %v", r.Status, err)
	}
}
