package bpdu

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/internal/appliertest"
	"github.com/stackmend/stackmend/internal/lab"
	"github.com/stackmend/stackmend/internal/lab/netns"
	"golang.org/x/sys/unix"
)

// plan observes and plans.
func (n *namespace) plan(sel Selection) *stackmend.Plan {
	n.t.Helper()
	h, err := n.Observe(n.t.Context())
	n.must(err)
	p, err := Plan(&Snapshot{Subject: "node", Host: h}, sel, PlanOptions{Now: time.Now()})
	n.must(err)
	return p
}

// apply carries a plan of one step out.
func (n *namespace) apply(sel Selection) *stackmend.Plan {
	n.t.Helper()
	p := n.plan(sel)
	if len(p.Refusals) > 0 || len(p.Steps) != 1 {
		n.t.Fatalf("plan: refusals %q, %d steps", p.Refusals, len(p.Steps))
	}
	if r, err := stackmend.Run(n.t.Context(), p, NewApplier(n.Kernel), stackmend.Options{Mode: stackmend.Apply}); err != nil {
		n.t.Fatalf("%v\n%s", err, appliertest.Describe(r))
	}
	return p
}

const theirs = `
table bridge filter { chain FORWARD { type filter hook forward priority -200; policy accept; ether saddr 02:00:00:00:00:01 drop; }; }
table netdev theirs { chain c { type filter hook ingress device "tap1" priority 0; ether saddr 02:00:00:00:00:02 drop; }; }
`

// Filters come and go: none of the instance's other frames is lost, BPDUs are
// counted by source, the rules of others stay, and nothing of ours is left.
func TestFilter(t *testing.T) {
	lab.Need(t, "nft", "ebtables")
	r := newRig(t)
	r.nft(theirs)
	r.Run("ebtables", "-A", "FORWARD", "-s", "02:00:00:00:00:03", "-j", "DROP")
	others := r.Run("nft", "list", "ruleset")
	stop, sent := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		for ; ; n++ {
			select {
			case <-stop:
				sent <- n
				return
			default:
				if _, err := unix.Write(r.inst1.fd, frameOf("ordinary")); err != nil {
					sent <- -1
					return
				}
				time.Sleep(50 * time.Microsecond)
			}
		}
	}()
	for range 20 {
		r.apply(Selection{All: true})
		r.apply(Selection{Taps: []string{"tap2"}, Remove: true})
		r.apply(Selection{All: true, Remove: true})
	}
	if got := r.Run("nft", "list", "ruleset"); got != others {
		t.Errorf("after removal (-before +after):\n%s", cmp.Diff(others, got))
	}
	r.apply(Selection{Taps: []string{"tap1"}})
	r.inst1.sendAll()
	r.inst2.sendAll()
	close(stop)
	want := <-sent + 2 // of sendAll
	r.wait("all ordinary frames arrive", func() bool { return r.arrived(t, "ordinary", want) })
	table, err := r.table()
	r.must(err)
	var got []string
	for _, c := range table.Seen {
		got = append(got, fmt.Sprintf("%s %s %d", c.Tap, c.MAC, c.Packets))
	}
	var wantSeen []string
	for i, name := range frameNames {
		if i > 0 && name != "lacp" && name != "lldp" && name != "ordinary" {
			wantSeen = append(wantSeen, fmt.Sprintf("tap1 fa:16:3e:00:00:%02x 1", i))
		}
	}
	if diff := cmp.Diff(wantSeen, got); diff != "" {
		t.Errorf("counters (-want +got):\n%s", diff)
	}
	if f, _ := table.filter("tap1"); f.Packets != uint64(len(wantSeen)) {
		t.Errorf("%d frames dropped, want %d", f.Packets, len(wantSeen))
	}
}

// arrived counts frames of a kind at the uplink and reports whether there were
// exactly so many.
func (r *rig) arrived(t *testing.T, name string, want int) bool {
	t.Helper()
	got := 0
	buf := make([]byte, 2048)
	r.must(unix.SetsockoptTimeval(r.uplink.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 1}))
	for got < want {
		n, _, err := unix.Recvfrom(r.uplink.fd, buf, 0)
		if err != nil {
			break
		}
		if n >= 14 && string(buf[6:11]) == "\xfa\x16\x3e\x00\x00" && frameNames[buf[11]] == name {
			got++
		}
	}
	if got != want {
		t.Fatalf("%d of %d frames arrived", got, want)
	}
	return true
}

