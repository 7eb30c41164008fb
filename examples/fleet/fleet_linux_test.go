package fleet

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stackmend/stackmend/examples/imagecache/tree"
)

func TestFleet(t *testing.T) {
	f := newFleet(t)
	t.Run("plan", func(t *testing.T) { f.plans(t) })
	t.Run("refused", func(t *testing.T) { f.refused(t) })
	t.Run("resumed", func(t *testing.T) { f.resumed(t) })
	t.Run("consolelog", func(t *testing.T) { f.consoles(t) })
	t.Run("unreachable", func(t *testing.T) { f.unreachable(t) })
	t.Run("wrong", func(t *testing.T) { f.wrong(t) })
}

// counts compares how many images each host has.
func (f *fleet) counts(t *testing.T, want ...int) {
	t.Helper()
	for i, h := range f.hosts {
		if got := f.images(i); got != want[i] {
			t.Errorf("%s has %d images, want %d", h.name, got, want[i])
		}
	}
}

// A dry run prints one table and changes nothing.
func (f *fleet) plans(t *testing.T) {
	ok, out := f.play(t, "plan.yml", "tool=imagecache")
	if !ok {
		t.Fatal(out)
	}
	table := f.out(t, "imagecache", "table.txt")
	for _, h := range f.hosts {
		if !regexp.MustCompile(`(?m)^` + h.name + ` +would run +[0-9a-f]{12} +2 +2097\d+ `).MatchString(table) {
			t.Errorf("%s is not in the table:\n%s", h.name, table)
		}
		if plan := f.out(t, "imagecache", h.name+".plan"); !strings.Contains(plan, tree.BaseName(tree.Unused)) {
			t.Errorf("the plan of %s: %s", h.name, plan)
		}
	}
	if !strings.Contains(out, "would run") || strings.Count(f.out(t, "imagecache", "reviewed.json"), "node-") != 3 {
		t.Errorf("%s\n%s", out, f.out(t, "imagecache", "reviewed.json"))
	}
	t.Logf("\n%s", table)
	f.counts(t, 5, 5, 5)
}

func (f *fleet) apply(t *testing.T, tool string) (ok bool, out string) {
	t.Helper()
	return f.play(t, "apply.yml", "tool="+tool, "reviewed="+filepath.Join(f.dir, "out", tool, "reviewed.json"))
}

// The second host has lost a compute since: it is refused, and the third is
// not touched.
func (f *fleet) refused(t *testing.T) {
	services := f.hosts[1].path("services.json")
	well, err := os.ReadFile(services)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(services, []byte(strings.ReplaceAll(string(well), `"up"`, `"down"`)), 0o600); err != nil {
		t.Fatal(err)
	}
	ok, out := f.apply(t, "imagecache")
	if ok || !strings.Contains(out, "node-a") || strings.Contains(out, "node-c]") {
		t.Errorf("%t: %s", ok, out)
	}
	f.counts(t, 3, 5, 5)
	if err := os.WriteFile(services, well, 0o600); err != nil {
		t.Fatal(err)
	}
}

// The second host's run is stopped after one of its two steps; the next call
// goes on from its journal, past the first host, and to the third.
func (f *fleet) resumed(t *testing.T) {
	f.inventory(t, ", -max-steps, '1'")
	if ok, out := f.apply(t, "imagecache"); ok {
		t.Errorf("%s", out)
	}
	f.counts(t, 3, 4, 5)
	f.inventory(t, "")
	ok, out := f.apply(t, "imagecache")
	if !ok || !strings.Contains(out, "TASK [Run the plan]") {
		t.Errorf("%t: %s", ok, out)
	}
	f.counts(t, 3, 3, 3)
	ok, out = f.apply(t, "imagecache")
	if !ok || strings.Contains(out, "changed=1") || strings.Contains(out, "TASK [Run the plan]") {
		t.Errorf("what is done is done again: %t: %s", ok, out)
	}
}

