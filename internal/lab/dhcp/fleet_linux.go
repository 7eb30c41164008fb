package dhcp

import (
	"fmt"
	"testing"

	"github.com/stackmend/stackmend/internal/lab"
	"github.com/stackmend/stackmend/internal/lab/netns"
)

// A Fleet is a server and several compute nodes, each a bridge with instances.
// All bridges are in one namespace, tied together by br0.
type Fleet struct {
	Server, Compute *netns.Namespace
	Instances       []Member
}

// A Member is an instance of a fleet.
type Member struct {
	*netns.Namespace
	MAC, Bridge string
}

// NewFleet makes bridges br1, br2 and so on with so many instances each.
func NewFleet(t testing.TB, bridges, each int) *Fleet {
	t.Helper()
	lab.Need(t, "ip", "nsenter", "ethtool")
	f := &Fleet{Server: netns.New(t), Compute: netns.New(t)}
	lines := []string{"link add br0 type bridge", "link set br0 up", peer("tapsrv", serverMAC, f.Server), "link set tapsrv master br0", "link set tapsrv up"}
	for b := 1; b <= bridges; b++ {
		bridge, up, down := fmt.Sprintf("br%d", b), fmt.Sprintf("up%d", b), fmt.Sprintf("down%d", b)
		lines = append(lines, "link add "+bridge+" type bridge", "link set "+bridge+" up", "link add "+up+" type veth peer name "+down,
			"link set "+up+" master "+bridge, "link set "+down+" master br0", "link set "+up+" up", "link set "+down+" up")
		for i := range each {
			m := Member{netns.New(t), fmt.Sprintf("fa:16:3e:00:%02x:%02x", b, i), bridge}
			tap := fmt.Sprintf("tap%d-%d", b, i)
			lines = append(lines, peer(tap, m.MAC, m.Namespace), "link set "+tap+" master "+bridge, "link set "+tap+" up")
			f.Instances = append(f.Instances, m)
		}
	}
	for _, n := range append([]*netns.Namespace{f.Server, f.Compute}, f.namespaces()...) {
		if err := n.In(quiet); err != nil {
			t.Fatal(err)
		}
	}
	batch(f.Compute, lines...)
	batch(f.Server, "link set lo up", "addr add "+ServerAddr+"/24 dev eth0", "link set eth0 up")
	for _, n := range f.namespaces() {
		batch(n, "link set lo up", "link set eth0 up")
		n.Run("ethtool", "-K", "eth0", "tx", "off")
	}
	f.Server.Run("ethtool", "-K", "eth0", "tx", "off")
	return f
}

func (f *Fleet) namespaces() (all []*netns.Namespace) {
	for _, m := range f.Instances {
		all = append(all, m.Namespace)
	}
	return all
}

// Cut takes a bridge off the network: no link of its instances goes down.
func (f *Fleet) Cut(bridge int) {
	f.Compute.Run("ip", "link", "set", fmt.Sprintf("up%d", bridge), "down")
}
