package mtu

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/internal/appliertest"

	"github.com/stackmend/stackmend/internal/lab/vlan"
)

// repair plans to let packets of 1500 bytes through the stack of one host.
func (s *site) repair(host string) *stackmend.Plan {
	s.t.Helper()
	h := s.observe(host)[0]
	paths, err := Paths([]Host{h}, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	entrance := map[string]string{"cmp": "vnet0", "ctl": "br100"}[host]
	changes, err := Raise(h, pathFrom(s.t, paths, host, entrance), 1500)
	if err != nil {
		s.t.Fatal(err)
	}
	p, err := Plan(h, changes, PlanOptions{Now: time.Now(), Confirm: true})
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

type yes bool

func (y yes) Confirmed(context.Context, string) (bool, error) { return bool(y), nil }

func (s *site) run(host string, p *stackmend.Plan, confirmed bool) (stackmend.Result, error) {
	a := NewApplier(s.ns[host], ApplierOptions{Confirm: yes(confirmed)})
	return stackmend.Run(s.t.Context(), p, a, stackmend.Options{Mode: stackmend.Apply, MaxWait: 2 * time.Second})
}

func (s *site) mtus(host string) string {
	s.t.Helper()
	text, err := mtus(s.ns[host])()
	if err != nil {
		s.t.Fatal(err)
	}
	return text
}

// TestKernelIncident reproduces the incident, finds it, repairs it, and sees
// that a repair nobody confirms is taken back.
func TestKernelIncident(t *testing.T) {
	vlan.Inside(t)
	s := newSite(t, 1500, false, 20, 100)
	s.answers("inst", "10.0.0.1:0")
	r := Check(&Snapshot{Hosts: s.observe("inst", "cmp", "ctl")})
	if got := codes(r); !strings.Contains(got, "stacked-vlan fail cmp/vlan100") || !strings.Contains(got, "path-mtu-too-small fail cmp/e0") {
		t.Fatal(got)
	}
	before := s.mtus("cmp")

	p := s.repair("cmp")
	var order []string
	for _, step := range p.Steps {
		order = append(order, step.String())
	}
	want := []string{"set-mtu cmp/e0", "set-mtu cmp/e1", "set-mtu cmp/bond0", "set-mtu cmp/vlan20", "confirm cmp"}
	if !slices.Equal(order, want) {
		t.Fatalf("order %v, want %v", order, want)
	}
	if r, err := s.run("cmp", p, false); err == nil {
		t.Errorf("nobody confirmed, and it went through: %s", appliertest.Describe(r))
	}
	if after := s.mtus("cmp"); after != before {
		t.Errorf("not taken back:\n%s\nbefore\n%s", after, before)
	}
	for _, host := range []string{"cmp", "ctl"} {
		if r, err := s.run(host, s.repair(host), true); err != nil {
			t.Fatalf("%s: %v\n%s", host, err, appliertest.Describe(r))
		}
	}
	s.answers("inst", "10.0.0.1:0")
	if r := s.probe("inst", "icmp", "10.0.0.1:0", ProbeOptions{}); r.Verdict != Fits || r.Largest != 1500 {
		t.Errorf("after the repair: %+v", r)
	}
	r = Check(&Snapshot{Hosts: s.observe("inst", "cmp", "ctl")})
	if r.Status != stackmend.OK {
		t.Errorf("after the repair: %v %s", r.Status, codes(r))
	}
}

// TestKernelWatchdog kills a run that waits for the operator, and lets one
// hang.
func TestKernelWatchdog(t *testing.T) {
	vlan.Inside(t)
	for _, c := range []struct {
		name  string
		how   string
		limit time.Duration
	}{{"killed", "wait", time.Minute}, {"hangs", "hang", 15 * time.Second}} {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t, 1500, false, 20, 100)
			s.answers("inst", "10.0.0.1:0")
			before := s.mtus("cmp")
			cmd := s.child("cmp", t.TempDir(), s.repair("cmp"), c.limit, c.how)
			if c.how == "wait" {
				await(t, "all raised", func() bool { return strings.Contains(s.mtus("cmp"), "vlan20 1504") })
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
			_ = cmd.Wait() // the watchdog kills the one that hangs
			await(t, "taken back", func() bool { return s.mtus("cmp") == before })
			await(t, "the watchdog is gone", func() bool {
				all, err := os.ReadDir("/proc")
				return err == nil && !slices.ContainsFunc(all, func(e os.DirEntry) bool {
					env, _ := os.ReadFile("/proc/" + e.Name() + "/environ")
					return strings.Contains(string(env), childEnv+"=")
				})
			})
		})
	}
}

// TestKernelGuards sees each guard refuse on real links.
func TestKernelGuards(t *testing.T) {
	vlan.Inside(t)
	s := newSite(t, 1504, false, 20, 100)
	s.answers("inst", "10.0.0.1:0")
	plan := func(changes ...Change) *stackmend.Plan {
		p, err := Plan(s.observe("cmp")[0], changes, PlanOptions{Now: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	refusals := func(p *stackmend.Plan, want string) {
		t.Helper()
		if got := strings.Join(p.Refusals, "\n"); !strings.Contains(got, want) {
			t.Errorf("refusals %q, want %q", got, want)
		}
	}
	refusals(plan(Change{"bond0", 1400}), "bond0 with 1400 would lower vlan20 from 1504")
	refusals(plan(Change{"e0", 1400}), "members and bond must agree")
	refusals(plan(Change{"vlan100", 1600}), "which the kernel refuses: raise vlan20 too")
	refusals(plan(Change{"vnet0", 1400}), "would lower its bridge br100")

	s.addr("cmp", "vlan20", "192.168.7.1/24")
	p := plan(Change{"e0", 1508}, Change{"e1", 1508}, Change{"bond0", 1508})
	own := NewApplier(s.ns["cmp"], ApplierOptions{Session: []netip.Addr{netip.MustParseAddr("192.168.7.9")}})
	_, err := stackmend.Run(t.Context(), p, own, stackmend.Options{})
	if !errors.Is(err, stackmend.ErrRefused) || !strings.Contains(err.Error(), "carries the session") {
		t.Errorf("the session's own link: %v", err)
	}
	p = plan(Change{"vnet0", 1508}) // raising a port that has nothing on it
	s.mtu("cmp", "vnet0", 1506)
	if _, err := s.run("cmp", p, true); !errors.Is(err, stackmend.ErrStale) {
		t.Errorf("changed since the plan: %v", err)
	}
}

// TestKernelTCP shows the hang that large writes hide: single segments.
func TestKernelTCP(t *testing.T) {
	vlan.Inside(t)
	s := newSite(t, 1500, false, 20, 100)
	s.answers("inst", "10.0.0.1:0")
	var l net.Listener
	s.in("ctl", func() (err error) {
		l, err = net.Listen("tcp", "10.0.0.1:22")
		return err
	})
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(io.Discard, c) }()
		}
	}()
	var c net.Conn
	s.in("inst", func() (err error) {
		c, err = net.Dial("tcp", "10.0.0.1:22")
		return err
	})
	defer c.Close()
	r, err := ProbeTCP(t.Context(), c.(*net.TCPConn), 3*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	report := r.Report("10.0.0.1:22")
	if !r.Hangs() || report.Verdict != BlackHole || report.Largest != r.MSS-4 || report.Lost != r.MSS {
		t.Errorf("%+v", r)
	}
}
