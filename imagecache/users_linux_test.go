package imagecache

import (
	"os"
	"strings"
	"testing"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/internal/lab"
	"golang.org/x/sys/unix"
)

// A process that /proc does not show keeps its image all the same: the kernel
// gives no lease on it.
func TestHiddenUser(t *testing.T) {
	c := newCloud(t, t.TempDir())
	leases(t, c.dir)
	plan := c.quarantine(Policy{})
	holdOpen(t, c.path("_base", unused)) // not among the processes that are seen
	err := c.world(plan).Applier.Do(t.Context(), plan.Steps[0], &stackmend.Work{})
	if err == nil || !strings.Contains(err.Error(), "an unseen process") {
		t.Errorf("%v", err)
	}
	c.must(os.RemoveAll(c.site.Proc))
	if s := c.observe(); s.Hidden == "" || s.UsersUnseen != "" || len(s.Users[unused]) != 1 {
		t.Errorf("hidden %q, unseen %q, users %q", s.Hidden, s.UsersUnseen, s.Users)
	}
}

// leases skips where the filesystem has none.
func leases(t *testing.T, dir string) {
	t.Helper()
	fd, err := unix.Open(dir+"/lease", unix.O_CREAT|unix.O_RDONLY, 0o600)
	if err == nil {
		defer os.Remove(dir + "/lease")
		defer unix.Close(fd)
		err = file{fd}.lease()
	}
	if err != nil {
		lab.Without(t, "this filesystem has no leases: "+err.Error())
	}
}
