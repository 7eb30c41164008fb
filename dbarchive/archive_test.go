package dbarchive

import (
	"testing"

	"github.com/stackmend/stackmend/internal/lab/mariadb"
)

func TestArchive(t *testing.T) {
	t.Parallel()
	w := fresh(t)
	must(t, w.Populate(mariadb.Population{Database: mariadb.Cell1, Cell: "cell1", Instances: 1200, Live: 200, Metadata: 4, Anomalies: true}))
	before := w.books(t, "cell1")
	w.apply(t, w.plan(t, Selection{}))
	after := w.books(t, "cell1")
	balance(t, before, after)
	w.nothingLeft(t)
	if len(after.archived) != 655 || len(after.saved) < 2*655 {
		t.Errorf("%d instances were archived with %d API rows", len(after.archived), len(after.saved))
	}
}
