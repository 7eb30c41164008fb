package mtu

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"
)

// seeds adds real files, whole and cut in the middle.
func seeds(f *testing.F, pattern string) {
	f.Helper()
	files, err := filepath.Glob("testdata/" + pattern)
	if err != nil || len(files) == 0 {
		f.Fatal(pattern, err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b[:min(len(b), 6000)])
		f.Add(b[:min(len(b), 6000)/2])
	}
}

// FuzzReadLinks judges and draws whatever was read: loops, absurd MTUs and
// hostile names must end in a finding.
func FuzzReadLinks(f *testing.F) {
	seeds(f, "*link.json")
	f.Add([]byte(`[{"ifindex":1,"ifname":"a","link":"b","mtu":1500,"flags":["UP"],"linkinfo":{"info_kind":"vlan"}},{"ifindex":2,"ifname":"b","link":"a","mtu":9,"flags":["UP"],"linkinfo":{"info_kind":"vlan"}}]`))
	f.Add([]byte(`[{"ifindex":1,"ifname":"a","master":"a","mtu":4294967295,"flags":["UP"],"linkinfo":{"info_kind":"bridge"}}]`))
	f.Add([]byte(`[{"ifindex":1,"ifname":"a","mtu":1},{"ifindex":1,"ifname":"b","mtu":1}]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := ReadLinks(bytes.NewReader(b), "h", "fuzz")
		if err != nil {
			return
		}
		s := &Snapshot{Hosts: []Host{h}}
		if r := Check(s); r.Status.String() == "" {
			t.Error("no status")
		}
		paths, err := Paths(s.Hosts, nil)
		if err != nil {
			return
		}
		var out bytes.Buffer
		if WriteText(&out, paths...) != nil || WriteSVG(&out, paths...) != nil {
			t.Error("not drawn")
		}
		for _, l := range h.Links {
			_, _ = Plan(h, []Change{{l.Name, 1400}, {h.Links[0].Name, 1600}}, PlanOptions{})
		}
	})
}

func FuzzReadCapture(f *testing.F) {
	seeds(f, "*.pcap")
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := ReadCapture(bytes.NewReader(b), "p", "fuzz")
		if err != nil {
			return
		}
		Check(&Snapshot{Captures: []Capture{c, {Point: "other"}, c}})
	})
}

func FuzzReadNetworks(f *testing.F) {
	f.Add([]byte(networksJSONText))
	f.Add([]byte(networksJSONText[:len(networksJSONText)/2]))
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := ReadNetworks(bytes.NewReader(b), "fuzz")
		if err == nil {
			Check(&Snapshot{Networks: n, Configs: []Config{{PathMTU: Setting{Key: "path_mtu", Value: "1400"}}}})
		}
	})
}

func FuzzReadConfig(f *testing.F) {
	f.Add([]byte(neutronConf))
	f.Fuzz(func(t *testing.T, b []byte) {
		fsys := fstest.MapFS{"x.conf": {Data: b}}
		c, err := ReadNeutron(fsys, "x.conf")
		if err == nil {
			Check(&Snapshot{Configs: []Config{c}, Networks: []Network{{ID: "n", MTU: 1500, Segments: []Segment{{Type: "vxlan"}, {Type: "vlan"}}}}})
		}
		_, _ = ReadNova(fsys, "x.conf")
	})
}

func FuzzReadFeatures(f *testing.F) {
	seeds(f, "*.txt")
	f.Fuzz(func(_ *testing.T, b []byte) {
		h := Host{Links: []Link{{Name: "e0", Index: 1}}}
		_ = h.ReadFeatures(bytes.NewReader(b), "fuzz")
	})
}
