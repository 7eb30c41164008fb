package dbarchive

import (
	"strings"
	"testing"

	"github.com/stackmend/stackmend"
)

// An archive server that alters what it is given (a trigger, a character set, a
// column that cuts) is found out by reading back: no tree is deleted.
func TestArchiveServerThatAlters(t *testing.T) {
	t.Parallel()
	w := fresh(t)
	to := outside(t, w)["server"]
	w.small(t)
	w.apply(t, w.plan(t, Selection{Cells: cell1.Cells, To: to, MaxRows: 20})) // makes the tables
	before := w.books(t, "cell1")
	must(t, lab(t).archive.Exec("CREATE TRIGGER archive.alters BEFORE INSERT ON archive.instances FOR EACH ROW SET NEW.display_name=UPPER(NEW.display_name)"))
	defer lab(t).archive.Exec("DROP TRIGGER archive.alters")
	a, err := w.run(t, w.plan(t, Selection{Cells: cell1.Cells, To: to, MaxRows: 60}), stackmend.Options{FailureBudget: 9})
	if err == nil || len(a.SetAside()) == 0 {
		t.Fatalf("error %v, set aside %v", err, a.SetAside())
	}
	for _, why := range a.SetAside() {
		if !strings.Contains(why, "proved equal") {
			t.Error(why)
		}
	}
	if d := before.differs(w.books(t, "cell1")); d != "" {
		t.Error(d)
	}
}
