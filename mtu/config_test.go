package mtu

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stackmend/stackmend"
)

const neutronConf = `[DEFAULT]
global_physnet_mtu = 9000

[ml2]
path_mtu = 0
physical_network_mtus = physnet1:1500, physnet2:8900
overlay_ip_version = 6

[ml2_type_geneve]
max_header_size = 38

[linux_bridge]
physical_interface_mappings = physnet1:vlan20,physnet2:bond0
`

const networksJSONText = `{"networks": [
 {"id": "11111111-1111-4111-8111-111111111111", "name": "tenants", "mtu": 1500, "provider:network_type": "vlan", "provider:physical_network": "physnet1", "provider:segmentation_id": 100},
 {"id": "22222222-2222-4222-8222-222222222222", "name": "old", "mtu": 1450, "provider:network_type": "vxlan", "provider:physical_network": null, "provider:segmentation_id": 7},
 {"id": "33333333-3333-4333-8333-333333333333", "name": "multi", "mtu": 1500, "segments": [{"provider:network_type": "flat", "provider:physical_network": "physnet2"}]}
]}`

func neutron(t testing.TB, text string) Config {
	t.Helper()
	c, err := ReadNeutron(fstest.MapFS{"ml2_conf.ini": {Data: []byte(text)}}, "ml2_conf.ini")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestSegmentMTU has the figures that neutron's own drivers give.
func TestSegmentMTU(t *testing.T) {
	c := neutron(t, neutronConf)
	v4 := neutron(t, "[DEFAULT]\nglobal_physnet_mtu = 9000\n")
	tight := neutron(t, "[DEFAULT]\nglobal_physnet_mtu = 9000\n[ml2]\npath_mtu = 1550\n")
	unset := Config{}
	for _, x := range []struct {
		c    Config
		s    Segment
		want int
	}{
		{v4, Segment{Type: "flat"}, 9000},
		{v4, Segment{Type: "vxlan"}, 8950},
		{v4, Segment{Type: "gre"}, 8958},
		{v4, Segment{Type: "geneve"}, 8950},
		{c, Segment{Type: "vlan", Physnet: "physnet1"}, 1500},
		{c, Segment{Type: "vlan", Physnet: "physnet3"}, 9000},
		{c, Segment{Type: "vxlan"}, 8930},
		{c, Segment{Type: "geneve"}, 8922},
		{tight, Segment{Type: "vxlan"}, 1500},
		{unset, Segment{Type: "vxlan"}, 1450},
		{unset, Segment{Type: "vlan"}, 1500},
	} {
		if got, err := x.c.SegmentMTU(x.s); err != nil || got != x.want {
			t.Errorf("%+v: %d, %v; want %d", x.s, got, err, x.want)
		}
	}
	if _, err := unset.SegmentMTU(Segment{Type: "carrier pigeon"}); err == nil {
		t.Error("an unknown type was reckoned")
	}
}

func TestBadConfigIsAnError(t *testing.T) {
	for _, text := range []string{
		"[DEFAULT]\nglobal_physnet_mtu = many\n", "[ml2]\npath_mtu = -1\n", "[ml2]\nphysical_network_mtus = physnet1\n",
		"[ml2]\nphysical_network_mtus = physnet1:x\n", "[linux_bridge]\nphysical_interface_mappings = eth0\n", "no section\n",
	} {
		if _, err := ReadNeutron(fstest.MapFS{"x": {Data: []byte(text)}}, "x"); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
	if _, err := ReadNova(fstest.MapFS{}, "nova.conf"); err == nil {
		t.Error("a missing file was accepted")
	}
	if _, err := ReadNova(fstest.MapFS{}); err == nil {
		t.Error("no file was accepted")
	}
}

// TestTodaysForm is the story with Neutron: a physical network of VLAN
// networks is mapped onto a VLAN interface.
func TestTodaysForm(t *testing.T) {
	networks, err := ReadNetworks(strings.NewReader(networksJSONText), "networks.json")
	if err != nil {
		t.Fatal(err)
	}
	h := Host{Name: "c1", Source: "netlink", Links: []Link{
		{Name: "eth0", Index: 1, MTU: 1500, Up: true, Carrier: true},
		{Name: "bond0", Index: 2, Kind: Bond, MTU: 1500, Up: true},
		{Name: "vlan20", Index: 3, Kind: VLAN, Parent: 2, Tag: Tag{ID: 20}, MTU: 1500, Up: true},
	}}
	h.Links[0].Master = 2
	c := neutron(t, neutronConf)
	r := Check(&Snapshot{Hosts: []Host{h}, Wires: []Wire{{From: Port{"c1", "eth0"}, Frame: 1518, Source: "switch"}}, Configs: []Config{c}, Networks: networks})
	wantCodes(t, r,
		"vlan-interface-is-vlan fail c1/vlan20",
		"config-mtu-above-link fail c1/bond0",
		"network-mtu-above-path fail tenants (11111111-1111-4111-8111-111111111111)",
		"network-mtu-stale warn old (22222222-2222-4222-8222-222222222222)",
		"network-mtu-stale warn multi (33333333-3333-4333-8333-333333333333)",
	)
	if m := r.Findings[2].Message; !strings.Contains(m, "takes 1496") {
		t.Error(m)
	}
	if m := r.Findings[0].Message; !strings.Contains(m, "ml2_conf.ini:13") || !strings.Contains(m, "1 VLAN networks on physnet1") {
		t.Error(m)
	}
}

func TestUnderlayVersion(t *testing.T) {
	hosts := []Host{links(t, "h", "kinds.json")}
	for i := range hosts[0].Links {
		l := &hosts[0].Links[i]
		l.Up = l.Name == "vx6" || l.Name == "dum0" || l.Name == "vxn"
	}
	r := Check(&Snapshot{Hosts: hosts, Configs: []Config{neutron(t, "[DEFAULT]\nglobal_physnet_mtu = 9000\n[ml2]\npath_mtu = 0\noverlay_ip_version = 4\n")}})
	wantCodes(t, r,
		"tunnel-without-headroom fail h/vxn",
		"path-mtu-too-small fail h/dum0",
		"underlay-ip-version fail h/vx6",
		"config-mtu-above-link fail h/dum0",
	)
	if m := r.Findings[3].Message; !strings.Contains(m, "path_mtu is 0") {
		t.Error(m)
	}
}

func TestNetworksMustBeWhole(t *testing.T) {
	for _, text := range []string{
		"", "{}", "[]", networksJSONText[:200],
		`{"networks": [], "networks_links": [{"rel": "next", "href": "https://neutron/v2.0/networks?marker=1"}]}`,
		`{"networks": [{"id": "", "mtu": 1500}]}`, `{"networks": [{"id": "x", "mtu": -5}]}`,
	} {
		if n, err := ReadNetworks(strings.NewReader(text), "x"); err == nil {
			t.Errorf("%q was read as %v", text, n)
		}
	}
	if n, err := ReadNetworks(strings.NewReader(networksJSONText+networksJSONText), "x"); err != nil || len(n) != 6 {
		t.Errorf("two pages: %d, %v", len(n), err)
	}
}

func TestNothingIsUnknown(t *testing.T) {
	r := Check(&Snapshot{})
	wantCodes(t, r, "nothing-observed unknown snapshot")
	if r.Status != stackmend.Unknown {
		t.Error(r.Status)
	}
}

func TestNovaDiff(t *testing.T) {
	fsys := fstest.MapFS{"etc/nova/nova.conf": {Data: []byte("[DEFAULT]\ndebug = true\nvlan_interface = vlan20\n")}}
	c, err := ReadNova(fsys, "etc/nova/nova.conf")
	if err != nil {
		t.Fatal(err)
	}
	d, err := NovaDiff(fsys, c, links(t, "cmp", "bad-cmp.ip-d-j-link.json"))
	want := "--- a/etc/nova/nova.conf\n+++ b/etc/nova/nova.conf\n@@ -3 +3 @@\n-vlan_interface = vlan20\n+vlan_interface = bond0\n"
	if err != nil || d != want {
		t.Errorf("%v\n%s", err, d)
	}
	fsys["etc/nova/nova.conf"].Data = []byte("[DEFAULT]\n\nvlan_interface = eth7\n")
	if d, err := NovaDiff(fsys, c, links(t, "cmp", "bad-cmp.ip-d-j-link.json")); err == nil {
		t.Errorf("a file that changed: %s", d)
	}
}

// TestNetworksWithoutProviderAreUnknown: what a reader who is no administrator
// gets is not health.
func TestNetworksWithoutProviderAreUnknown(t *testing.T) {
	s := &Snapshot{Networks: []Network{{ID: "a", MTU: 1500}}, Configs: []Config{neutron(t, neutronConf)}}
	wantCodes(t, Check(s), "path-not-seen unknown a")
	s = &Snapshot{Networks: []Network{{ID: "a", MTU: 1500, Segments: []Segment{{Type: "vlan", Physnet: "p", ID: 3}}}}}
	wantCodes(t, Check(s), "path-not-seen unknown a")
}
