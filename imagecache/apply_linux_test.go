package imagecache

import (
	"crypto/sha1"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/internal/appliertest"
)

// world is a cloud as the conformance suite wants it.
func (c *cloud) world(plan *stackmend.Plan) appliertest.World {
	c.t.Helper()
	a, err := NewApplier(c.site, c)
	c.must(err)
	return appliertest.World{Applier: a, Plan: plan, Look: c.look, Options: stackmend.Options{Irreversible: true}}
}

// look describes the base directory and the quarantine, without times and
// inodes: names, modes, sizes, contents.
func (c *cloud) look() (string, error) {
	var b strings.Builder
	for _, dir := range []string{c.path("_base"), c.site.Quarantine} {
		fmt.Fprintln(&b, filepath.Base(dir))
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		for _, e := range entries {
			name := e.Name()
			if isEntryID(name) {
				name = nameOf(name) + ".INODE"
			}
			if strings.HasSuffix(name, manifestExt) {
				name = nameOf(strings.TrimSuffix(name, manifestExt)) + ".INODE.json"
			}
			fmt.Fprintf(&b, "\t%s %v%s\n", name, e.Type(), content(filepath.Join(dir, e.Name()), e))
		}
	}
	return b.String(), nil
}

func content(path string, e fs.DirEntry) string {
	if !e.Type().IsRegular() || strings.HasSuffix(path, manifestExt) {
		return ""
	}
	i, err := e.Info()
	b, err2 := os.ReadFile(path)
	if err := errors.Join(err, err2); err != nil {
		return err.Error()
	}
	return fmt.Sprintf(" %v %d %x", i.Mode(), len(b), sha1.Sum(b))
}

func suite(plan func(c *cloud) *stackmend.Plan, spoil, hostile func(c *cloud) error) appliertest.Suite {
	return appliertest.Suite{
		New: func(t testing.TB, dir string) appliertest.World {
			c := newCloud(t, dir)
			w := c.world(plan(c))
			w.Spoil = func() error { return spoil(c) }
			w.Hostile = func() error { return hostile(c) }
			return w
		},
		Open: func(t testing.TB, dir string) appliertest.World { return openCloud(t, dir).world(nil) },
	}
}

func TestQuarantineConforms(t *testing.T) {
	appliertest.Run(t, suite(
		func(c *cloud) *stackmend.Plan { return c.quarantine(Policy{}) },
		func(c *cloud) error { now := time.Now(); return os.Chtimes(c.path("_base", unused), now, now) },
		func(c *cloud) error {
			target := c.path("_base", unused)
			return errors.Join(os.Rename(target, target+"x"), os.Symlink(c.path("compute_nodes"), target))
		}))
}

func TestRestoreConforms(t *testing.T) {
	appliertest.Run(t, suite(
		func(c *cloud) *stackmend.Plan {
			c.apply(c.quarantine(Policy{}))
			plan, err := Restore(c.observe(), []string{unused}, Policy{})
			c.must(err)
			return plan
		},
		func(c *cloud) error { return os.WriteFile(c.path("_base", unused), []byte("downloaded again"), 0o644) },
		(*cloud).swapEntry))
}

func TestPurgeConforms(t *testing.T) {
	appliertest.Run(t, suite(
		func(c *cloud) *stackmend.Plan {
			c.apply(c.quarantine(Policy{}))
			plan, err := Purge(c.observe(), Policy{Retention: 1})
			c.must(err)
			return plan
		},
		func(c *cloud) error {
			return os.WriteFile(c.path(serverA, "disk.rescue"), qcow2(header{backing: c.path("_base", unused)}), 0o644)
		},
		(*cloud).swapEntry))
}

func TestRescueConforms(t *testing.T) {
	appliertest.Run(t, suite(
		func(c *cloud) *stackmend.Plan {
			c.see(holdOpen(c.t, c.path("_base", baseA)).Process.Pid)
			c.must(os.Remove(c.path("_base", baseA)))
			plan, err := Rescue(c.observe(), Policy{})
			c.must(err)
			return plan
		},
		func(c *cloud) error { return os.WriteFile(c.path("_base", baseA), []byte("downloaded again"), 0o644) },
		func(c *cloud) error { return os.Symlink(c.path("compute_nodes"), c.path("_base", baseA)) }))
}

// swapEntry puts a symbolic link in place of the image in the quarantine.
func (c *cloud) swapEntry() error {
	entry := c.entry()
	return errors.Join(os.Rename(entry, entry+"x"), os.Symlink(c.path("compute_nodes"), entry))
}

