package mtu

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend/internal/lab"
	"github.com/stackmend/stackmend/internal/lab/vlan"
)

// TestInVLANKernel runs the tests named TestKernel... of this package inside
// a kernel that has VLANs, bonds and tunnels.
func TestInVLANKernel(t *testing.T) {
	lab.Need(t, append(vlan.Programs(), "go")...)
	if testing.Short() {
		t.Skip("boots a kernel")
	}
	dir := t.TempDir()
	build := exec.Command("go", "test", "-c", "-o", filepath.Join(dir, "mtu.test"), ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	k := vlan.Kernel{Modules: strings.Fields("8021q bonding veth bridge vxlan geneve ip_gre ip6_gre ipip macvlan dummy tun")}
	out, status, err := k.Run(ctx, dir, "/mnt/out/mtu.test", "-test.run", "^TestKernel", "-test.v", "-test.timeout", "7m")
	t.Logf("%s", out)
	if err != nil || status != 0 {
		t.Errorf("status %d: %v", status, err)
	}
	if n := strings.Count(string(out), "--- PASS: TestKernel"); err == nil && n == 0 {
		t.Error("no test ran inside")
	}
}

// inVLANKernel skips a test that is not run there.
func inVLANKernel(t *testing.T) {
	t.Helper()
	if os.Getenv(vlan.Env) == "" {
		t.Skip("runs inside TestInVLANKernel")
	}
}
