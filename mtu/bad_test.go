package mtu

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
)

func TestBadLinks(t *testing.T) {
	whole, err := os.ReadFile("testdata/bad-cmp.ip-d-j-link.json")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"empty": "", "no list": "{}", "cut": string(whole[:len(whole)/2]), "text": "1: lo: <LOOPBACK>",
		"index twice": `[{"ifindex":1,"ifname":"a"},{"ifindex":1,"ifname":"b"}]`,
		"name twice":  `[{"ifindex":1,"ifname":"a"},{"ifindex":2,"ifname":"a"}]`,
		"negative":    `[{"ifindex":1,"ifname":"a","mtu":-1}]`,
		"two hosts":   string(whole) + "x"[:0] + strings.TrimSuffix(string(whole), "]"),
	} {
		h, err := ReadLinks(strings.NewReader(text), "h", "f")
		if name == "two hosts" {
			continue // the first list is whole; what follows is another's
		}
		if err == nil {
			t.Errorf("%s: read as %+v", name, h)
		}
	}
}

// TestLoops: links that stand on each other are unknown, not a crash.
func TestLoops(t *testing.T) {
	h := Host{Name: "h", Links: []Link{
		{Name: "a", Index: 1, Kind: VLAN, Parent: 2, MTU: 1500, Up: true},
		{Name: "b", Index: 2, Kind: VLAN, Parent: 1, MTU: 1500, Up: true},
		{Name: "tap", Index: 3, Kind: Tun, Master: 4, MTU: 1500, Up: true},
		{Name: "br", Index: 4, Kind: Bridge, MTU: 1500, Up: true},
		{Name: "c", Index: 5, Kind: VLAN, Parent: 4, Master: 4, MTU: 1500, Up: true},
		{Name: "far", Index: 6, Kind: VLAN, Parent: 9, Elsewhere: true, MTU: 1500, Up: true},
	}}
	r := Check(&Snapshot{Hosts: []Host{h}})
	if r.Status == stackmend.OK || !strings.Contains(codes(r), CodePathNotSeen) {
		t.Errorf("%v %s", r.Status, codes(r))
	}
	if _, err := Plan(h, []Change{{"a", 1400}, {"br", 1400}}, PlanOptions{}); err != nil {
		t.Error(err)
	}
	twice := Host{Name: "h", Links: []Link{{Name: "a", Index: 1}, {Name: "b", Index: 1}}}
	wantCodes(t, Check(&Snapshot{Hosts: []Host{twice}}), "links-contradict unknown h")
	wantCodes(t, Check(&Snapshot{Hosts: []Host{{Name: "h"}}}), "links-contradict unknown h")
	r = Check(&Snapshot{Hosts: []Host{h}, From: []Port{{Link: "nosuch"}}})
	if r.Status == stackmend.OK {
		t.Error("a selection that matches nothing is OK")
	}
}

// TestLinkContradictions has each finding about links once.
func TestLinkContradictions(t *testing.T) {
	h := Host{Name: "h", Source: "test", Links: []Link{
		{Name: "e0", Index: 1, MTU: 1500, Master: 3, Up: true, Carrier: true},
		{Name: "e1", Index: 2, MTU: 1400, Master: 3, Up: true, Carrier: true},
		{Name: "bond0", Index: 3, Kind: Bond, MTU: 1500, Up: true},
		{Name: "vlan9", Index: 4, Kind: VLAN, Parent: 3, Tag: Tag{ID: 9}, MTU: 1600, Master: 6, Up: true},
		{Name: "tap0", Index: 5, Kind: Tun, MTU: 1450, Master: 6, Up: true},
		{Name: "br9", Index: 6, Kind: Bridge, MTU: 1450, Up: true},
		{Name: "vx", Index: 7, Kind: VXLAN, MTU: 1500, Up: true, Parent: 3, Tunnel: Tunnel{ID: 5}},
	}}
	r := Check(&Snapshot{Hosts: []Host{h}, Wires: []Wire{{From: Port{Link: "e0"}, Frame: 9000}, {From: Port{Link: "e1"}, Frame: 9000}}})
	wantCodes(t, r,
		"bond-members-differ fail h/bond0",
		"child-above-parent fail h/vlan9",
		"bridge-lowered-by-port warn h/br9",
		"tunnel-without-headroom fail h/vx",
		"path-mtu-too-small fail h/e1",
		"path-mtu-too-small fail h/e1",
	)
}

// frame is an echo request of 60 bytes with these tags.
func frame(seq uint16, reply bool, tags ...uint16) []byte {
	b := make([]byte, 12)
	for _, t := range tags {
		b = binary.BigEndian.AppendUint16(b, typeTag)
		b = binary.BigEndian.AppendUint16(b, t)
	}
	b = binary.BigEndian.AppendUint16(b, typeIPv4)
	ip := make([]byte, 60)
	ip[0], ip[3], ip[9] = 0x45, 60, 1
	from, to := ip[12:16], ip[16:20]
	if reply {
		from, to = to, from
	}
	copy(from, []byte{10, 0, 0, 1})
	copy(to, []byte{10, 0, 0, 2})
	if !reply {
		ip[20] = 8
	}
	binary.BigEndian.PutUint16(ip[26:], seq)
	return append(b, ip...)
}

// point writes a capture file of frames, the first of them at ms.
func point(name string, ms int, frames ...[]byte) Capture {
	var b bytes.Buffer
	b.Write([]byte{0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0})
	for i, f := range frames {
		h := make([]byte, 16)
		binary.LittleEndian.PutUint32(h, 1000)
		binary.LittleEndian.PutUint32(h[4:], uint32((ms+10*i)*1000))
		binary.LittleEndian.PutUint32(h[8:], uint32(len(f)))
		binary.LittleEndian.PutUint32(h[12:], uint32(len(f)))
		b.Write(append(h, f...))
	}
	c, err := ReadCapture(&b, name, name+".pcap")
	if err != nil {
		panic(err)
	}
	return c
}

