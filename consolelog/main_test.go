//go:build linux

package consolelog_test

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// TestMain moves the tests of root into a mount namespace of their own: what
// they mount, and the loop devices below, are gone when they end, however
// they end.
func TestMain(m *testing.M) {
	fuzzing := slices.ContainsFunc(os.Args, func(a string) bool { return strings.HasPrefix(a, "-test.fuzzworker") })
	if os.Geteuid() != 0 || fuzzing || os.Getenv("CONSOLELOG_TEST_INSIDE") != "" {
		os.Exit(m.Run())
	}
	os.Exit(inside())
}

func inside() int {
	runtime.LockOSThread() // Pdeathsig is sent when the thread ends that forks
	self, err := os.Executable()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	cmd := exec.Command(self, os.Args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), "CONSOLELOG_TEST_INSIDE=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Run(); err != nil {
		if cmd.ProcessState != nil {
			return max(1, cmd.ProcessState.ExitCode())
		}
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
