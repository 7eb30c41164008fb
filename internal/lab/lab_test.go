package lab

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// fake takes the verdict of Need.
type fake struct {
	testing.TB
	verdict string // the first: the real ones do not return
}

func (f *fake) Helper()               {}
func (f *fake) Fatalf(string, ...any) { f.verdict += "failed " }
func (f *fake) Skipf(string, ...any)  { f.verdict += "skipped " }

func TestNeed(t *testing.T) {
	for _, c := range []struct{ ci, program, want string }{
		{"", "go", ""},
		{"true", "go", ""},
		{"", "no-such-program", "skipped"},
		{"true", "no-such-program", "failed"},
	} {
		t.Setenv("CI", c.ci)
		f := &fake{TB: t}
		Need(f, "go", c.program)
		if got, _, _ := strings.Cut(f.verdict, " "); got != c.want {
			t.Errorf("CI=%q, %s: %q, want %q", c.ci, c.program, got, c.want)
		}
	}
}

// A process and its children are gone when the test that started them is over.
func TestProcessEndsWithItsTest(t *testing.T) {
	Need(t, "sh", "sleep")
	var pid int
	t.Run("inner", func(t *testing.T) {
		p := Start(t, "sh", "-c", "sleep 1000 & echo $!; wait")
		p.Until(t, "printing", func() bool { return strings.HasSuffix(p.Output(), "\n") })
		pid, _ = strconv.Atoi(strings.TrimSpace(p.Output()))
	})
	if pid == 0 {
		t.Fatal("no child was started")
	}
	gone(t, pid)
}

// gone waits until the process is no more, or only a zombie of init.
func gone(t *testing.T, pid int) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
		if err != nil || strings.Contains(string(b), ") Z ") {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("process %d is still there: %s", pid, b)
		}
	}
}

// TestMain lets the test binary play the program that dies.
func TestMain(m *testing.M) {
	if pidfile := os.Getenv("LAB_TEST_ORPHAN"); pidfile != "" {
		orphan(pidfile)
	}
	os.Exit(m.Run())
}

func orphan(pidfile string) {
	cmd := exec.Command("sleep", "1000")
	bindLife(cmd)
	p := &Process{Cmd: cmd, done: make(chan struct{})}
	if err := p.launch(); err != nil {
		os.Exit(1)
	}
	if err := os.WriteFile(pidfile, []byte(strconv.Itoa(cmd.Process.Pid)), 0o600); err != nil {
		os.Exit(1)
	}
	select {}
}

// A process dies with a test binary that is killed.
func TestProcessDiesWithItsParent(t *testing.T) {
	Need(t, "sleep")
	pidfile := filepath.Join(t.TempDir(), "pid")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), "LAB_TEST_ORPHAN="+pidfile)
	p := StartCmd(t, cmd)
	var pid int
	p.Until(t, "writing the pid", func() bool {
		b, _ := os.ReadFile(pidfile)
		pid, _ = strconv.Atoi(string(b))
		return pid > 0
	})
	p.Stop()
	gone(t, pid)
}
