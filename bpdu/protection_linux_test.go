package bpdu

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stackmend/stackmend/internal/lab"
)

// TestProtections sends real frames over a real bridge under every protection
// that is in use. It is the table of the package comment.
func TestProtections(t *testing.T) {
	lab.Need(t, "ip", "bridge", "nft")
	const (
		stp   = "config rstp mstp tcn"
		odd   = "config-tag100"
		pvst  = "pvst pvst-tag100"
		other = "ordinary" // always passes; a bridge itself forwards neither LACP, LLDP nor the provider group
	)
	for _, c := range []struct {
		name    string
		protect func(*rig)
		uplink  string // what gets there
		inst2   string // what the other instance gets; empty: the same
		sends   bool   // the host itself sends BPDUs to the uplink
	}{
		{name: "none", protect: func(*rig) {}, uplink: stp + " " + odd + " " + pvst},
		{name: "guard", protect: (*rig).guard, uplink: stp + " " + odd + " " + pvst},
		{name: "stp", protect: (*rig).stp, uplink: pvst, sends: true},
		{name: "netdev ingress of the tap", protect: func(r *rig) { r.protect("tap1") }, uplink: ""},
		{name: "netdev ingress of the tap, stp", protect: func(r *rig) { r.stp(); r.protect("tap1") }, uplink: "", sends: true},
		{name: "netdev ingress of another tap", protect: func(r *rig) { r.protect("tap2") }, uplink: stp + " " + odd + " " + pvst},
		{name: "bridge prerouting", uplink: "", protect: func(r *rig) {
			r.nft(`table bridge theirs { chain c { type filter hook prerouting priority -300; iifname "tap1" ether daddr ` + bpduGroups + ` drop; }; }`)
		}},
		{name: "bridge forward", uplink: "", protect: func(r *rig) {
			r.nft(`table bridge theirs { chain c { type filter hook forward priority 0; iifname "tap1" ether daddr ` + bpduGroups + ` drop; }; }`)
		}},
		{name: "netdev egress of the uplink", uplink: "", inst2: stp + " " + odd + " " + pvst, protect: func(r *rig) {
			r.nft(`table netdev theirs { chain c { type filter hook egress device "up0" priority 0; ether daddr ` + bpduGroups + ` drop; }; }`)
		}},
		{name: "multicast flood of the uplink off", uplink: "", inst2: stp + " " + odd + " " + pvst, protect: func(r *rig) {
			r.run("bridge", "link", "set", "dev", "up0", "mcast_flood", "off")
		}},
		{name: "ebtables forward of the bridge group", uplink: pvst, protect: func(r *rig) {
			lab.Need(r.t, "ebtables")
			r.run("ebtables", "-A", "FORWARD", "-d", "BGA", "-j", "DROP")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			c.protect(r)
			r.inst1.sendAll()
			atUplink, sends := r.uplink.until()
			atInst2, _ := r.inst2.until()
			if c.sends && !sends {
				r.wait("the host sends BPDUs", func() bool { r.inst1.send(frameOf("sentinel")); _, s := r.uplink.until(); return s })
			} else if sends && !c.sends {
				t.Error("the host sends BPDUs to the uplink")
			}
			want := strings.Fields(c.uplink + " " + other)
			slices.Sort(want)
			if diff := cmp.Diff(want, atUplink); diff != "" {
				t.Errorf("at the uplink (-want +got):\n%s", diff)
			}
			if c.inst2 != "" {
				want = strings.Fields(c.inst2 + " " + other)
				slices.Sort(want)
			}
			if diff := cmp.Diff(want, atInst2); diff != "" {
				t.Errorf("at the other instance (-want +got):\n%s", diff)
			}
		})
	}
}

// TestGuardWithSTP: guard and spanning tree together let PVST+ pass, and the
// first BPDU of another kind cuts the instance off.
func TestGuardWithSTP(t *testing.T) {
	lab.Need(t, "ip")
	r := newRig(t)
	r.guard()
	r.stp()
	r.inst1.send(frameOf("pvst"))
	r.inst1.send(frameOf("sentinel"))
	if got, _ := r.uplink.until(); !slices.Equal(got, []string{"pvst"}) {
		t.Errorf("at the uplink: %q", got)
	}
	r.inst1.send(frameOf("config"))
	r.wait("the port is disabled", func() bool {
		h, err := r.Observe(t.Context())
		r.must(err)
		l, _ := h.Link("tap1")
		return l.State == "disabled"
	})
	h, err := r.Observe(t.Context())
	r.must(err)
	f := Check(&Snapshot{Subject: "node", Host: h}).Findings
	if len(f) == 0 || f[0].Code != CodeTapUnprotected || !strings.Contains(f[0].Message, "cuts the instance off") {
		t.Errorf("findings: %+v", f)
	}
}
