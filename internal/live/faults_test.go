package live

import (
	"strings"
	"testing"

	"github.com/stackmend/stackmend/internal/lab/openstack"
)

// A cell whose database is gone takes its servers out of every list.
func lostCell(t *testing.T, w *world) {
	w.LoseCell(t)
	defer w.FindCell(t)
	f, err := w.fleet(t)
	if err != nil || !strings.Contains(strings.Join(f.Incomplete, "\n"), `the cell of compute "c03" did not answer`) {
		t.Errorf("incomplete %q: %v", f.Incomplete, err)
	}
	_, _, s := w.observe(t)
	refuses(t, s, "c03")
	c, err := w.owners(t, openstack.Admin)
	if err != nil || !strings.Contains(strings.Join(c.Unseen, "\n"), "c03") {
		t.Errorf("unseen %q: %v", c.Unseen, err)
	}
}

// Servers of a compute that is dead are still ACTIVE; nothing is moved.
func deadCompute(t *testing.T, w *world) {
	w.Kill(t, "c03")
	f, err := w.fleet(t)
	if err != nil || len(f.Incomplete) > 0 {
		t.Errorf("incomplete %q: %v", f.Incomplete, err)
	}
	w.sees(t, f)
	w.age(t)
	_, _, s := w.observe(t)
	refuses(t, s, "c03")
}