// An instance that invents more source MACs than the set holds does not get
// one BPDU through.
func TestInventedSources(t *testing.T) {
	r := newRig(t)
	r.apply(Selection{Taps: []string{"tap1"}})
	frame := frameOf("rstp")
	for i := range 3 * seenSize {
		frame[8], frame[9], frame[10], frame[11] = byte(i>>16), byte(i>>8), byte(i), 0x77
		r.inst1.send(frame)
	}
	r.inst1.send(frameOf("sentinel"))
	if got, foreign := r.uplink.until(); len(got) > 0 || foreign {
		t.Errorf("BPDUs came through: %q %v", got, foreign)
	}
	table, err := r.table()
	r.must(err)
	if len(table.Seen) > seenSize || len(table.Seen) < seenSize/2 {
		t.Errorf("%d sources are counted", len(table.Seen))
	}
	if f, _ := table.filter("tap1"); f.Packets != 3*seenSize {
		t.Errorf("%d dropped, want %d", f.Packets, 3*seenSize)
	}
}

// A tap that is gone leaves nothing, one that comes is filtered, and the
// counters of the others stay.
func TestTapsComeAndGo(t *testing.T) {
	r := newRig(t)
	r.apply(Selection{All: true})
	r.inst1.send(frameOf("rstp"))
	r.inst1.send(frameOf("sentinel"))
	r.uplink.until()
	tap2, err := r.LinkByName("tap2")
	r.must(err)
	r.must(r.LinkDel(tap2))
	r.must(r.LinkSetMaster(r.tap("tap3"), r.up("br0")))
	table, err := r.table()
	r.must(err)
	if f, ok := table.filter("tap2"); ok && f.Fault == "" {
		t.Error("the filter of a tap that is gone counts as sound")
	}
	r.apply(Selection{All: true})
	if table, err = r.table(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"tap1", "tap3"}, table.names()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if f, _ := table.filter("tap1"); f.Packets != 1 {
		t.Errorf("the counter of tap1 is %d, want 1", f.Packets)
	}
	if p := r.plan(Selection{All: true}); len(p.Steps) != 0 {
		t.Errorf("planned again: %v", p.Steps)
	}
	for _, name := range []string{"tap1", "tap3"} {
		l, err := r.LinkByName(name)
		r.must(err)
		r.must(r.LinkDel(l))
	}
	r.apply(Selection{All: true})
	if table, err = r.table(); err != nil || table != nil {
		t.Errorf("all taps are gone, and there is %+v %v", table, err)
	}
}

// A thousand taps go into one transaction.
func TestThousandTaps(t *testing.T) {
	r := newRig(t)
	br := r.up("br0")
	for i := range 1000 {
		r.must(r.LinkSetMaster(r.tap(fmt.Sprintf("tap%08x-%02x", i, i%251)), br))
	}
	started := time.Now()
	p := r.apply(Selection{All: true})
	t.Logf("planned, applied and verified in %v", time.Since(started))
	if n := p.Steps[0].Cost.Instances; n != 1002 {
		t.Errorf("%d taps", n)
	}
	r.apply(Selection{All: true, Remove: true})
	if table, err := r.table(); err != nil || table != nil {
		t.Errorf("left: %+v %v", table, err)
	}
}

