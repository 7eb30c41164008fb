package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/examples/cli"
)

const captures = "../../mtu/testdata/"

// run runs the tool as a program would.
func run(t *testing.T, args ...string) (status int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	tl := &tool{}
	status = tl.tool().Run(t.Context(), args, cli.Streams{Out: &o, Err: &e, Getenv: func(string) string { return "" }})
	return status, o.String(), e.String()
}

// incident are the flags of the story's three hosts.
func incident(which string) []string {
	var out []string
	for _, h := range []string{"inst", "cmp", "ctl"} {
		out = append(out, "-links", h+"="+captures+which+"-"+h+".ip-d-j-link.json")
	}
	return append(out, "-features", "cmp="+captures+which+"-cmp.ethtool-k-e0.txt", "-wire", "cmp/e0=ctl/e0", "-wire", "cmp/e1=ctl/e1")
}

// TestIncident is the incident at the command line.
func TestIncident(t *testing.T) {
	dir := t.TempDir()
	conf, picture := filepath.Join(dir, "nova.conf"), filepath.Join(dir, "stack.svg")
	if err := os.WriteFile(conf, []byte("[DEFAULT]\nvlan_interface = vlan20\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	status, out, errs := run(t, append(incident("bad"), "-nova-conf", conf, "-svg", picture)...)
	if status != 2 {
		t.Errorf("status %d: %s", status, errs)
	}
	for _, want := range []string{"stacked-vlan", "vlan_interface = bond0", "nova.conf:2", ">>> vlan20", "+vlan_interface = bond0"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	if b, err := os.ReadFile(picture); err != nil || !bytes.Contains(b, []byte(`class="culprit"`)) {
		t.Errorf("picture: %v", err)
	}
	if status, out, _ := run(t, incident("good")...); status != 0 {
		t.Errorf("repaired: %d\n%s", status, out)
	}
}

func TestJSON(t *testing.T) {
	status, out, errs := run(t, append(incident("bad"), "-json", "-from", "cmp/vnet0")...)
	var r stackmend.Result
	if err := json.Unmarshal([]byte(out), &r); err != nil || status != 2 || r.Check != "mtu" {
		t.Errorf("%d %v %s\n%s", status, err, errs, out)
	}
}

func TestCaptures(t *testing.T) {
	status, out, _ := run(t, "-pcap", "instance="+captures+"bad-inst-eth0.pcap", "-pcap", "compute="+captures+"bad-cmp-e0.pcap", "-pcap", "controller="+captures+"bad-ctl-e0.pcap")
	if status != 2 || !strings.Contains(out, "black-hole compute -> controller") {
		t.Errorf("%d\n%s", status, out)
	}
}

func TestWrongUsage(t *testing.T) {
	for _, args := range [][]string{
		{"-wire", "e0"}, {"-pcap", "file"}, {"-probe", "nobody"}, {"-links", captures + "kinds.json", "-features", "x=y"},
		append(incident("bad"), "-set", "bond0=1504"), {"-links", captures + "kinds.json", "-raise", "1500"}, {"argument"},
	} {
		if status, out, errs := run(t, args...); status != 64 {
			t.Errorf("%v: status %d\n%s%s", args, status, out, errs)
		}
	}
	if status, _, _ := run(t, "-links", "nosuch.json"); status != 3 {
		t.Errorf("a missing file: status %d", status)
	}
}

// TestManyHosts judges hosts one by one; a bad one among good ones is found.
func TestManyHosts(t *testing.T) {
	args := []string{"-wire", "e0=1518", "-wire", "e1=1518"}
	for i := range 40 {
		which := "good"
		if i == 33 {
			which = "bad"
		}
		args = append(args, "-links", fmt.Sprintf("c%d=%s%s-cmp.ip-d-j-link.json", i, captures, which))
	}
	status, out, errs := run(t, args...)
	if status != 2 || !strings.Contains(out, "stacked-vlan c33/vlan100") || strings.Count(out, "stacked-vlan") != 1 || !strings.Contains(out, "40 hosts") {
		t.Errorf("%d %s\n%s", status, errs, out)
	}
	cut := filepath.Join(t.TempDir(), "cut.json")
	if err := os.WriteFile(cut, []byte(`[{"ifindex":1,"ifname":"lo","flags":[`), 0o600); err != nil {
		t.Fatal(err)
	}
	if status, out, _ := run(t, append(args, "-links", cut)...); status != 2 || !strings.Contains(out, "stacked-vlan c33/vlan100") || !strings.Contains(out, "cut.json: link 1") {
		t.Errorf("one file is cut: %d\n%s", status, out)
	}
}
