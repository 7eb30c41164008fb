//go:build linux

package consolelog_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/consolelog"
	"github.com/stackmend/stackmend/internal/appliertest"
)

// TestReplace: where a filesystem can make no holes, and nobody writes.
func TestReplace(t *testing.T) {
	root := mounted(t, "ramfs", "")
	log := filepath.Join(instances(t, root, "a"), "console.log")
	writeLines(t, log, 0, 10000)
	if err := os.Chmod(log, 0o640); err != nil {
		t.Fatal(err)
	}
	p := small
	p.Archive = t.TempDir()
	s := stepOf(t, root, p)
	if s.Args["method"] != consolelog.Rename {
		t.Fatalf("method %q", s.Args["method"])
	}
	a, err := consolelog.NewApplier(consolelog.Site{Instances: root, Archive: consolelog.Archive{Dir: p.Archive}})
	if err != nil {
		t.Fatal(err)
	}
	reader, err := os.Open(log)
	if err != nil {
		t.Fatal(err)
	}
	plan := &stackmend.Plan{Check: "consolelog", Steps: []stackmend.Step{s}}
	plan.Created, plan.Expires = now(), now().Add(patience)
	if _, err := stackmend.Run(t.Context(), plan, a, stackmend.Options{Mode: stackmend.Apply}); !errors.Is(err, stackmend.ErrStale) {
		t.Errorf("while somebody has it open: %v, want stale", err)
	}
	if size(log) != 600000 {
		t.Errorf("it was cut to %d bytes", size(log))
	}
	reader.Close()
	if r, err := stackmend.Run(t.Context(), plan, a, stackmend.Options{Mode: stackmend.Apply}); err != nil {
		t.Fatalf("%v\n%s", err, appliertest.Describe(r))
	}
	all, err := archived(filepath.Join(p.Archive, "a"))
	if err != nil {
		t.Fatal(err)
	}
	rest, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	first, last, err := numbers(append([]byte("\n"), append(all, rest...)...))
	if err != nil || first != 0 || last != 9999 {
		t.Errorf("archive and log hold lines %d to %d, %v", first, last, err)
	}
	info, err := os.Stat(log)
	if err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("%v, %v: its mode is lost", info.Mode(), err)
	}
	if left, _ := os.ReadDir(filepath.Dir(log)); len(left) != 1 {
		t.Errorf("something was left behind: %v", left)
	}
}