// What somebody has done to our table is noticed and mended.
func TestTampered(t *testing.T) {
	lab.Need(t, "nft")
	for name, rules := range map[string]string{
		"rules gone":  "flush chain netdev stackmend_bpdu from_tap1",
		"rule before": `insert rule netdev stackmend_bpdu from_tap1 accept`,
		"other field": "flush chain netdev stackmend_bpdu from_tap1; add rule netdev stackmend_bpdu from_tap1 ether saddr @bpdu_groups update @seen { iif . ether saddr counter }; add rule netdev stackmend_bpdu from_tap1 ether daddr @bpdu_groups counter drop",
		"chain gone":  "delete chain netdev stackmend_bpdu from_tap1",
	} {
		r := newRig(t)
		p := r.apply(Selection{All: true})
		r.nft(rules)
		if err := NewApplier(r.Kernel).Verify(t.Context(), p.Steps[0]); !errors.Is(err, stackmend.ErrNotDone) {
			t.Errorf("%s: %v", name, err)
		}
		r.apply(Selection{All: true})
		if err := NewApplier(r.Kernel).Verify(t.Context(), p.Steps[0]); err != nil {
			t.Errorf("%s: mended, and %v", name, err)
		}
	}
	r := newRig(t)
	p := r.apply(Selection{All: true})
	listed := r.Run("nft", "list", "ruleset")
	r.nft("flush ruleset")
	r.nft(listed) // as a host does that keeps its rules over a reboot
	if err := NewApplier(r.Kernel).Verify(t.Context(), p.Steps[0]); err != nil {
		t.Errorf("listed and loaded by nft: %v\n%s", err, listed)
	}
	r.nft("flush ruleset")
	r.nft("table netdev stackmend_bpdu { set mine { type ether_addr; }; }")
	if p := r.plan(Selection{All: true}); len(p.Refusals) != 1 || len(p.Steps) != 0 {
		t.Errorf("somebody else's table of our name: %q", p.Refusals)
	}
}

func TestPlanRefuses(t *testing.T) {
	r := newRig(t)
	for tap, why := range map[string]string{"up0": "no tap", "br0": "no tap", "lo": "no tap", "nosuch": "no device"} {
		if p := r.plan(Selection{Taps: []string{tap}}); len(p.Refusals) != 1 || !strings.Contains(p.Refusals[0], why) {
			t.Errorf("%s: %q", tap, p.Refusals)
		}
	}
	h, err := r.Observe(t.Context())
	r.must(err)
	for _, sel := range []Selection{{}, {Remove: true}, {All: true, Taps: []string{"tap1"}}} {
		if _, err := Plan(&Snapshot{Host: h}, sel, PlanOptions{Now: time.Now()}); !errors.Is(err, stackmend.ErrRefused) {
			t.Errorf("%+v: %v", sel, err)
		}
	}
	cloud := &Cloud{Ports: []Port{{ID: "2aaaaaaa-aaaa", Device: "bridging", MAC: "fa:16:3e:00:00:99"}}}
	r.must(r.LinkSetMaster(r.tap("tap2aaaaaaa-aa"), r.up("br0")))
	if h, err = r.Observe(t.Context()); err != nil {
		t.Fatal(err)
	}
	p, err := Plan(&Snapshot{Host: h, Cloud: cloud}, Selection{All: true, Allow: []string{"tap1", "bridging", "nobody"}}, PlanOptions{Now: time.Now()})
	r.must(err)
	if len(p.Steps) != 1 || p.Steps[0].Args["taps"] != "tap2" || len(p.Kept) != 2 || len(p.Unseen) != 1 {
		t.Errorf("allow-list: %+v", p)
	}
}

// TestApplier is the conformance suite. Its world is a namespace that has a
// name, so that another process can come to it.
func TestApplier(t *testing.T) {
	lab.Need(t, "ip", "nft")
	open := func(t testing.TB, dir string) (*namespace, appliertest.World) {
		n := within(netns.Open(t, filepath.Join(dir, "netns")))
		return n, appliertest.World{Applier: NewApplier(n.Kernel),
			Look: func() (string, error) { return n.Run("nft", "-s", "list", "ruleset"), nil },
			Spoil: func() error { // the same name, and another device
				l, err := n.LinkByName("tap1")
				if err != nil {
					return err
				}
				if err := n.LinkDel(l); err != nil {
					return err
				}
				n.tap("tap1")
				return nil
			}}
	}
	appliertest.Run(t, appliertest.Suite{
		Open: func(t testing.TB, dir string) appliertest.World { _, w := open(t, dir); return w },
		New: func(t testing.TB, dir string) appliertest.World {
			netns.New(t).Bind(filepath.Join(dir, "netns"))
			n, w := open(t, dir)
			up, _ := n.veth("up0", "wire0")
			n.bridge("br0", n.tap("tap1"), n.tap("tap2"), up)
			n.Run("nft", `table netdev theirs { chain c { type filter hook ingress device "tap1" priority 0; }; }`)
			w.Plan = n.plan(Selection{Taps: []string{"tap1"}})
			w.Hostile = func() error { // somebody else's table of our name
				n.Run("nft", "table netdev stackmend_bpdu { set mine { type ether_addr; }; }")
				return nil
			}
			return w
		},
	})
}
