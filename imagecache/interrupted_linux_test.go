package imagecache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand"
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
)

// Whatever moment a quarantine was killed in, doing it again ends it, and a
// revert undoes it.
func TestQuarantineInterrupted(t *testing.T) {
	for name, state := range map[string]func(p *place, s stackmend.Step, id string) error{
		"manifest begun": func(p *place, _ stackmend.Step, id string) error {
			return os.WriteFile(filepath.Join(p.site.Quarantine, id+".json.new"), []byte("{"), 0o600)
		},
		"manifest written": func(p *place, s stackmend.Step, id string) error { return p.describe(s, id) },
		"both names": func(p *place, s stackmend.Step, id string) error {
			return errors.Join(p.describe(s, id), os.Link(filepath.Join(p.site.baseDir(), s.Target), filepath.Join(p.site.Quarantine, id)))
		},
		"moved": func(p *place, s stackmend.Step, id string) error {
			return errors.Join(p.describe(s, id), move(p.base, s.Target, p.store, id))
		},
	} {
		for _, then := range []string{"done", "reverted"} {
			t.Run(name+", "+then, func(t *testing.T) {
				c := newCloud(t, t.TempDir())
				want, _ := c.look()
				a, err := NewApplier(c.site, c)
				c.must(err)
				s := c.quarantine(Policy{}).Steps[0]
				c.must(a.at(s, true, func(p *place, _ verb) error { return state(p, s, s.Args[argEntry]) }))
				if then == "reverted" {
					c.must(a.Revert(t.Context(), s))
					got, _ := c.look()
					if got = strings.Replace(got, "\t"+unused+".INODE.json T---------\n", "", 1); !strings.HasPrefix(got, strings.TrimSuffix(want, "quarantine\n")) {
						t.Errorf("reverted to\n%s\nfrom\n%s", got, want)
					}
					return
				}
				c.must(a.Do(t.Context(), s, &stackmend.Work{}))
				c.must(a.Verify(t.Context(), s))
				if i := infoAt(t, c.entry()); i.Links != 1 {
					t.Errorf("%d names", i.Links)
				}
			})
		}
	}
}

