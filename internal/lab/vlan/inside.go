package vlan

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend/internal/lab"
)

// Test runs the tests of the caller's package whose names begin with prefix
// inside the kernel. They call Inside.
func (k Kernel) Test(t *testing.T, prefix string) {
	t.Helper()
	lab.Need(t, append(Programs(), "go")...)
	if testing.Short() {
		lab.Without(t, "a kernel with VLANs, which -short leaves out")
	}
	dir := t.TempDir()
	build := exec.Command("go", "test", "-c", "-o", filepath.Join(dir, "inside.test"), ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	out, status, err := k.Run(ctx, dir, "/mnt/out/inside.test", "-test.run", "^"+prefix, "-test.v", "-test.timeout", "7m")
	t.Logf("%s", out)
	if err != nil || status != 0 {
		t.Errorf("status %d: %v", status, err)
	}
	if n := strings.Count(string(out), "--- PASS: "+prefix); err == nil && n == 0 {
		t.Error("no test ran inside")
	}
}

// Inside skips a test that does not run in such a kernel.
func Inside(t testing.TB) {
	t.Helper()
	if os.Getenv(Env) == "" {
		t.Skip("runs inside a kernel with VLANs")
	}
}