func infoAt(t testing.TB, path string) fileInfo {
	t.Helper()
	f, err := openFolder(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	i, err := f.stat(filepath.Base(path))
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// entry is the path of the only image in the quarantine.
func (c *cloud) entry() string {
	c.t.Helper()
	s := c.observe()
	if len(s.Entries) != 1 || s.Entries[0].Problem != "" {
		c.t.Fatalf("entries %+v", s.Entries)
	}
	return filepath.Join(c.site.Quarantine, s.Entries[0].ID)
}

func (c *cloud) run(plan *stackmend.Plan) (stackmend.Result, error) {
	c.t.Helper()
	w := c.world(plan)
	w.Options.Mode = stackmend.Apply
	return stackmend.Run(c.t.Context(), plan, w.Applier, w.Options)
}

func (c *cloud) apply(plan *stackmend.Plan) {
	c.t.Helper()
	r, err := c.run(plan)
	if err != nil || len(r.Outcomes) == 0 {
		c.t.Fatalf("%v, %+v", err, r)
	}
}

// Do itself sees what came after the recheck, under nova's lock.
func TestQuarantineAsserts(t *testing.T) {
	for name, c := range map[string]struct {
		change func(c *cloud) error
		key    string // of the StaleError; "": another refusal
	}{
		"reference":  {func(c *cloud) error { c.disk(serverA, "disk.x", "../_base/"+unused); return nil }, seenReferences},
		"user":       {func(c *cloud) error { c.see(holdOpen(c.t, c.path("_base", unused)).Process.Pid); return nil }, seenUsers},
		"touched":    {func(c *cloud) error { now := time.Now(); return os.Chtimes(c.path("_base", unused), now, now) }, seenMtime},
		"grown":      {func(c *cloud) error { return os.Truncate(c.path("_base", unused), 1<<20) }, seenMtime},
		"replaced":   {func(c *cloud) error { return os.Rename(c.path("_base", baseA), c.path("_base", unused)) }, seenInode},
		"deleted":    {func(c *cloud) error { return os.Remove(c.path("_base", unused)) }, seenInode},
		"unreadable": {func(c *cloud) error { c.write("x/disk", []byte("QFI\xfb")); return nil }, ""},
		"hard link":  {func(c *cloud) error { return os.Link(c.path("_base", unused), c.path("x")) }, ""},
		"taken": {func(c *cloud) error {
			c.mkdir("quarantine")
			c.must(os.Chmod(c.site.Quarantine, 0o700))
			return os.WriteFile(filepath.Join(c.site.Quarantine, entryID(unused, infoAt(c.t, c.path("_base", unused)).Ino)), nil, 0o600)
		}, seenTarget},
		"base swapped": {func(c *cloud) error {
			return errors.Join(os.Rename(c.path("_base"), c.path("_base2")), os.Symlink("_base2", c.path("_base")))
		}, ""},
		"store swapped": {func(c *cloud) error { c.mkdir("away"); return os.Symlink("away", c.site.Quarantine) }, ""},
		"store open":    {func(c *cloud) error { c.mkdir("quarantine"); return os.Chmod(c.site.Quarantine, 0o777) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			cl := newCloud(t, t.TempDir())
			w := cl.world(cl.quarantine(Policy{}))
			step := w.Plan.Steps[0]
			cl.must(c.change(cl))
			before, err := cl.look()
			cl.must(err)
			err = w.Applier.Do(t.Context(), step, &stackmend.Work{})
			var stale *stackmend.StaleError
			if c.key != "" && (!errors.As(err, &stale) || stale.Key != c.key) || err == nil {
				t.Errorf("%v, want a StaleError of %q", err, c.key)
			}
			if after, _ := cl.look(); after != before {
				t.Errorf("the world is\n%s\nwas\n%s", after, before)
			}
		})
	}
}

// Plans for another tree, and steps that were tampered with, are refused.
func TestForeignSteps(t *testing.T) {
	c := newCloud(t, t.TempDir())
	w := c.world(c.quarantine(Policy{}))
	before, _ := c.look()
	for name, change := range map[string]func(s *stackmend.Step){
		"other tree":     func(s *stackmend.Step) { s.Args[argDir] = "/other/_base" },
		"other store":    func(s *stackmend.Step) { s.Args[argQuarantine] = "/tmp" },
		"other entry":    func(s *stackmend.Step) { s.Args[argEntry] = "../../x.1" },
		"path as target": func(s *stackmend.Step) { s.Target = "../" + serverA + "/disk" },
		"assumes less":   func(s *stackmend.Step) { delete(s.Assumes, seenInode) },
		"no policy":      func(s *stackmend.Step) { delete(s.Args, argMinAge) },
	} {
		plan := *w.Plan
		plan.Steps = []stackmend.Step{clone(w.Plan.Steps[0])}
		change(&plan.Steps[0])
		if _, err := stackmend.Run(t.Context(), &plan, w.Applier, stackmend.Options{Mode: stackmend.Apply}); err == nil {
			t.Errorf("%s: accepted", name)
		}
		if after, _ := c.look(); after != before {
			t.Fatalf("%s: the world is\n%s\nwas\n%s", name, after, before)
		}
	}
}

func clone(s stackmend.Step) stackmend.Step {
	args, assumes := map[string]string{}, map[string]string{}
	for k, v := range s.Args {
		args[k] = v
	}
	for k, v := range s.Assumes {
		assumes[k] = v
	}
	s.Args, s.Assumes = args, assumes
	return s
}
