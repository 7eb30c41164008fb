package live

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stackmend/stackmend/bpdu"
	ports "github.com/stackmend/stackmend/bpdu/openstack"
	"github.com/stackmend/stackmend/internal/lab/openstack"
	"github.com/stackmend/stackmend/mtu"
	networks "github.com/stackmend/stackmend/mtu/openstack"
)

func (w *world) networks(t *testing.T, u openstack.User) (list []mtu.Network, unseen []string, err error) {
	t.Helper()
	k, err := networks.Login(soon(t), "", w.EnvAt(w.proxy.addr, u))
	if err != nil {
		t.Fatal(err)
	}
	return networks.Networks(soon(t), k)
}

func mtuNetworks(t *testing.T, w *world) {
	want := []string{"flat1500 1500 flat", "flat9000 9000 flat", "tun 8950 vxlan", "tun1450 1450 vxlan", "vlan 9000 vlan"}
	is := func(when string, list []mtu.Network, unseen []string, err error) {
		t.Helper()
		var got []string
		for _, n := range list {
			for _, s := range n.Segments {
				got = append(got, fmt.Sprintf("%s %d %s", n.Name, n.MTU, s.Type))
			}
		}
		slices.Sort(got)
		if err != nil || len(unseen) > 0 || !slices.Equal(got, want) {
			t.Errorf("%s: %q, unseen %q: %v", when, got, unseen, err)
		}
	}
	list, unseen, err := w.networks(t, openstack.Admin)
	is("all well", list, unseen, err)
	if w.proxy.pages("/networks") < 2 {
		t.Errorf("no further pages: %q", w.proxy.asked)
	}
	w.proxy.breaks(ends(t, w.Cloud, "/networks"))
	list, unseen, err = w.networks(t, openstack.Admin)
	is("a token that ends", list, unseen, err)
	w.proxy.breaks(busy("/networks"))
	if list, _, err := w.networks(t, openstack.Admin); err == nil || len(list) > 0 || !strings.Contains(err.Error(), "503") {
		t.Errorf("503 in the middle: %+v, %v", list, err)
	}
	w.proxy.breaks(nil)
	list, unseen, err = w.networks(t, openstack.Alice)
	if err != nil || len(list) != 1 || list[0].Name != "tun" || len(list[0].Segments) > 0 || len(unseen) == 0 {
		t.Errorf("no administrator: %+v, unseen %q: %v", list, unseen, err)
	}
}

func (w *world) owners(t *testing.T, u openstack.User) (*bpdu.Cloud, error) {
	t.Helper()
	k, err := ports.Login(soon(t), "", w.EnvAt(w.proxy.addr, u))
	if err != nil {
		t.Fatal(err)
	}
	return ports.Read(soon(t), k)
}

func bpduOwners(t *testing.T, w *world) {
	whole := func(when string, c *bpdu.Cloud, err error) {
		t.Helper()
		if err != nil || len(c.Unseen) > 0 {
			t.Fatalf("%s: %+v, %v", when, c, err)
		}
		if len(c.Ports) < 6 {
			t.Errorf("%s: %d ports", when, len(c.Ports))
		}
		// A loop is looked up by the address that sent it.
		for name, id := range w.servers {
			i := slices.IndexFunc(c.Ports, func(p bpdu.Port) bool { return p.Device == id })
			if name == "soft-deleted" || name == "shelved" {
				continue
			}
			if i < 0 {
				t.Errorf("%s: no port of %s: %+v", when, name, c.Ports)
				continue
			}
			s := c.ByMAC(c.Ports[i].MAC)
			if len(s) != 1 || s[0].Server == nil || s[0].Server.Name != name || s[0].Port.Host == "" {
				t.Errorf("%s: who has the port of %s: %+v", when, name, s)
			}
		}
	}
	c, err := w.owners(t, openstack.Admin)
	whole("all well", c, err)
	if w.proxy.pages("/ports") < 2 || w.proxy.pages("servers/detail") < 2 {
		t.Errorf("pages around the proxy: %q", w.proxy.asked)
	}
	for _, path := range []string{"/ports", "/servers/detail"} {
		w.proxy.breaks(ends(t, w.Cloud, path))
		c, err = w.owners(t, openstack.Admin)
		whole("a token that ends in "+path, c, err)
		w.proxy.breaks(busy(path))
		if c, err := w.owners(t, openstack.Admin); err == nil || !strings.Contains(err.Error(), "503") {
			t.Errorf("503 in the middle of %s: %+v, %v", path, c, err)
		}
	}
	w.proxy.breaks(nil)
	c, err = w.owners(t, openstack.Alice)
	if err != nil || len(c.Ports) != 1 || !strings.Contains(strings.Join(c.Unseen, "\n"), "no administrator") || !slices.Contains(c.Unseen, "servers: denied") {
		t.Errorf("no administrator: %+v, %v", c, err)
	}
}
