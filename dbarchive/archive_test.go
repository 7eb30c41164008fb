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
	// people can read what was saved without this program
	if n := w.count(t, "SELECT COUNT(*) FROM nova.stackmend_api_rows WHERE JSON_VALUE(UNCOMPRESS(body),'$.instance_uuid')=instance_uuid"); n != int64(len(after.saved)) {
		t.Errorf("%d of %d saved API rows can be read with UNCOMPRESS", n, len(after.saved))
	}
	if len(after.archived) != 655 || len(after.saved) < 2*655 {
		t.Errorf("%d instances were archived with %d API rows", len(after.archived), len(after.saved))
	}
}
