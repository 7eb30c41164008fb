package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stackmend/stackmend/internal/lab"
)

// asDaemon in the environment makes the test binary the daemon itself.
const asDaemon = "STACKMEND_AS_DAEMON"

func TestMain(m *testing.M) {
	if os.Getenv(asDaemon) != "" {
		main()
	}
	os.Exit(m.Run())
}

// TestDaemonStaysInMemory looks at the daemon from outside, as an operator
// would: the kernel says that its memory is locked, and that others are killed
// first; what the host does not permit is said. SIGTERM ends it.
func TestDaemonStaysInMemory(t *testing.T) {
	if os.Geteuid() != 0 {
		lab.Without(t, "root: others may not lock much memory")
	}
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "-backend", "cli", "-asok", dir, "-host", "here", "-lock", filepath.Join(dir, "lock"),
		"-state", filepath.Join(dir, "state.json"), "-match", filepath.Join(dir, "no-such.conf"), "-textfile", filepath.Join(dir, "metrics"))
	cmd.Env = append(os.Environ(), asDaemon+"=1")
	p := lab.StartCmd(t, cmd)
	p.Until(t, "metrics of a first pass", func() bool {
		_, err := os.Stat(filepath.Join(dir, "metrics"))
		return err == nil
	})
	proc := fmt.Sprintf("/proc/%d/", cmd.Process.Pid)
	score, err := os.ReadFile(proc + "oom_score_adj")
	if err != nil {
		t.Fatal(err)
	}
	spared := strings.TrimSpace(string(score)) == "-1000"
	warned := strings.Contains(p.Output(), "may be paged out or killed") && strings.Contains(p.Output(), "oom_score_adj")
	if may := maySpare(); spared != may || warned == may {
		t.Errorf("the host permits -1000: %t; oom_score_adj is %q, warned %t\n%s", may, score, warned, p.Output())
	}
	status, err := os.ReadFile(proc + "status")
	if err != nil {
		t.Fatal(err)
	}
	locked, resident := kibibytes(t, status, "VmLck:"), kibibytes(t, status, "VmRSS:")
	if locked == 0 || locked < resident {
		t.Errorf("%d KiB are locked, %d KiB are resident", locked, resident)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v\n%s", err, p.Output())
	}
}

// maySpare tries whether this host lets a process keep itself from being killed
// for memory: a container's root may not.
func maySpare() bool {
	return exec.Command("sh", "-c", "echo -1000 >/proc/self/oom_score_adj").Run() == nil
}

// kibibytes reads a line of /proc/PID/status.
func kibibytes(t *testing.T, status []byte, key string) (n int64) {
	t.Helper()
	_, rest, ok := strings.Cut(string(status), key)
	if _, err := fmt.Sscan(rest, &n); !ok || err != nil {
		t.Fatalf("no %s: %v", key, err)
	}
	return n
}
