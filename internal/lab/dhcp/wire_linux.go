package dhcp

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend/internal/lab"
	"github.com/stackmend/stackmend/internal/lab/netns"
)

// MACs of the instance that the failures are about, and of another one.
const (
	InstanceMAC = "fa:16:3e:24:e7:22"
	otherMAC    = "fa:16:3e:24:e7:33"
	serverMAC   = "fa:16:3e:00:00:01"
)

// ServerAddr is the server's address; it is the instance's gateway as well.
const ServerAddr = "10.2.0.1"

// A Wire is a server, a compute node and two instances. In the compute node
// tapcli is the instance's tap; between it and the instance stands a bridge
// that plays the device that qemu emulates.
//
//	server eth0 - tapsrv [br100] tapcli - vmtap [vm] vmnic - eth0 instance
//	                             tapcli2 - eth0 other
type Wire struct {
	Server, Compute, Instance, Other *netns.Namespace

	t testing.TB
}

// NewWire makes the namespaces and what connects them. The other instance has
// the MAC given, or one of its own.
func NewWire(t testing.TB, other string) *Wire {
	t.Helper()
	lab.Need(t, "ip", "nft", "tcpdump", "nsenter", "ethtool", "ping")
	w := &Wire{t: t, Server: netns.New(t), Compute: netns.New(t), Instance: netns.New(t), Other: netns.New(t)}
	if other == "" {
		other = otherMAC
	}
	for _, n := range []*netns.Namespace{w.Server, w.Compute, w.Instance, w.Other} {
		if err := n.In(quiet); err != nil {
			t.Fatal(err)
		}
	}
	batch(w.Compute, "link add br100 type bridge", "link add vm type bridge", "link add tapcli type veth peer name vmtap",
		peer("tapsrv", serverMAC, w.Server), peer("vmnic", InstanceMAC, w.Instance), peer("tapcli2", other, w.Other),
		"link set tapsrv master br100", "link set tapcli master br100", "link set tapcli2 master br100",
		"link set vmtap master vm", "link set vmnic master vm",
		"link set br100 up", "link set vm up", "link set tapsrv up", "link set tapcli up", "link set tapcli2 up", "link set vmtap up", "link set vmnic up")
	batch(w.Server, "link set lo up", "addr add "+ServerAddr+"/24 dev eth0", "link set eth0 up")
	for _, n := range []*netns.Namespace{w.Instance, w.Other} {
		batch(n, "link set lo up", "link set eth0 up")
	}
	for _, n := range []*netns.Namespace{w.Server, w.Instance, w.Other} {
		n.Run("ethtool", "-K", "eth0", "tx", "off") // else checksums are left to a device that is none
	}
	return w
}

// quiet keeps IPv6 out of the captures.
func quiet() error {
	for _, which := range []string{"all", "default"} {
		err := os.WriteFile("/proc/sys/net/ipv6/conf/"+which+"/disable_ipv6", []byte("1"), 0)
		if err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	return nil
}

func peer(tap, mac string, n *netns.Namespace) string {
	return fmt.Sprintf("link add %s type veth peer name eth0 address %s netns %s", tap, mac, Path(n))
}

// Path is the namespace as a file, while the test runs.
func Path(n *netns.Namespace) string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), n.FD) }

func batch(n *netns.Namespace, lines ...string) {
	n.T.Helper()
	cmd := Command(n, "ip", "-batch", "-")
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		n.T.Fatalf("ip: %v\n%s", err, out)
	}
}

// Command is a command that runs in the namespace, its clock UTC.
func Command(n *netns.Namespace, arg ...string) *exec.Cmd {
	cmd := exec.Command("nsenter", append([]string{"--net=" + Path(n), "--"}, arg...)...)
	cmd.Env = append(os.Environ(), "TZ=UTC", "LC_ALL=C")
	return cmd
}

// Filter puts rules of nft's bridge family to what the compute node forwards.
func (w *Wire) Filter(rules ...string) {
	w.t.Helper()
	text := "add table bridge lab; add chain bridge lab f { type filter hook forward priority 0; };"
	for _, r := range rules {
		text += " add rule bridge lab f " + r + ";"
	}
	w.Compute.Run("nft", text)
}

// Mend takes the filters away.
func (w *Wire) Mend() { w.Compute.Run("nft", "delete table bridge lab") }

// Capture writes what passes a device to a file until the process is ended.
func (w *Wire) Capture(n *netns.Namespace, device, file string) *lab.Process {
	w.t.Helper()
	p := lab.StartCmd(w.t, Command(n, "tcpdump", "-Z", "root", "--immediate-mode", "-U", "-i", device, "-w", file))
	p.Until(w.t, "capturing", func() bool { return strings.Contains(p.Output(), "listening on") })
	return p
}

// Addr is the address that an instance has, or "".
func Addr(n *netns.Namespace) (addr string) {
	_ = n.In(func() error {
		eth0, err := net.InterfaceByName("eth0")
		if err != nil {
			return err
		}
		list, err := eth0.Addrs()
		for _, a := range list {
			if ip, _, _ := net.ParseCIDR(a.String()); ip.To4() != nil && !ip.IsLinkLocalUnicast() {
				addr = ip.String()
			}
		}
		return err
	})
	return addr
}

// await polls until ok, for at most two minutes.
func await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within two minutes: %s", what)
		}
	}
}
