package mtu

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stackmend/stackmend"
)

func open(t testing.TB, file string) *os.File {
	t.Helper()
	f, err := os.Open("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func links(t testing.TB, name, file string) Host {
	t.Helper()
	h, err := ReadLinks(open(t, file), name, file)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// incident is the story as it was captured: instance, compute, controller.
func incident(t testing.TB, which string) []Host {
	t.Helper()
	hosts := []Host{
		links(t, "inst", which+"-inst.ip-d-j-link.json"),
		links(t, "cmp", which+"-cmp.ip-d-j-link.json"),
		links(t, "ctl", which+"-ctl.ip-d-j-link.json"),
	}
	for i := range hosts[1:] {
		h := &hosts[i+1]
		if err := h.ReadFeatures(open(t, which+"-cmp.ethtool-k-e0.txt"), "ethtool"); err != nil {
			t.Fatal(err)
		}
		h.link("e1").TxVLAN = h.link("e0").TxVLAN
	}
	return hosts
}

var wires = []Wire{{From: Port{"cmp", "e0"}, To: Port{"ctl", "e0"}}, {From: Port{"cmp", "e1"}, To: Port{"ctl", "e1"}}}

func codes(r stackmend.Result) string {
	var out []string
	for _, f := range r.Findings {
		out = append(out, fmt.Sprintf("%s %v %s", f.Code, f.Status, f.Subject))
	}
	return strings.Join(out, "\n")
}

func wantCodes(t *testing.T, r stackmend.Result, want ...string) {
	t.Helper()
	if got := codes(r); got != strings.Join(want, "\n") {
		var b strings.Builder
		for _, f := range r.Findings {
			fmt.Fprintf(&b, "%s: %s\n   %s\n", f.Code, f.Message, f.Fix)
		}
		t.Errorf("got\n%s\nwant\n%s\n%s", got, strings.Join(want, "\n"), &b)
	}
}

func TestIncident(t *testing.T) {
	nova, err := ReadNova(fstest.MapFS{"etc/nova/nova.conf": {Data: []byte("[DEFAULT]\ndebug = false\nvlan_interface=vlan20\n")}}, "etc/nova/nova.conf")
	if err != nil {
		t.Fatal(err)
	}
	r := Check(&Snapshot{Hosts: incident(t, "bad"), Wires: wires, Configs: []Config{nova}})
	wantCodes(t, r,
		"stacked-vlan fail cmp/vlan100",
		"stacked-vlan fail ctl/vlan100",
		"path-mtu-too-small fail cmp/e0",
		"path-mtu-too-small fail ctl/e0",
		"vlan-interface-is-vlan fail cmp/vlan20",
		"vlan-interface-is-vlan fail ctl/vlan20",
	)
	f := r.Findings[0]
	for _, want := range []string{"1522", "20.100", "1496", "etc/nova/nova.conf:3: [DEFAULT] vlan_interface = vlan20"} {
		if !strings.Contains(f.Message, want) {
			t.Errorf("%q is not in %q", want, f.Message)
		}
	}
	if !strings.Contains(f.Fix, "vlan_interface = bond0") {
		t.Errorf("fix: %s", f.Fix)
	}
}

func TestRepairedIncidentIsOK(t *testing.T) {
	r := Check(&Snapshot{Hosts: incident(t, "good"), Wires: wires})
	wantCodes(t, r)
	if r.Status != stackmend.OK {
		t.Error(r.Status)
	}
}

func TestOtherSideIsUnknown(t *testing.T) {
	hosts := incident(t, "good")[1:2]
	r := Check(&Snapshot{Hosts: hosts})
	wantCodes(t, r, "other-side-not-seen unknown cmp")
	r = Check(&Snapshot{Hosts: hosts, Wires: []Wire{{From: Port{Link: "e0"}, Frame: 1518, Source: "declared"}, {From: Port{Link: "e1"}, Frame: 1518}}})
	wantCodes(t, r)
	r = Check(&Snapshot{Hosts: hosts, Wires: []Wire{{From: Port{Link: "e0"}, Frame: 1514, Source: "declared"}}})
	wantCodes(t, r, "path-mtu-too-small fail cmp/e0")
}

func TestCapturesFollowAPing(t *testing.T) {
	points := []string{"inst-eth0", "cmp-vnet0", "cmp-vlan100", "cmp-bond0", "cmp-e0", "ctl-e0", "ctl-bond0", "ctl-vlan100"}
	read := func(which string) (out []Capture) {
		for _, p := range points {
			c, err := ReadCapture(open(t, which+"-"+p+".pcap"), p, p+".pcap")
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, c)
		}
		return out
	}
	r := Check(&Snapshot{Captures: read("bad")})
	wantCodes(t, r, "black-hole fail cmp-e0 -> ctl-e0")
	if m := r.Findings[0].Message; !strings.Contains(m, "requests of 1497 bytes leave cmp-e0 as frames of 1519 with the tags 20.100") || !strings.Contains(m, "of 1496 bytes they do") {
		t.Error(m)
	}
	wantCodes(t, Check(&Snapshot{Captures: read("good")}))

	r = Check(&Snapshot{Captures: read("bad")[3:6]})
	wantCodes(t, r, "black-hole fail cmp-e0 -> ctl-e0")
}

func TestDrawingMarksTheCulprit(t *testing.T) {
	paths, err := Paths(incident(t, "bad"), wires)
	if err != nil {
		t.Fatal(err)
	}
	var text, picture bytes.Buffer
	if err := WriteText(&text, paths...); err != nil {
		t.Fatal(err)
	}
	if err := WriteSVG(&picture, paths...); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{">>> vlan20", ">>> e0", "1496 fit"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is not in\n%s", want, &text)
		}
	}
	if !strings.Contains(picture.String(), `class="culprit"`) {
		t.Error(picture.String())
	}
}
