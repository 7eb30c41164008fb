package dhcp_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/dhcp"
)

var noon = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

// known is what a cloud says of the instance.
var known = dhcp.Instance{MAC: instance, ID: "7c1f8b1e-0d0c-4d3c-9f0a-0d5f4a1b2c3d", Host: "compute1", Port: "b50d7951-f3aa-4a5e-8d2b-1c2d3e4f5a6b"}

func failure(t testing.TB, name string, of dhcp.Instance) *dhcp.Snapshot {
	t.Helper()
	s := observed(t, "testdata/lab/dhclient-dnsmasq/"+name, "SCsct", time.Time{})
	s.Instances = []dhcp.Instance{of}
	return s
}

func plan(t *testing.T, s *dhcp.Snapshot, sel dhcp.Selection) *stackmend.Plan {
	t.Helper()
	p, err := dhcp.Plan(s, sel, dhcp.PlanOptions{Now: noon})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func verbs(p *stackmend.Plan) (all []string) {
	for _, s := range p.Steps {
		all = append(all, s.Verb)
	}
	return all
}

// TestPlanIsMild: the mildest remedy that can help, and none without a verdict
// that says so.
func TestPlanIsMild(t *testing.T) {
	all := dhcp.Selection{All: true}
	bare := dhcp.Instance{MAC: instance, Port: known.Port}
	for _, c := range []struct {
		name string
		of   dhcp.Instance
		sel  dhcp.Selection
		want []string
	}{
		{"rx-dead", known, all, []string{"link-down", "link-up"}},
		{"rx-dead", known, dhcp.Selection{MACs: []dhcp.MAC{instance}}, []string{"link-down", "link-up"}},
		{"rx-dead", known, dhcp.Selection{All: true, From: dhcp.GuestRestart}, []string{"guest-restart"}},
		{"rx-dead", known, dhcp.Selection{All: true, From: dhcp.PortDownUp}, []string{"port-down", "port-up"}},
		{"rx-dead", bare, all, []string{"port-down", "port-up"}},
		{"rx-dead", dhcp.Instance{}, all, nil},
		{"rx-dead", known, dhcp.Selection{MACs: []dhcp.MAC{{1}}}, nil},
		{"network-cut", known, all, []string{"link-down", "link-up"}},
		{"replies-dropped", known, all, []string{"port-down", "port-up"}},
		{"server-down", known, all, nil},
		{"duplicate-mac", known, all, nil},
		{"pool-exhausted", known, all, nil},
		{"normal", known, all, nil},
	} {
		p := plan(t, failure(t, c.name, c.of), c.sel)
		if got := verbs(p); !equal(got, c.want) {
			t.Errorf("%s %+v: %v, want %v", c.name, c.sel, got, c.want)
		}
		if len(c.want) == 0 && (len(p.Refusals) == 0 || len(p.Kept) == 0) {
			t.Errorf("%s: no word why nothing is done: %+v", c.name, p)
		}
		for _, s := range p.Steps {
			if s.Undo == "" || s.Reason == "" || p.Expires.IsZero() {
				t.Errorf("%s: %+v", c.name, s)
			}
		}
	}
}

// TestNext: a step says what is left to try where it does not help.
func TestNext(t *testing.T) {
	all := dhcp.Selection{All: true}
	portless, bare := known, known
	portless.Port, bare.ID = "", ""
	for _, c := range []struct {
		of   dhcp.Instance
		from dhcp.Remedy
		want string
	}{{known, "", "guest-restart"}, {known, dhcp.GuestRestart, "port-down-up"}, {known, dhcp.PortDownUp, ""}, {portless, dhcp.GuestRestart, ""}, {bare, "", ""}} {
		all.From = c.from
		for _, s := range plan(t, failure(t, "rx-dead", c.of), all).Steps {
			if s.Args["next"] != c.want {
				t.Errorf("%+v from %q: next is %q, want %q", c.of, c.from, s.Args["next"], c.want)
			}
		}
	}
}

// TestNoRemedyWhereTwoAreLeft: what could be one of two is not acted on. No
// recording comes to this: the client's capture must have heard nothing.
func TestNoRemedyWhereTwoAreLeft(t *testing.T) {
	v := dhcp.Verdict{Code: dhcp.RequestsLost, Status: stackmend.Fail, Confidence: stackmend.Medium}
	if len(v.Remedies()) == 0 {
		t.Error("a verdict that stands alone has a remedy")
	}
	v.Could = []string{dhcp.RequestsLost, dhcp.TrafficStoppedFirst}
	if r := v.Remedies(); len(r) > 0 {
		t.Errorf("%v is done against one of %v", r, v.Could)
	}
}

func equal(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func TestSelectionRefused(t *testing.T) {
	s := failure(t, "rx-dead", known)
	for _, sel := range []dhcp.Selection{{}, {All: true, MACs: []dhcp.MAC{instance}}, {All: true, From: "reboot"}} {
		if _, err := dhcp.Plan(s, sel, dhcp.PlanOptions{Now: noon}); !errors.Is(err, stackmend.ErrRefused) {
			t.Errorf("%+v: %v", sel, err)
		}
	}
}

// TestSign: signs are seen where the instance lives, and nowhere else.
func TestSign(t *testing.T) {
	for _, c := range []struct {
		name        string
		want, lease bool // lease: other traffic goes on
	}{{"normal", true, true}, {"rx-dead", false, false}, {"network-cut", false, false}, {"replies-dropped", false, true}, {"server-down", false, true}, {"requests-dropped", false, true}} {
		for _, which := range []string{"SCsct", "C", "c"} {
			s := observed(t, "testdata/lab/dhclient-dnsmasq/"+c.name, which, time.Time{})
			since := s.Traces[0].From.Add(40 * time.Second) // the failure is there, the first lease is over
			sign, err := dhcp.FindSign(s, instance, since, c.lease)
			if got := !sign.At.IsZero(); err != nil || got != c.want {
				t.Errorf("%s from %s: %+v, %v", c.name, which, sign, err)
			}
			if _, err := dhcp.FindSign(s, instance, time.Now().AddDate(1, 0, 0), false); err == nil {
				t.Errorf("%s: nothing was observed, and no error", c.name)
			}
		}
	}
}

func TestLonger(t *testing.T) {
	l := dhcp.Longer(1200, 2*time.Minute, 24*time.Hour)
	if l.LoadNow != 20 || l.LoadThen >= 0.03 || l.Says == "" {
		t.Errorf("%+v", l)
	}
}
