package bpdu

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/internal/lab/vlan"
	"golang.org/x/sys/unix"
)

// TestInOtherKernel runs the tests named TestKernel... of this package inside
// a kernel that has no netdev family.
func TestInOtherKernel(t *testing.T) {
	vlan.Kernel{Modules: strings.Fields("bridge veth tun nf_tables openvswitch")}.Test(t, "TestKernel")
}

// Where the kernel has no netdev family the filters stand before the bridge:
// they stop the same frames, count them, and come and go alike.
func TestKernelBridgeFamily(t *testing.T) {
	vlan.Inside(t)
	r := newRig(t)
	if f, err := r.family(); f != FamilyBridge || err != nil {
		t.Fatalf("family %q, %v", f, err)
	}
	sent := []string{"config", "config-tag100", "mstp", "ordinary", "pvst", "pvst-tag100", "rstp", "tcn"}
	r.sees(sent)
	p := r.apply(Selection{Taps: []string{"tap1"}})
	if got := p.Steps[0].Target; got != "nft bridge "+TableName {
		t.Errorf("target %q", got)
	}
	r.sees([]string{"ordinary"})
	r.inst2.sendAll()
	if got, _ := r.uplink.until(); !slices.Equal(got, sent) {
		t.Errorf("the other instance: %q", got)
	}
	table, err := r.table()
	r.must(err)
	if f, _ := table.filter("tap1"); f.Packets != 7 || f.Fault != "" || len(table.Seen) != 7 || table.Seen[0].Tap != "tap1" {
		t.Errorf("%+v", table)
	}
	r.apply(Selection{All: true})
	if table, err = r.table(); err != nil || !slices.Equal(table.names(), []string{"tap1", "tap2"}) {
		t.Errorf("%+v %v", table, err)
	}
	if f, _ := table.filter("tap1"); f.Packets != 7 {
		t.Errorf("the counter of tap1 is %d", f.Packets)
	}
	r.apply(Selection{Taps: []string{"tap1"}, Remove: true})
	r.sees(sent)
	r.apply(Selection{All: true, Remove: true})
	if table, err = r.table(); err != nil || table != nil {
		t.Errorf("left: %+v %v", table, err)
	}
}

// sees sends every frame from the first instance and compares what gets to
// the uplink.
func (r *rig) sees(want []string) {
	r.t.Helper()
	r.inst1.sendAll()
	got, _ := r.uplink.until()
	if diff := cmp.Diff(want, got); diff != "" {
		r.t.Errorf("at the uplink (-want +got):\n%s", diff)
	}
}

// What somebody has done to our table is noticed and mended.
func TestKernelBridgeTampered(t *testing.T) {
	vlan.Inside(t)
	r := newRig(t)
	p := r.apply(Selection{All: true})
	for name, rules := range map[string]string{
		"rules gone":  "flush chain bridge stackmend_bpdu from_taps",
		"rule before": "insert rule bridge stackmend_bpdu prerouting accept",
		"tap gone":    `delete element bridge stackmend_bpdu taps { "tap1" }`,
	} {
		r.nft(rules)
		if err := NewApplier(r.Kernel).Verify(t.Context(), p.Steps[0]); !errors.Is(err, stackmend.ErrNotDone) {
			t.Errorf("%s: %v", name, err)
		}
		r.apply(Selection{All: true}) // verifies
	}
	r.apply(Selection{All: true, Remove: true})
	r.nft("table bridge stackmend_bpdu { set mine { type ether_addr; }; }")
	if p := r.plan(Selection{All: true}); len(p.Refusals) != 1 || len(p.Steps) != 0 {
		t.Errorf("somebody else's table of our name: %q", p.Refusals)
	}
}

// A plan of a kernel with the netdev family is not carried out on one without.
func TestKernelOtherFamily(t *testing.T) {
	vlan.Inside(t)
	r := newRig(t)
	p := r.plan(Selection{All: true})
	p.Steps[0].Target = FamilyNetdev.target()
	_, err := stackmend.Run(t.Context(), p, NewApplier(r.Kernel), stackmend.Options{Mode: stackmend.Apply})
	if !errors.Is(err, stackmend.ErrStale) {
		t.Errorf("%v", err)
	}
	if err := r.replace(FamilyNetdev, nil, []string{"tap1"}); !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, unix.ENOENT) {
		t.Errorf("%v", err)
	}
}
