package imagecache

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
)

func find(t *testing.T, r stackmend.Result, code string) stackmend.Finding {
	t.Helper()
	for _, f := range r.Findings {
		if f.Code == code {
			return f
		}
	}
	t.Fatalf("no %s in %+v", code, r.Findings)
	return stackmend.Finding{}
}

func TestCheck(t *testing.T) {
	c := newCloud(t, t.TempDir())
	c.conf = Config{Read: true, RemoveUnused: true, Interval: 40 * time.Minute}
	s := c.observe()
	s.Glance = &Glance{IDs: []string{imageA}}
	r, err := Check(s, Policy{})
	if err != nil || r.Status != stackmend.Warn {
		t.Fatalf("%v, %v", r.Status, err)
	}
	if f := find(t, r, UnusedImage); f.Subject != unused || !strings.Contains(f.Message, "bytes") {
		t.Errorf("%+v", f)
	}
	if f := find(t, r, LastCopy); f.Subject != baseB {
		t.Errorf("%+v", f)
	}
	if f := find(t, r, CleanerEnabled); !strings.Contains(f.Message, "2 hosts share") {
		t.Errorf("%+v", f)
	}
	if len(r.Findings) != 3 {
		t.Errorf("%+v", r.Findings)
	}
}

func TestCheckMissing(t *testing.T) {
	c := newCloud(t, t.TempDir())
	c.must(os.Remove(c.path("_base", baseB)))
	c.disk("unknown", "disk", c.path("_base", baseB))
	s := c.observe()
	line := "2026-11-22 08:21:17,949 INFO nova.virt.libvirt.imagecache Removing base, swap or ephemeral file: /var/lib/nova/instances/_base/" + baseB
	s.Removals = []Removal{{Host: "c01", Path: "/var/lib/nova/instances/_base/" + baseB, Line: line}, {Host: "c01", Path: "/x/_base/" + baseA}}
	r, err := Check(s, Policy{})
	if err != nil || r.Status != stackmend.Fail {
		t.Fatalf("%v, %v", r.Status, err)
	}
	f := find(t, r, MissingBase)
	if f.Subject != "_base/"+baseB || !strings.Contains(f.Message, "c02: 1, no known host: 1") || f.Evidence[0].Value != serverB+"/disk" {
		t.Errorf("%+v", f)
	}
	if f := find(t, r, BaseRemovedByNova); f.Evidence[0].Value != line || !strings.Contains(f.Message, "on c01") {
		t.Errorf("%+v", f)
	}
}

func TestCheckNotApplicable(t *testing.T) {
	for _, kind := range []string{"rbd", "lvm"} {
		c := newCloud(t, t.TempDir())
		c.conf = Config{Read: true, ImagesType: kind}
		s := c.observe()
		if r, _ := Check(s, Policy{}); r.Status != stackmend.Unknown || find(t, r, NotApplicable).Fix == "" {
			t.Errorf("%s with qcow2 disks: %+v", kind, r)
		}
		s.Images = nil
		if r, _ := Check(s, Policy{}); r.Status != stackmend.OK || len(r.Findings) != 1 {
			t.Errorf("%s: %+v", kind, r)
		}
		if p, _ := Quarantine(s, Policy{}); len(p.Refusals) == 0 || len(p.Steps) > 0 {
			t.Errorf("%s: %+v", kind, p)
		}
	}
}
