// Package nova drives parts of the real nova of Debian (python3-nova) for
// tests: its image cache manager and its locks.
package nova

import (
	_ "embed"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stackmend/stackmend/internal/lab"
)

// python is the interpreter that Debian's packages install into, whatever
// else PATH has.
const python = "/usr/bin/python3"

var (
	//go:embed cache.py
	cachePy string
	//go:embed ephemeral.py
	ephemeralPy string
	//go:embed lock.py
	lockPy string
)

// Need says that a test cannot run without nova.
func Need(t testing.TB) {
	t.Helper()
	lab.Need(t, python)
	if _, err := exec.Command(python, "-c", "import importlib.util, sys; sys.exit(not importlib.util.find_spec('nova'))").CombinedOutput(); err != nil {
		lab.Without(t, "python3-nova not installed")
	}
}

// Version is nova's own.
func Version(t testing.TB) string {
	t.Helper()
	return strings.TrimSpace(run(t, "-c", "import importlib.metadata; print(importlib.metadata.version('nova'))"))
}

// EphemeralSuffix is what nova appends to ephemeral_SIZE_ in the name of a
// base image.
func EphemeralSuffix(t testing.TB) string {
	t.Helper()
	return strings.TrimSpace(run(t, "-c", ephemeralPy))
}

// run runs the interpreter to its end.
func run(t testing.TB, arg ...string) string {
	t.Helper()
	p := lab.StartCmd(t, command(arg...))
	if err := p.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, p.Output())
	}
	return p.Output()
}

// command keeps the warnings of the libraries out of the output.
func command(arg ...string) *exec.Cmd {
	cmd := exec.Command(python, arg...)
	cmd.Env = append(os.Environ(), "PYTHONWARNINGS=ignore", "PYTHONDONTWRITEBYTECODE=1", "PYTHONUTF8=1")
	return cmd
}

// Instance is a row of a cell's database.
type Instance struct {
	UUID       string `json:"uuid"`
	Host       string `json:"host"`
	Image      string `json:"image"`
	State      string `json:"state"` // vm_state
	Ephemerals []int  `json:"ephemerals,omitempty"`
}

// Cell is a database and the compute that looks after the images.
type Cell struct {
	Host      string     `json:"host"`
	Instances []Instance `json:"instances"`
}

// Pass is what one pass of the image cache manager did.
type Pass struct {
	Deleted []string // base images that are no longer there
	Log     string
}

// A Manager is a process of nova's libraries that runs passes of the image
// cache manager. It is for one goroutine.
type Manager struct {
	p  *lab.Process
	in io.Writer
}

// StartManager starts it. It needs nova, and ends with the test. A plugin is
// the path of a Python module whose install is called first, and that of a
// nova.conf.
func StartManager(t testing.TB, plugin ...string) *Manager {
	t.Helper()
	Need(t)
	p, in := fed(t, command(append([]string{"-c", cachePy}, plugin...)...))
	return &Manager{p, in}
}

// fed starts a process whose stdin stays open until the test closes it, or
// ends.
func fed(t testing.TB, cmd *exec.Cmd) (*lab.Process, io.WriteCloser) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd.Stdin = r
	p := lab.StartCmd(t, cmd)
	t.Cleanup(func() { w.Close() })
	return p, w
}

// CachePass runs one pass of the real image cache manager of c.Host over the
// instances directory, with nova's defaults.
func (m *Manager) CachePass(t testing.TB, dir string, c Cell) Pass {
	t.Helper()
	world, err := json.Marshal(struct {
		Dir string `json:"dir"`
		Cell
	}{dir, c})
	if err != nil {
		t.Fatal(err)
	}
	before, begin := bases(t, dir), len(m.p.Output())
	if _, err := m.in.Write(append(world, '\n')); err != nil {
		t.Fatalf("%v\n%s", err, m.p.Output())
	}
	var log string
	m.p.Until(t, "ending the pass", func() bool {
		log = m.p.Output()[begin:]
		return ended.MatchString(log)
	})
	if !strings.HasSuffix(log, "PASS 0\n") {
		t.Fatalf("nova's pass failed:\n%s", log)
	}
	after := bases(t, dir)
	gone := slices.DeleteFunc(before, func(name string) bool { return slices.Contains(after, name) })
	return Pass{gone, log}
}

var ended = regexp.MustCompile(`(?m)^PASS \d+\n`)

func bases(t testing.TB, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(dir, "_base"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// HoldLock takes nova's lock on a base image, in a process of nova's
// libraries, and returns what lets it go.
func HoldLock(t testing.TB, dir, name string) (release func()) {
	t.Helper()
	p, in := fed(t, command("-c", lockPy, dir, name, "hold"))
	p.Until(t, "holding the lock", func() bool { return strings.Contains(p.Output(), "held") })
	return func() {
		in.Close()
		if err := p.Wait(); err != nil {
			t.Errorf("%v\n%s", err, p.Output())
		}
	}
}

// TryLock reports whether nova's libraries get the lock on a base image.
func TryLock(t testing.TB, dir, name string) bool {
	t.Helper()
	switch out := strings.TrimSpace(run(t, "-c", lockPy, dir, name, "try")); out {
	case "held":
		return true
	case "refused":
		return false
	default:
		t.Fatalf("nova's lockutils: %s", out)
		return false
	}
}