// Every host's console is bounded, and what was removed is in its archive.
func (f *fleet) consoles(t *testing.T) {
	for _, h := range f.hosts {
		if err := os.MkdirAll(h.path("archive"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if ok, out := f.play(t, "plan.yml", "tool=consolelog"); !ok {
		t.Fatal(out)
	}
	t.Logf("\n%s", f.out(t, "consolelog", "table.txt"))
	if ok, out := f.apply(t, "consolelog"); !ok {
		t.Fatal(out)
	}
	for _, h := range f.hosts {
		logs, _ := filepath.Glob(h.path("instances", "*", "console.log"))
		kept, _ := filepath.Glob(h.path("archive", "*", "*"))
		flat, _ := filepath.Glob(h.path("archive", "*.zst"))
		if len(logs) != 1 || len(kept)+len(flat) == 0 {
			t.Errorf("%s: logs %q, archives %q %q", h.name, logs, kept, flat)
			continue
		}
		if i, err := os.Stat(logs[0]); err != nil || i.Size() > 1<<20 {
			t.Errorf("%s: %v %v", h.name, i.Size(), err)
		}
	}
}

// A host that is gone is unknown in the table, and ends an apply. One where
// the dry run is refused is not for review.
func (f *fleet) unreachable(t *testing.T) {
	pid := f.hosts[1].pid
	f.hosts[1].pid = 1 << 30
	defer func() { f.hosts[1].pid = pid; f.inventory(t, "") }()
	f.inventory(t, "")
	if err := os.Remove(f.hosts[2].path("services.json")); err != nil {
		t.Fatal(err)
	}
	ok, out := f.play(t, "plan.yml", "tool=imagecache")
	table := f.out(t, "imagecache", "table.txt")
	if !regexp.MustCompile(`(?m)^node-c +(refused|unknown) .*services`).MatchString(table) || strings.Contains(f.out(t, "imagecache", "reviewed.json"), "node-c") {
		t.Errorf("%t:\n%s\n%s", ok, table, out)
	}
	ok, out = f.play(t, "plan.yml", "tool=ceph-trim-pglog")
	table = f.out(t, "ceph-trim-pglog", "table.txt")
	if !regexp.MustCompile(`(?m)^node-a +unknown .*could not be reached`).MatchString(table) ||
		!regexp.MustCompile(`(?m)^node-c +unknown .*ceph`).MatchString(table) {
		t.Errorf("%t:\n%s\n%s", ok, table, out)
	}
	reviewed := filepath.Join(f.dir, "all.json")
	id := strings.Repeat("a", 64)
	text := `{"schema":1,"tool":"imagecache","plans":{"node-a":"` + id + `","node-c":"` + id + `"}}`
	if err := os.WriteFile(reviewed, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ok, out = f.play(t, "apply.yml", "tool=imagecache", "reviewed="+reviewed)
	if ok || !strings.Contains(out, "UNREACHABLE") || strings.Contains(out, "node-c]") {
		t.Errorf("%t: %s", ok, out)
	}
}

// Neither another tool's plans nor another id than the reviewed one is run.
func (f *fleet) wrong(t *testing.T) {
	reviewed := filepath.Join(f.dir, "wrong.json")
	for text, want := range map[string]string{
		`{"schema":1,"tool":"consolelog","plans":{"node-b":"x"}}`:                               "Those plans are of this tool",
		`{"schema":1,"tool":"imagecache","plans":{"node-b":"../x"}}`:                            "Those plans are of this tool",
		`{"schema":1,"tool":"imagecache","plans":{"node-b":"` + strings.Repeat("b", 64) + `"}}`: "was edited",
	} {
		if err := os.WriteFile(reviewed, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if ok, out := f.play(t, "apply.yml", "tool=imagecache", "reviewed="+reviewed); ok || !strings.Contains(out, want) {
			t.Errorf("%s: %t: %s", text, ok, out)
		}
	}
}
