package ceph

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/internal/lab"
	"github.com/stackmend/stackmend/internal/lab/ceph"
)

// patience is how long the manager may take on a busy machine.
const patience = 3 * time.Minute

// A managed is a cluster whose manager has the module.
type managed struct {
	*ceph.Cluster
	module string // its folder
}

func manage(t *testing.T) *managed {
	t.Helper()
	lab.Need(t, append(ceph.Programs(), "timeout", "go")...)
	dir, err := os.MkdirTemp("", "c") // sockets are made in it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	modules := filepath.Join(dir, "modules")
	m := &managed{module: filepath.Join(modules, "stackmend")}
	install(t, modules, m.module)
	if m.Cluster, err = ceph.Up(dir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Down(); err != nil {
			t.Error(err)
		}
	})
	m.reload(t, modules)
	return m
}

// install lays the module beside those of Ceph, and the programs into it.
func install(t *testing.T, modules, module string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(module, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	theirs, err := filepath.Glob("/usr/share/ceph/mgr/*")
	ours, err2 := filepath.Glob("stackmend/*.py")
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	for _, path := range theirs {
		if err := os.Symlink(path, filepath.Join(modules, filepath.Base(path))); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range ours {
		b, err := os.ReadFile(path)
		if err == nil {
			err = os.WriteFile(filepath.Join(module, filepath.Base(path)), b, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"ceph-check", "ceph-trim-pglog"} {
		cmd := exec.Command("go", "build", "-o", filepath.Join(module, "bin", name), "../../"+name)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
}

// reload starts the manager with the modules, and enables ours.
func (m *managed) reload(t *testing.T, modules string) {
	t.Helper()
	f, err := os.OpenFile(m.Conf, os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteString("[mgr]\nmgr module path = " + modules + "\n")
		err = errors.Join(err, f.Close())
	}
	if err = errors.Join(err, m.End("mgr.x", syscall.SIGTERM), m.Start("mgr.x")); err != nil {
		t.Fatal(err)
	}
	m.until(t, "the module enabled", func() error {
		_, err := m.Ceph("mgr", "module", "enable", "stackmend")
		return err
	})
	m.set(t, "timeout", "60")
	m.set(t, "interval", "1")
}

func (m *managed) set(t *testing.T, option, value string) {
	t.Helper()
	if _, err := m.Ceph("config", "set", "mgr", "mgr/stackmend/"+option, value); err != nil {
		t.Fatal(err)
	}
}

func (m *managed) until(t *testing.T, what string, try func() error) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(time.Second) {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			log, _ := os.ReadFile(filepath.Join(m.Dir, "log", "mgr.x.log"))
			t.Fatalf("not %s: %v\n%s", what, err, log[max(0, len(log)-4000):])
		}
	}
}

// result asks for the Result of a command until one is there.
func (m *managed) result(t *testing.T, command string) (r stackmend.Result) {
	t.Helper()
	m.until(t, "an answer to "+command, func() error {
		out, err := m.Ceph("-f", "json", "stackmend", command)
		if err != nil {
			return err
		}
		return json.Unmarshal(out, &r)
	})
	return r
}

// finds waits until a check has the finding.
func (m *managed) finds(t *testing.T, code string) {
	t.Helper()
	m.until(t, "finding "+code, func() error {
		r := m.result(t, "check")
		if !slices.ContainsFunc(r.Findings, func(f stackmend.Finding) bool { return f.Code == code }) {
			return fmt.Errorf("findings %+v", r.Findings)
		}
		return nil
	})
}

// fails waits until a command fails with the errno, and times the answer.
func (m *managed) fails(t *testing.T, command string, want syscall.Errno, says string) {
	t.Helper()
	m.until(t, fmt.Sprintf("%s: %v", command, want), func() error {
		_, err := m.Ceph("stackmend", command)
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != int(want) || !strings.Contains(err.Error(), says) {
			return fmt.Errorf("%w, not %v with %q", err, want, says)
		}
		return nil
	})
}

// program puts a script in the place of a program, or puts that back.
func (m *managed) program(t *testing.T, name, script string) (back func()) {
	t.Helper()
	path := filepath.Join(m.module, "bin", name)
	err := os.Rename(path, path+".real")
	if err == nil && script != "" {
		err = os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := os.Rename(path+".real", path); err != nil {
			t.Fatal(err)
		}
	}
}

func TestModule(t *testing.T) {
	m := manage(t)
	t.Run("check", func(t *testing.T) { checks(t, m) })
	t.Run("plan", func(t *testing.T) { plans(t, m) })
	t.Run("faults", func(t *testing.T) { faults(t, m) })
	t.Run("end", func(t *testing.T) { ends(t, m) })
}

// The answer is ceph-check's own, and follows the cluster.
func checks(t *testing.T, m *managed) {
	if r := m.result(t, "check"); r.Schema != stackmend.Schema || !strings.Contains(r.Subject, m.FSID) {
		t.Errorf("%+v", r)
	}
	if _, err := m.Ceph("osd", "set", "norecover"); err != nil {
		t.Fatal(err)
	}
	m.finds(t, "flags-set")
	out, err := m.Ceph("stackmend", "check")
	if err != nil || !strings.Contains(string(out), "norecover") {
		t.Errorf("%s %v", out, err)
	}
}

// plans leaves the plan in the place of its program: the rest is about the
// module, and a plan made anew takes longer than a busy machine has patience.
func plans(t *testing.T, m *managed) {
	r := m.result(t, "plan")
	if r.Plan == nil || r.Mode != stackmend.DryRun {
		t.Fatalf("%+v", r)
	}
	out, err := m.Ceph("stackmend", "plan")
	if err != nil || !strings.Contains(string(out), "plan ") {
		t.Errorf("%s %v", out, err)
	}
	t.Logf("%s", out)
	b, err := json.Marshal(r)
	made := filepath.Join(m.Dir, "plan.json")
	if err = errors.Join(err, os.WriteFile(made, b, 0o644)); err != nil {
		t.Fatal(err)
	}
	m.program(t, "ceph-trim-pglog", "exec cat "+made)
}

// What a program does never becomes the manager's trouble: each command has
// its errno, answers at once, and the cluster's health says nothing.
func faults(t *testing.T, m *managed) {
	for _, c := range []struct {
		name, script string
		errno        syscall.Errno
		says         string
	}{
		{"no program", "", syscall.ENOENT, "no program"},
		{"no JSON", "echo all is well", syscall.EINVAL, "no JSON"},
		{"another schema", `echo '{"schema": 99}'`, syscall.EINVAL, "schema"},
		{"it hangs", "sleep 1000 & wait", syscall.ETIMEDOUT, "no answer within 2 s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m.set(t, "timeout", "2")
			defer m.set(t, "timeout", "60")
			back := m.program(t, "ceph-check", c.script)
			m.fails(t, "check", c.errno, c.says)
			back()
		})
	}
	m.set(t, "id", "../../etc/passwd")
	m.fails(t, "check", syscall.EINVAL, "no name of a user")
	m.set(t, "id", "admin")
	m.result(t, "check")
	if out, err := m.Ceph("health", "detail"); err != nil || strings.Contains(string(out), "MODULE_ERROR") {
		t.Errorf("%s %v", out, err)
	}
}

// What hangs ends with its child at its own deadline, also when the module is
// disabled meanwhile: the manager then has forgotten it. While it hangs, the
// module still answers.
func ends(t *testing.T, m *managed) {
	pid := filepath.Join(m.Dir, "hangs")
	defer m.program(t, "ceph-check", "sleep 1000 & echo $! >"+pid+"; wait")()
	m.set(t, "timeout", "5")
	m.fails(t, "check", syscall.ETIMEDOUT, "no answer within 5 s")
	m.set(t, "timeout", "20") // what follows happens while it hangs
	os.Remove(pid)
	var b []byte
	m.until(t, "hanging again", func() (err error) {
		if b, err = os.ReadFile(pid); err == nil && len(b) == 0 {
			err = errors.New("no pid yet")
		}
		return err
	})
	m.result(t, "plan")
	if _, err := m.Ceph("mgr", "module", "disable", "stackmend"); err != nil {
		t.Fatal(err)
	}
	m.until(t, "the child gone", func() error {
		stat, err := os.ReadFile(filepath.Join("/proc", strings.TrimSpace(string(b)), "stat"))
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return nil
		}
		return fmt.Errorf("%s", stat)
	})
}