// TestTagNotStripped: the request reaches the instance with a tag, which
// answers without.
func TestTagNotStripped(t *testing.T) {
	r := Check(&Snapshot{Captures: []Capture{
		point("outside", 0, frame(1, false), frame(1, true)),
		point("instance", 1, frame(1, false, 20), frame(1, true)),
	}})
	// The instance's round trip is as long as the outside's on this clock, so
	// that the order of the times decides.
	if !strings.Contains(codes(r), "tag-not-stripped fail instance") {
		r = Check(&Snapshot{Captures: []Capture{
			point("outside", 0, frame(1, false), []byte("none"), frame(1, true)),
			point("instance", 1, frame(1, false, 20), frame(1, true)),
		}})
	}
	wantCodes(t, r, "tag-not-stripped fail instance")
}

func TestLossAtOnePoint(t *testing.T) {
	r := Check(&Snapshot{Captures: []Capture{
		point("outside", 0, frame(1, false), frame(2, false), frame(3, false)),
		point("compute", 1, frame(1, false), frame(3, false)),
	}})
	if !strings.Contains(codes(r), "lossy fail outside -> compute") {
		t.Error(codes(r))
	}
}

func TestCutCapture(t *testing.T) {
	b, err := os.ReadFile("testdata/bad-cmp-e0.pcap")
	if err != nil {
		t.Fatal(err)
	}
	c, err := ReadCapture(bytes.NewReader(b[:len(b)-100]), "p", "p.pcap")
	if err != nil || !c.Cut || len(c.Pings) == 0 {
		t.Errorf("%v, cut %v, %d pings", err, c.Cut, len(c.Pings))
	}
	r := Check(&Snapshot{Captures: []Capture{c}})
	if r.Status != stackmend.Unknown {
		t.Error(r.Status, codes(r))
	}
	for _, bad := range [][]byte{nil, []byte("not a capture"), b[:10]} {
		if _, err := ReadCapture(bytes.NewReader(bad), "p", "p"); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

func TestPlanRefuses(t *testing.T) {
	h := Host{Name: "h", Links: []Link{
		{Name: "e0", Index: 1, MTU: 1500, MinMTU: 68, MaxMTU: 9000, Up: true},
		{Name: "v", Index: 2, Kind: VLAN, Parent: 1, MTU: 1500, Up: true},
		{Name: "vx", Index: 3, Kind: VXLAN, Parent: 1, MTU: 1450, Up: true},
	}}
	for _, c := range []struct {
		changes []Change
		want    string
	}{
		{[]Change{{"e0", 9100}}, "takes an MTU from 68 to 9000"},
		{[]Change{{"e0", 1400}}, "would lower v from 1500"},
		{[]Change{{"e0", 1400}, {"v", 1400}}, "lower vx to 1350 too"},
		{[]Change{{"v", 1600}}, "raise e0 too"},
	} {
		p, err := Plan(h, c.changes, PlanOptions{Now: time.Now()})
		if err != nil || !strings.Contains(strings.Join(p.Refusals, "\n"), c.want) {
			t.Errorf("%v: %v %q", c.changes, err, p.Refusals)
		}
	}
	for _, bad := range [][]Change{nil, {{"nosuch", 1500}}, {{"e0", 5}}, {{"e0", 1400}, {"e0", 1500}}} {
		if _, err := Plan(h, bad, PlanOptions{}); !errors.Is(err, ErrSelection) {
			t.Errorf("%v: %v", bad, err)
		}
	}
	p, err := Plan(h, []Change{{"e0", 1400}, {"v", 1400}, {"vx", 1350}}, PlanOptions{Now: time.Now()})
	if err != nil || len(p.Refusals) > 0 || p.Steps[2].Target != "h/e0" {
		t.Errorf("lowered from the top: %v %v %v", err, p.Refusals, p.Steps)
	}
}

func TestConfirmFile(t *testing.T) {
	dir := t.TempDir()
	id := strings.Repeat("0123456789abcdef", 4)
	for name, c := range map[string]struct {
		text string
		want bool
	}{"whole": {id + "\n", true}, "begin": {id[:12], true}, "short": {id[:11], false}, "other": {"f" + id[1:], false}, "empty": {"", false}} {
		f := filepath.Join(dir, name)
		if err := os.WriteFile(f, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if ok, err := ConfirmFile(f).Confirmed(context.Background(), id); err != nil || ok != c.want {
			t.Errorf("%s: %v, %v", name, ok, err)
		}
	}
	if ok, err := ConfirmFile(filepath.Join(dir, "none")).Confirmed(context.Background(), id); ok || err != nil {
		t.Error(ok, err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(filepath.Join(dir, "whole"), link); err != nil {
		t.Fatal(err)
	}
	if ok, _ := ConfirmFile(link).Confirmed(context.Background(), id); ok {
		t.Error("a symbolic link confirmed")
	}
}

func TestFeatures(t *testing.T) {
	h := Host{Name: "h", Links: []Link{{Name: "e0", Index: 1}}}
	for _, text := range []string{"", "Features for e9:\ntx-vlan-offload: on\n", "tx-vlan-offload: on\n"} {
		if err := h.ReadFeatures(strings.NewReader(text), "f"); err == nil {
			t.Errorf("%q was read", text)
		}
	}
	if err := h.ReadFeatures(strings.NewReader("Features for e0:\ntx-vlan-offload: on\n"), "f"); err != nil || h.Links[0].TxVLAN != OffloadOn {
		t.Error(err, h.Links[0].TxVLAN)
	}
}