// A restore and a purge that were killed in the middle are ended too.
func TestOthersInterrupted(t *testing.T) {
	for name, c := range map[string]struct {
		plan  func(c *cloud) (*stackmend.Plan, error)
		state func(c *cloud, p *place, id string) error
	}{
		"restore, both names": {
			func(c *cloud) (*stackmend.Plan, error) { return Restore(c.observe(), []string{unused}, Policy{}) },
			func(c *cloud, p *place, id string) error { return os.Link(c.entry(), c.path("_base", unused)) }},
		"restore, moved": {
			func(c *cloud) (*stackmend.Plan, error) { return Restore(c.observe(), []string{unused}, Policy{}) },
			func(c *cloud, p *place, id string) error { return move(p.store, id, p.base, unused) }},
		"purge, manifest left": {
			func(c *cloud) (*stackmend.Plan, error) { return Purge(c.observe(), Policy{Retention: 1}) },
			func(c *cloud, p *place, id string) error { return p.store.unlink(id) }},
	} {
		t.Run(name, func(t *testing.T) {
			cl := newCloud(t, t.TempDir())
			cl.apply(cl.quarantine(Policy{}))
			plan, err := c.plan(cl)
			cl.must(err)
			a, err := NewApplier(cl.site, cl)
			cl.must(err)
			s := plan.Steps[0]
			cl.must(a.at(s, true, func(p *place, _ verb) error { return c.state(cl, p, s.Args[argEntry]) }))
			cl.must(a.Do(t.Context(), s, &stackmend.Work{}))
			cl.must(a.Verify(t.Context(), s))
			if left, _ := os.ReadDir(cl.site.Quarantine); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// Without RENAME_NOREPLACE (NFS) a second name does the same.
func TestMoveByLink(t *testing.T) {
	c := newCloud(t, t.TempDir())
	c.mkdir("quarantine")
	base, err := openFolder(c.path("_base"))
	c.must(err)
	defer base.close()
	store, err := openFolder(c.site.Quarantine)
	c.must(err)
	defer store.close()
	want := infoAt(t, c.path("_base", unused)).Ino
	c.must(moveByLink(base, unused, store, "x"))
	if got := infoAt(t, filepath.Join(c.site.Quarantine, "x")).Ino; got != want {
		t.Errorf("inode %d, was %d", got, want)
	}
	if _, err := os.Stat(c.path("_base", unused)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the old name: %v", err)
	}
	if err := moveByLink(base, baseA, store, "x"); !errors.Is(err, os.ErrExist) && !errors.Is(err, syscall.ESTALE) {
		t.Errorf("onto another file: %v", err)
	}
	if got := infoAt(t, filepath.Join(c.site.Quarantine, "x")).Ino; got != want {
		t.Error("the other file was replaced")
	}
	if _, err := os.Stat(c.path("_base", baseA)); err != nil {
		t.Error(err)
	}
}

// A quarantine on another filesystem is refused before anything is done.
func TestQuarantineElsewhere(t *testing.T) {
	c := newCloud(t, t.TempDir())
	other, err := os.MkdirTemp("/dev/shm", "imagecache")
	if err != nil {
		lab.Without(t, "no second filesystem: "+err.Error())
	}
	t.Cleanup(func() { os.RemoveAll(other) })
	for _, q := range []string{other, filepath.Join(other, "new")} {
		c.site.Quarantine = q
		_, err := c.run(c.quarantine(Policy{}))
		if !errors.Is(err, stackmend.ErrRefused) || !strings.Contains(err.Error(), "EXDEV") {
			t.Errorf("%s: %v", q, err)
		}
		if _, err := os.Stat(filepath.Join(other, "new")); err == nil {
			t.Error("made a directory there")
		}
	}
	c.mkdir("instances/_base/inside")
	c.must(os.Symlink(c.path("_base/inside"), filepath.Join(filepath.Dir(c.dir), "alias")))
	c.site.Quarantine = filepath.Join(filepath.Dir(c.dir), "alias", "q")
	if _, err := c.run(c.quarantine(Policy{})); !errors.Is(err, stackmend.ErrRefused) || !strings.Contains(err.Error(), "base directory") {
		t.Errorf("a quarantine in the base directory: %v", err)
	}
	c.site.Quarantine = c.path("_base", "q")
	if _, err := NewApplier(c.site, c); err == nil {
		t.Error("a quarantine in the base directory by its path")
	}
}

// An entry of the quarantine is purged when its time has come and not before,
// whatever the plan says.
func TestRetention(t *testing.T) {
	c := newCloud(t, t.TempDir())
	c.apply(c.quarantine(Policy{}))
	plan, err := Purge(c.observe(), Policy{})
	c.must(err)
	if len(plan.Steps) > 0 || !strings.Contains(plan.Kept[0].Reason, "less than 720h0m0s") {
		t.Errorf("%+v", plan)
	}
	plan, err = Purge(c.observe(), Policy{Retention: 1})
	c.must(err)
	s := plan.Steps[0]
	s.Args[argRetention] = "720h"
	if err := c.world(plan).Applier.Do(t.Context(), s, &stackmend.Work{}); !errors.Is(err, stackmend.ErrRefused) {
		t.Errorf("purged before its time: %v", err)
	}
	manifest := c.entry() + manifestExt
	b, err := os.ReadFile(manifest)
	c.must(err)
	c.must(os.WriteFile(manifest, bytes.Replace(b, []byte(`"quarantined": "2`), []byte(`"quarantined": "1`), 1), 0o600))
	if e := c.observe().Entries[0]; e.Since.Year() < 2000 {
		t.Errorf("the manifest alone says since when: %+v", e)
	}
	c.must(os.WriteFile(manifest, []byte("{"), 0o600))
	plan, err = Purge(c.observe(), Policy{Retention: 1})
	if err != nil || len(plan.Steps) > 0 || !strings.Contains(plan.Kept[0].Reason, "damaged") {
		t.Errorf("%+v, %v", plan, err)
	}
}

// What this user may not read (root-squash) is a reason to keep everything.
func TestUnreadable(t *testing.T) {
	if dir := os.Getenv("IMAGECACHE_TEST_DIR"); dir != "" {
		c := openCloud(t, dir)
		if _, err := os.ReadDir(c.path(serverA)); !errors.Is(err, os.ErrPermission) {
			t.Fatalf("can read what it should not: %v", err)
		}
		plan := c.quarantine(Policy{})
		if got := strings.Join(plan.Refusals, "\n"); !strings.Contains(got, serverA+": permission denied") || !strings.Contains(got, serverB+"/disk: permission denied") || len(plan.Steps) > 0 {
			t.Errorf("steps %q, refusals %q", targets(plan), got)
		}
		return
	}
	if os.Getuid() != 0 {
		lab.Without(t, "not root: cannot become somebody else")
	}
	dir, err := os.MkdirTemp("", "imagecache")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	c := newCloud(t, dir)
	c.must(os.Chmod(dir, 0o755))
	c.must(os.Chmod(c.path(serverA), 0o700))
	c.must(os.Chmod(c.path(serverB, "disk"), 0o600))
	self, err := os.ReadFile(os.Args[0])
	c.must(err)
	binary := filepath.Join(dir, "test")
	c.must(os.WriteFile(binary, self, 0o755))
	cmd := exec.Command(binary, "-test.run=^TestUnreadable$")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "IMAGECACHE_TEST_DIR="+dir, "TMPDIR=/tmp")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if out, err := cmd.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("PASS")) {
		t.Errorf("%v\n%s", err, out)
	}
}

// A directory that is renamed while others are read is not missed.
func TestRenamedWhileRead(t *testing.T) {
	c := newCloud(t, t.TempDir())
	for i := range 50 {
		c.disk(fmt.Sprintf("m%d", i), "disk", c.path("_base", baseA))
	}
	c.disk("z", "disk", c.path("_base", unused))
	root, err := openFolder(c.dir)
	c.must(err)
	defer root.close()
	seed := time.Now().UnixNano()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewSource(seed))
	start := time.Now()
	_, err = scan(t.Context(), root, c.site)
	c.must(err)
	usual := time.Since(start)
	names := []string{"z", "a_resize"}
	for range 300 {
		renamed := make(chan error)
		go func() {
			time.Sleep(time.Duration(r.Int63n(int64(2 * usual)))) // any moment of the scan
			renamed <- os.Rename(c.path(names[0]), c.path(names[1]))
		}()
		tree, err := scan(t.Context(), root, c.site)
		c.must(errors.Join(err, <-renamed))
		slices.Reverse(names)
		if newUses(&Snapshot{Images: tree.images}).reason(unused) == "" && len(tree.problems) == 0 {
			t.Fatal("the reference was missed, and nothing says so")
		}
	}
}

func TestObserveCancelled(t *testing.T) {
	c := newCloud(t, t.TempDir())
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	cancel(why)
	if _, err := Observe(ctx, c.site, Sources{}); !errors.Is(err, why) && !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	c.site.Dir = filepath.Join(c.dir, "none")
	if _, err := Observe(t.Context(), c.site, Sources{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}
