package mtu

import (
	"strings"
	"testing"

	"github.com/stackmend/stackmend/internal/lab/vlan"
)

// TestInVLANKernel runs the tests named TestKernel... of this package inside
// a kernel that has VLANs, bonds and tunnels.
func TestInVLANKernel(t *testing.T) {
	vlan.Kernel{Modules: strings.Fields("8021q bonding veth bridge vxlan geneve ip_gre ip6_gre ipip macvlan dummy tun")}.Test(t, "TestKernel")
}
