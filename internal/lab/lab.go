// Package lab starts the real programs that the tests of this library talk
// to. It is for tests alone.
package lab

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Need says that a test cannot run without these programs. One that is
// missing fails the test in CI (the environment variable CI is set) and skips
// it with the reason elsewhere.
func Need(t testing.TB, programs ...string) {
	t.Helper()
	var missing []string
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			missing = append(missing, p)
		}
	}
	if len(missing) > 0 {
		Without(t, strings.Join(missing, ", ")+" not installed")
	}
}

// Without ends a test that lacks something real: a failure in CI, a skip
// elsewhere.
func Without(t testing.TB, reason string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("the real part is missing: %s", reason)
	}
	t.Skipf("the real part is missing: %s", reason)
}
