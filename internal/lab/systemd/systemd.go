// Package systemd starts a real systemd for tests: a manager of a user's, in
// namespaces of its own, so that the machine's own manager, if it has one, is
// not touched and nothing is left behind.
package systemd

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend/internal/lab"
)

// inner is process 1 of the namespaces. A manager of a user's wants to believe
// that the machine was booted with systemd.
const inner = `set -e
mount -t cgroup2 none /sys/fs/cgroup
mount -t tmpfs none /run
mkdir -p /run/systemd/system /run/user/systemd/user
cp -r "$UNITS"/. /run/user/systemd/user
[ ! -e "$UNITS/user.conf" ] || cp "$UNITS/user.conf" /run/user/systemd/
dbus-daemon --session --address=unix:path=/run/user/bus --nofork --nopidfile &
` + env + ` "$SYSTEMD" --user --log-target=console &
wait`

const env = "XDG_RUNTIME_DIR=/run/user DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/bus"

// Up starts a manager with these units (and user.conf), by their names, and
// puts a systemctl into PATH that speaks to it. Root is needed.
func Up(t *testing.T, units map[string]string) {
	t.Helper()
	lab.Need(t, "systemctl", "dbus-daemon", "unshare", "nsenter")
	bin := program(t)
	dir := t.TempDir()
	for name, text := range units {
		write(t, filepath.Join(dir, "units", name), text, 0o644)
	}
	group := cgroup(t)
	cmd := exec.Command("sh", "-c", `echo $$ >"$GROUP/cgroup.procs" && exec unshare --mount --pid --cgroup --fork --mount-proc --kill-child --propagation private sh -c "$INNER"`)
	cmd.Env = append(os.Environ(), "GROUP="+group, "INNER="+inner, "UNITS="+filepath.Join(dir, "units"), "SYSTEMD="+bin)
	p := lab.StartCmd(t, cmd)
	systemctl, err := exec.LookPath("systemctl")
	if err != nil {
		t.Fatal(err)
	}
	// The child of unshare is process 1 over there.
	script := fmt.Sprintf("#!/bin/sh\ninit=$(cat /proc/%[1]d/task/%[1]d/children)\nexec nsenter --target ${init:?} --mount --pid -- env %[2]s TZ=$TZ %[3]s --user \"$@\"\n", p.Process.Pid, env, systemctl)
	write(t, filepath.Join(dir, "bin", "systemctl"), script, 0o755)
	t.Setenv("PATH", filepath.Join(dir, "bin")+":"+os.Getenv("PATH"))
	p.Until(t, "a manager that answers", func() bool { return exec.Command("systemctl", "show", "--property=Version").Run() == nil })
}

func program(t testing.TB) string {
	for _, path := range []string{"/lib/systemd/systemd", "/usr/lib/systemd/systemd"} {
		if _, err := os.Stat(path); err == nil && os.Geteuid() == 0 {
			return path
		}
	}
	lab.Without(t, "systemd, and root")
	return ""
}

// cgroup makes a group of the unified hierarchy, which is removed with all that
// the manager makes in it.
func cgroup(t testing.TB) string {
	t.Helper()
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); len(f) > 2 && f[2] == "cgroup2" {
			dir, err := os.MkdirTemp(f[1], "stackmend.")
			if err != nil {
				break
			}
			t.Cleanup(func() { remove(t, dir) })
			return dir
		}
	}
	lab.Without(t, "a cgroup v2 that can be written to")
	return ""
}

// remove removes a group and those in it, the innermost first.
func remove(t testing.TB, dir string) {
	var all []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			all = append(all, path)
		}
		return err
	})
	for i, end := len(all)-1, time.Now().Add(10*time.Second); i >= 0 && err == nil; i-- {
		for err = os.Remove(all[i]); err != nil && time.Now().Before(end); err = os.Remove(all[i]) {
			time.Sleep(20 * time.Millisecond) // its processes are on their way out
		}
	}
	if err != nil {
		t.Error(err)
	}
}

func write(t testing.TB, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}
