//go:build linux

package consolelog_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/consolelog"
	"github.com/stackmend/stackmend/internal/appliertest"
	"github.com/stackmend/stackmend/internal/lab"
)

func TestCollapseConforms(t *testing.T) { suite(t, true) }
func TestPunchConforms(t *testing.T)    { suite(t, false) }

// suite is the conformance suite over a log that a process has open for
// writing, with an archive. Whether that appends decides on the method.
func suite(t *testing.T, appends bool) {
	appliertest.Run(t, appliertest.Suite{
		New: func(t testing.TB, dir string) appliertest.World { return newWorld(t, dir, appends) },
		Open: func(t testing.TB, dir string) appliertest.World {
			return openWorld(t, dir, nil)
		},
	})
}

// holder starts a program that has the log open for writing, and writes
// nothing.
func holder(t testing.TB, log string, appends bool) *lab.Process {
	t.Helper()
	flags := os.O_WRONLY
	if appends {
		flags |= os.O_APPEND
	}
	f, err := os.OpenFile(log, flags, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd := exec.Command("sleep", "1000")
	cmd.Stdout = f
	p := lab.StartCmd(t, cmd)
	p.Until(t, "running", func() bool { // until then it goes by the name of this test
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", p.Process.Pid))
		return err == nil && string(b) == "sleep\n"
	})
	return p
}

var worldPolicy = consolelog.Policy{Limit: 256 << 10, Keep: 128 << 10, Writers: []string{"sleep"}}

func newWorld(t testing.TB, dir string, appends bool) appliertest.World {
	t.Helper()
	for _, d := range []string{"instances", "archive"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	log := filepath.Join(instances(t, filepath.Join(dir, "instances"), "a"), "console.log")
	writeLines(t, log, 0, 5500)
	holder(t, log, appends)
	p := worldPolicy
	p.Archive = filepath.Join(dir, "archive")
	plan, err := consolelog.Plan(observe(t, consolelog.Source{Instances: filepath.Join(dir, "instances"), Archive: p.Archive}), p)
	if err != nil {
		t.Fatal(err)
	}
	return openWorld(t, dir, plan)
}

func openWorld(t testing.TB, dir string, plan *stackmend.Plan) appliertest.World {
	t.Helper()
	log := filepath.Join(dir, "instances/a/console.log")
	a, err := consolelog.NewApplier(consolelog.Site{Instances: filepath.Join(dir, "instances"), Writers: worldPolicy.Writers,
		Archive: consolelog.Archive{Dir: filepath.Join(dir, "archive"), Segment: 8 << 20, Workers: 1}})
	if err != nil {
		t.Fatal(err)
	}
	return appliertest.World{
		Applier: a, Plan: plan,
		Look: func() (string, error) { return lookAt(dir) },
		Spoil: func() error { // as logrotate's create would
			if err := os.Rename(log, log+"-aside"); err != nil {
				return err
			}
			return os.WriteFile(log, []byte("new\n"), 0o644)
		},
		Hostile: func() error {
			if err := os.Rename(log, filepath.Join(dir, "secret")); err != nil {
				return err
			}
			return os.Symlink(filepath.Join(dir, "secret"), log)
		},
	}
}

// lookAt describes the log and the archive, without what differs from one
// world to another.
func lookAt(dir string) (string, error) {
	var out []string
	logs, err := filepath.Glob(filepath.Join(dir, "instances/a/*"))
	if err != nil {
		return "", err
	}
	for _, path := range append(logs, filepath.Join(dir, "secret")) {
		b, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", err
		}
		hole := len(b) - len(bytes.TrimLeft(b, "\x00"))
		first, last, err := numbers(b[hole:])
		out = append(out, fmt.Sprintf("%s: size %d, hole %d, lines %d to %d %v", filepath.Base(path), len(b), hole, first, last, err))
	}
	kept, err := archived(filepath.Join(dir, "archive/a"))
	out = append(out, fmt.Sprintf("archived: %d bytes, %d lines, %v", len(kept), bytes.Count(kept, []byte("\n")), err))
	return strings.Join(out, "\n"), nil
}

// archived unpacks all that an archive's folder holds, in order, and checks
// that each file has its manifest and nobody else may read it.
func archived(folder string) ([]byte, error) {
	all, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil {
		return nil, err
	}
	slices.Sort(all)
	var out []byte
	for _, path := range all {
		m, err := consolelog.ReadManifest(path)
		if err != nil {
			return nil, err
		}
		path = m.Archive()
		packed, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		d, err := zstd.NewReader(nil)
		if err != nil {
			return nil, err
		}
		plain, err := d.DecodeAll(packed, nil)
		d.Close()
		if err != nil || int64(len(plain)) != m.To-m.From || int64(len(packed)) != m.Compressed {
			return nil, fmt.Errorf("%s: %d bytes of %d, %v", path, len(plain), m.To-m.From, err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			return nil, fmt.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
		if m.State == consolelog.Removed {
			out = append(out, plain...)
		}
	}
	return out, nil
}

// stepOf returns the first step of a plan for a folder of instances.
func stepOf(t testing.TB, root string, p consolelog.Policy) stackmend.Step {
	t.Helper()
	plan, err := consolelog.Plan(observe(t, consolelog.Source{Instances: root, Archive: p.Archive}), p)
	if err != nil || len(plan.Steps) == 0 {
		t.Fatalf("no step: %v, %v", plan, err)
	}
	return plan.Steps[0]
}

// TestEditedPlanIsRefused: a step from a file can say anything.
func TestEditedPlanIsRefused(t *testing.T) {
	root := t.TempDir()
	log := filepath.Join(instances(t, root, "a"), "console.log")
	writeLines(t, log, 0, 10000)
	outside := filepath.Join(t.TempDir(), "shadow")
	writeLines(t, outside, 0, 10000)
	a, err := consolelog.NewApplier(consolelog.Site{Instances: root})
	if err != nil {
		t.Fatal(err)
	}
	for name, edit := range map[string]func(*stackmend.Step){
		"outside":       func(s *stackmend.Step) { s.Target = outside },
		"dots":          func(s *stackmend.Step) { s.Target = root + "/a/../../shadow" },
		"dot dot":       func(s *stackmend.Step) { s.Target = root + "/../console.log" },
		"deeper":        func(s *stackmend.Step) { s.Target = root + "/a/b/console.log" },
		"no folder":     func(s *stackmend.Step) { s.Target = root + "/console.log" },
		"method":        func(s *stackmend.Step) { s.Args["method"] = "truncate" },
		"keep":          func(s *stackmend.Step) { s.Args["keep"] = "0" },
		"keeps little":  func(s *stackmend.Step) { s.Args["keep"] = "4096" },
		"negative":      func(s *stackmend.Step) { s.Args["limit"] = "-1" },
		"no number":     func(s *stackmend.Step) { s.Args["limit"] = "all" },
		"archive":       func(s *stackmend.Step) { s.Args["archive"] = "/etc" },
		"assumes":       func(s *stackmend.Step) { s.Assumes = nil },
		"other writers": func(s *stackmend.Step) { s.Assumes["writers"] = "qemu pid 1 O_APPEND" },
		"other method":  func(s *stackmend.Step) { s.Args["method"] = consolelog.Rename },
	} {
		s := stepOf(t, root, small)
		edit(&s)
		for what, err := range map[string]error{"recheck": a.Recheck(t.Context(), s), "do": a.Do(t.Context(), s, &stackmend.Work{})} {
			if !errors.Is(err, stackmend.ErrRefused) && !errors.Is(err, stackmend.ErrStale) {
				t.Errorf("%s: %s: %v, want refused or stale", name, what, err)
			}
		}
	}
	if size(log) != 600000 || size(outside) != 600000 {
		t.Errorf("something was cut: %d, %d", size(log), size(outside))
	}
}

// TestWriterComes: between the plan and the step somebody opens the log.
func TestWriterComes(t *testing.T) {
	root := t.TempDir()
	log := filepath.Join(instances(t, root, "a"), "console.log")
	writeLines(t, log, 0, 10000)
	s := stepOf(t, root, small)
	a, err := consolelog.NewApplier(consolelog.Site{Instances: root})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Recheck(t.Context(), s); err != nil {
		t.Errorf("nobody has come: %v", err)
	}
	p := holder(t, log, true)
	var stale *stackmend.StaleError
	if err := a.Recheck(t.Context(), s); !errors.As(err, &stale) || stale.Key != "writers" {
		t.Errorf("somebody came: %v, want a StaleError of writers", err)
	}
	p.Stop()
	if err := a.Recheck(t.Context(), s); err != nil {
		t.Errorf("and went: %v", err)
	}
}

// TestOneAtATime: two runs do not work on the same log.
func TestOneAtATime(t *testing.T) {
	root := t.TempDir()
	log := filepath.Join(instances(t, root, "a"), "console.log")
	writeLines(t, log, 0, 10000)
	s := stepOf(t, root, small)
	f, err := os.Open(log)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	a, err := consolelog.NewApplier(consolelog.Site{Instances: root})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Do(t.Context(), s, &stackmend.Work{}); !errors.Is(err, stackmend.ErrRefused) {
		t.Errorf("while another run has the lock: %v, want refused", err)
	}
}
