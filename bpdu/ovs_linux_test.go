package bpdu

import (
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/internal/lab"
	"github.com/stackmend/stackmend/internal/lab/netns"
	"github.com/stackmend/stackmend/internal/lab/vlan"
	"golang.org/x/sys/unix"
)

// ovs is Open vSwitch with the kernel's datapath and the rig's ports.
type ovs struct {
	*rig
	dir string
}

func newOVS(t *testing.T) ovs {
	t.Helper()
	n := within(netns.Open(t, "/proc/thread-self/ns/net")) // its kernel module is asked from there
	o := ovs{dir: t.TempDir()}
	for _, pair := range [][2]string{{"tap1", "inst1"}, {"tap2", "inst2"}, {"up0", "wire0"}} {
		n.veth(pair[0], pair[1])
	}
	o.rig = &rig{n, n.wire("inst1"), n.wire("inst2"), n.wire("wire0")}
	o.must(unix.Mount("tmpfs", "/tmp", "tmpfs", 0, "")) // ovsdb-server writes there and nowhere else
	t.Setenv("OVS_RUNDIR", o.dir)
	t.Setenv("OVS_LOGDIR", o.dir)
	o.run("ovsdb-tool", "create", filepath.Join(o.dir, "conf.db"), "/usr/share/openvswitch/vswitch.ovsschema")
	db := lab.Start(t, "ovsdb-server", "--remote=punix:"+o.socket(), filepath.Join(o.dir, "conf.db"))
	db.Until(t, "answers", func() bool {
		return exec.Command("ovs-vsctl", "--db=unix:"+o.socket(), "--no-wait", "init").Run() == nil
	})
	o.wait("an uptime at which Open vSwitch counts processors", countsProcessors)
	lab.Start(t, "ovs-vswitchd", "unix:"+o.socket())
	o.vsctl("add-br", "br-int")
	for _, port := range []string{"tap1", "tap2", "up0"} {
		o.vsctl("add-port", "br-int", port)
	}
	o.wait("Open vSwitch forwards", func() bool { o.inst1.send(warmUp); return o.uplink.hears(warmUp) })
	return o
}

// countsProcessors: an ovs-vswitchd 3.1.0 that starts within the first ten
// seconds after boot begins with "n-handler-threads to 0", and packets that the
// kernel knows no flow of get lost for as long as it runs.
func countsProcessors() bool {
	var t unix.Timespec
	return unix.ClockGettime(unix.CLOCK_MONOTONIC, &t) == nil && t.Sec > 10
}

func (o ovs) socket() string { return filepath.Join(o.dir, "db.sock") }

func (o ovs) run(name string, arg ...string) {
	o.t.Helper()
	if out, err := exec.Command(name, arg...).CombinedOutput(); err != nil {
		o.t.Fatalf("%s %q: %v\n%s", name, arg, err, out)
	}
}

func (o ovs) vsctl(arg ...string) {
	o.t.Helper()
	o.run("ovs-vsctl", append([]string{"--db=unix:" + o.socket(), "--timeout=120"}, arg...)...)
}

// What Open vSwitch does with an instance's BPDUs: the package comment has it.
func TestKernelOpenVSwitch(t *testing.T) {
	vlan.Inside(t)
	lab.Need(t, "ovs-vsctl", "ovs-vswitchd", "ovsdb-server", "ovsdb-tool", "ovs-ofctl")
	o := newOVS(t)
	all := slices.Sorted(slices.Values(frameNames[1:]))
	o.comesTo([]string{"ordinary"}) // NORMAL
	o.says(false, stackmend.Unknown, CodeNotApplicable)
	o.vsctl("set", "bridge", "br-int", "other-config:forward-bpdu=true")
	o.comesTo(all)
	o.says(true, stackmend.Warn, CodeTapUnprotected)
	o.vsctl("remove", "bridge", "br-int", "other-config", "forward-bpdu")
	o.comesTo([]string{"ordinary"})
	o.run("ovs-ofctl", "add-flow", filepath.Join(o.dir, "br-int.mgmt"), "priority=9,in_port=tap1,actions=output:up0")
	o.comesTo(all) // a flow that names the port asks nobody
	if p := o.plan(Selection{Taps: []string{"tap1"}}); len(p.Refusals) != 1 || len(p.Steps) != 0 {
		t.Errorf("its port as a tap: %+v", p)
	}
}

// comesTo waits until the first instance's frames get to the uplink as they
// should: flows in the kernel outlive a change of settings for a moment.
func (o ovs) comesTo(want []string) {
	o.t.Helper()
	o.wait("what passes is "+strings.Join(want, " "), func() bool {
		o.inst1.sendAll()
		got, _ := o.uplink.until()
		return slices.Equal(got, want)
	})
}

// says compares what is read from the database, and found of tap1.
func (o ovs) says(forwards bool, status stackmend.Status, code string) {
	o.t.Helper()
	c, err := net.Dial("unix", o.socket())
	o.must(err)
	defer c.Close()
	h, err := o.Observe(o.t.Context())
	o.must(err)
	h.OVS, err = ReadOVS(o.t.Context(), c)
	o.must(err)
	want := []OVSBridge{{Name: "br-int", ForwardBPDU: forwards, Ports: []string{"br-int", "tap1", "tap2", "up0"}}}
	if diff := cmp.Diff(want, h.OVS.Bridges); diff != "" {
		o.t.Errorf("bridges (-want +got):\n%s", diff)
	}
	f := findings(&Snapshot{Subject: "node", Host: h}, code)
	if len(f) != 2 || f[0].Subject != "node tap1" || f[0].Status != status {
		o.t.Errorf("findings: %+v", f)
	}
}
