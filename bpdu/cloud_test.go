package bpdu

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
)

func readCloud(t testing.TB) *Cloud {
	t.Helper()
	c := &Cloud{}
	for name, read := range map[string]func(*os.File) error{
		"testdata/ports.json":   func(f *os.File) error { return c.ReadPorts(f) },
		"testdata/servers.json": func(f *os.File) error { return c.ReadServers(f) },
	} {
		f, err := os.Open(name)
		if err == nil {
			err = read(f)
			f.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func findings(s *Snapshot, code string) (out []stackmend.Finding) {
	for _, f := range Check(s).Findings {
		if f.Code == code {
			out = append(out, f)
		}
	}
	return out
}

// The incident: an instance takes a node's ports, an hour later the same user's
// next one takes another's.
func TestWhoDidIt(t *testing.T) {
	log := readLog(t, `Feb 15 01:40:18 SW-1 Stp: %SPANTREE-4-BLOCK_BPDUGUARD: Received BPDU packet on Port-Channel35 with BPDU guard enabled. Disabling interface. (source mac fa:16:3e:24:e7:22)
Feb 15 02:41:00 SW-1 Stp: %SPANTREE-4-BLOCK_BPDUGUARD: Received BPDU packet on Port-Channel36 with BPDU guard enabled. Disabling interface. (source mac fa:16:3e:55:66:77)
Feb 15 09:00:00 SW-1 Stp: %SPANTREE-4-BLOCK_BPDUGUARD: Received BPDU packet on Port-Channel37 with BPDU guard enabled. Disabling interface. (source mac fa:16:3e:00:00:aa)
Feb 15 10:00:00 SW-1 Stp: %SPANTREE-4-BLOCK_BPDUGUARD: Received BPDU packet on Port-Channel38 with BPDU guard enabled. Disabling interface. (source mac 02:00:00:00:00:01)
`)
	s := &Snapshot{Subject: "site", Log: &log, Cloud: readCloud(t)}
	r := Check(s)
	if r.Status != stackmend.Fail {
		t.Errorf("status %v", r.Status)
	}
	source := findings(s, CodeSource)
	if len(source) != 2 || !strings.Contains(source[0].Message, `"centos-1" of user eve`) || source[0].Confidence != stackmend.Medium ||
		!strings.Contains(source[0].Fix, "Do not migrate") {
		t.Errorf("source: %+v", source)
	}
	ambiguous := findings(s, CodeSourceAmbiguous)
	if len(ambiguous) != 1 || len(ambiguous[0].Evidence) < 3 || ambiguous[0].Confidence != stackmend.Low {
		t.Errorf("a MAC of two ports: %+v", ambiguous)
	}
	if unknown := findings(s, CodeSourceUnknown); len(unknown) != 1 || !strings.Contains(unknown[0].Message, "no port's") {
		t.Errorf("a MAC of no port: %+v", unknown)
	}
	cascade := findings(s, CodeCascade)
	if len(cascade) != 1 || !strings.Contains(cascade[0].Message, "same user eve") || !strings.Contains(cascade[0].Message, "1h0m42s after") {
		t.Errorf("cascade: %+v", cascade)
	}
}

func TestUnknownIsNotHealth(t *testing.T) {
	if r := Check(&Snapshot{}); r.Status != stackmend.Unknown {
		t.Errorf("nothing was looked at: %v", r.Status)
	}
	if r := Check(&Snapshot{Host: &Host{Unseen: []string{"filters"}}}); r.Status != stackmend.Unknown {
		t.Errorf("the filters could not be read: %v", r.Status)
	}
	if r := Check(&Snapshot{Log: &Log{}}); r.Status != stackmend.OK {
		t.Errorf("a log without events: %v", r.Status)
	}
}

func TestBadJSON(t *testing.T) {
	for _, in := range []string{"", "[]", `{"servers": []}`, `{"ports": {}}`, `{"ports": [{"id": 7}]}`, `{"error": {"code": 403}}`} {
		if err := new(Cloud).ReadPorts(strings.NewReader(in)); err == nil {
			t.Errorf("%q is taken for ports", in)
		}
	}
	c := &Cloud{}
	if err := c.ReadPorts(strings.NewReader(`{"ports": [], "ports_links": [{"rel": "next", "href": "x"}]}`)); err != nil || len(c.Unseen) != 1 {
		t.Errorf("a page of several: %v %q", err, c.Unseen)
	}
}

func TestBond(t *testing.T) {
	eth := func(name, master string, carrier bool) Link {
		return Link{Name: name, Master: master, Ether: true, Admin: true, Carrier: carrier, CarrierDowns: 1}
	}
	h := &Host{Links: []Link{{Name: "bond0", Kind: "bond", Ether: true}, eth("eth2", "bond0", false), eth("eth3", "bond0", false), eth("eno1", "", true)}}
	f := findings(&Snapshot{Host: h}, CodeBondDown)
	if len(f) != 1 || !strings.Contains(f[0].Message, "suspect the switch") {
		t.Errorf("%+v", f)
	}
	h.Links[1].Carrier = true
	if f := findings(&Snapshot{Host: h}, CodeBondDown); len(f) != 0 {
		t.Errorf("one member has its carrier: %+v", f)
	}
}

func TestOutOfReach(t *testing.T) {
	c := readCloud(t)
	h := &Host{Name: "node1", Links: []Link{{Name: "tapovs", Kind: "tun", Ether: true, Master: "ovs-system"}, {Name: "macvtap0", Kind: "macvtap", Ether: true}}}
	f := findings(&Snapshot{Host: h, Cloud: c}, CodeNotApplicable)
	if len(f) != 3 {
		t.Errorf("%+v", f)
	}
	if r := Check(&Snapshot{Host: h, Cloud: c}); r.Status != stackmend.Unknown {
		t.Errorf("not reached, and the status is %v", r.Status)
	}
	p, err := Plan(&Snapshot{Host: h}, Selection{Taps: []string{"tapovs"}}, PlanOptions{Now: time.Now()})
	if err != nil || len(p.Refusals) != 1 {
		t.Errorf("%v %+v", err, p)
	}
}

func FuzzCloud(f *testing.F) {
	f.Add([]byte(`{"ports": [{"id": "1", "mac_address": "x", "allowed_address_pairs": [{"mac_address": "fa:16:3e:00:00:01"}]}]}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		c := &Cloud{}
		_ = c.ReadPorts(strings.NewReader(string(in)))
		_ = c.ReadServers(strings.NewReader(string(in)))
		c.ByMAC("fa:16:3e:00:00:01")
		c.ByTap("tap1")
	})
}
