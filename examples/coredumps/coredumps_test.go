package coredumps

import (
	"context"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/internal/appliertest"
)

// folder makes dumps of 1000 bytes that are so many days old, and what is none.
func folder(t testing.TB, dir string, days ...int) *os.Root {
	t.Helper()
	write(t, filepath.Join(dir, "README"), 10, 0)
	for i, d := range days {
		write(t, filepath.Join(dir, fmt.Sprintf("core.qemu.%d", i)), 1000, d)
	}
	return open(t, dir)
}

func open(t testing.TB, dir string) *os.Root {
	t.Helper()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root
}

func write(t testing.TB, path string, size, days int) {
	t.Helper()
	at := time.Now().AddDate(0, 0, -days)
	if err := os.WriteFile(path, make([]byte, size), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}

var policy = Policy{Limit: 1500, MinAge: 24 * time.Hour}

func planOf(t testing.TB, root *os.Root) *stackmend.Plan {
	t.Helper()
	s, err := Observe(context.Background(), root)
	if err != nil {
		t.Fatal(err)
	}
	p, err := Plan(s, policy)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPlan(t *testing.T) {
	p := planOf(t, folder(t, t.TempDir(), 3, 30, 0, 2))
	var moved []string
	for _, s := range p.Steps {
		moved = append(moved, s.Target)
	}
	if want := []string{"core.qemu.1", "core.qemu.0", "core.qemu.3"}; !slices.Equal(moved, want) || len(p.Kept) != 1 {
		t.Errorf("moved %q, kept %+v", moved, p.Kept)
	}
}

func TestCheck(t *testing.T) {
	s, err := Observe(t.Context(), folder(t, t.TempDir(), 1, 2))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		limit  int64
		unseen []string
		want   stackmend.Status
	}{{2000, nil, stackmend.OK}, {1999, nil, stackmend.Warn}, {2000, []string{"core.x: denied"}, stackmend.Unknown}} {
		s.Unseen = c.unseen
		if r, err := Check(s, Policy{Limit: c.limit}); err != nil || r.Status != c.want {
			t.Errorf("%d: %v %v", c.limit, r.Status, err)
		}
	}
	if _, err := Check(s, Policy{}); err == nil {
		t.Error("a policy that says nothing")
	}
}

// A step waits while a dump is written, and is refused when that takes long.
func TestWaits(t *testing.T) {
	dir := t.TempDir()
	root := folder(t, dir, 3, 3)
	write(t, filepath.Join(dir, ".#core.nova.1"), 10, 0)
	r, err := stackmend.Run(t.Context(), planOf(t, root), NewApplier(root), stackmend.Options{Mode: stackmend.Apply, MaxWait: time.Millisecond})
	if err == nil || r.Outcomes[0].State != stackmend.Refused {
		t.Errorf("%+v %v", r.Outcomes, err)
	}
}

// The suite that every Applier passes: dry runs, doing twice, kills at every
// event, stale and hostile targets.
func TestConformance(t *testing.T) {
	world := func(root *os.Root, dir string, p *stackmend.Plan) appliertest.World {
		return appliertest.World{
			Applier: NewApplier(root), Plan: p,
			Look: func() (string, error) { return listing(root) },
			Spoil: func() error {
				return os.WriteFile(filepath.Join(dir, p.Steps[0].Target), []byte("another dump"), 0o600)
			},
			Hostile: func() error {
				path := filepath.Join(dir, p.Steps[0].Target)
				if err := os.Remove(path); err != nil {
					return err
				}
				return os.Symlink("/etc/passwd", path)
			},
		}
	}
	appliertest.Run(t, appliertest.Suite{
		New: func(t testing.TB, dir string) appliertest.World {
			root := folder(t, dir, 3, 4, 5)
			return world(root, dir, planOf(t, root))
		},
		Open: func(t testing.TB, dir string) appliertest.World {
			return world(open(t, dir), dir, nil)
		},
	})
}

// listing names every dump in its place.
func listing(root *os.Root) (text string, err error) {
	err = fs.WalkDir(root.FS(), ".", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		i, err := e.Info()
		if err == nil {
			text += fmt.Sprintln(path, i.Size(), i.Mode())
		}
		return err
	})
	return text, err
}

// What decides is pure.
func TestDecidesAlone(t *testing.T) {
	f, err := parser.ParseFile(token.NewFileSet(), "decide.go", nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	allowed := []string{"errors", "fmt", "slices", "strconv", "time", "github.com/stackmend/stackmend"}
	for _, i := range f.Imports {
		if path, _ := strconv.Unquote(i.Path.Value); !slices.Contains(allowed, path) {
			t.Errorf("decide.go imports %s", path)
		}
	}
	b, err := os.ReadFile("decide.go")
	if err != nil || strings.Contains(string(b), "time.Now") {
		t.Errorf("decide.go looks at the clock: %v", err)
	}
}

// A run that died between the two halves of a rename left two names of one
// dump: doing it again completes it. Another dump of that name is not replaced.
func TestCompletes(t *testing.T) {
	dir := t.TempDir()
	root := folder(t, dir, 3, 4)
	s, a := planOf(t, root).Steps[0], NewApplier(root)
	old := filepath.Join(dir, Old, s.Target)
	if err := os.Mkdir(filepath.Dir(old), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, old, 7, 0)
	if err := a.Do(t.Context(), s, nil); err == nil || a.Verify(t.Context(), s) == nil {
		t.Errorf("another dump was replaced: %v", err)
	}
	if err := os.Remove(old); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(filepath.Join(dir, s.Target), old); err != nil {
		t.Fatal(err)
	}
	if err := a.Do(t.Context(), s, nil); err != nil || a.Verify(t.Context(), s) != nil {
		t.Errorf("not completed: %v, %v", err, a.Verify(t.Context(), s))
	}
}
