package dbarchive

import (
	"testing"

	"github.com/stackmend/stackmend/internal/lab/mariadb"
)

func TestArchive(t *testing.T) {
	t.Parallel()
	w := fresh(t)
	must(t, w.Populate(mariadb.Population{Database: mariadb.Cell1, Cell: "cell1", Instances: 2700, Live: 300, Metadata: 1, Anomalies: true}))
	before := w.books(t, "cell1")
	want := w.count(t, `SELECT COUNT(*) FROM nova.instances i WHERE i.deleted<>0 AND i.deleted_at<?
		AND NOT EXISTS (SELECT 1 FROM nova.block_device_mapping b WHERE b.instance_uuid=i.uuid AND b.deleted=0)`, cutoff)
	if want < 3*pageSize {
		t.Fatalf("%d trees are too few to be measured side by side", want)
	}
	w.apply(t, w.plan(t, Selection{}))
	after := w.books(t, "cell1")
	balance(t, before, after)
	w.nothingLeft(t)
	// people can read what was saved without this program
	if n := w.count(t, "SELECT COUNT(*) FROM nova.stackmend_api_rows WHERE JSON_VALUE(UNCOMPRESS(body),'$.instance_uuid')=instance_uuid"); n != int64(len(after.saved)) {
		t.Errorf("%d of %d saved API rows can be read with UNCOMPRESS", n, len(after.saved))
	}
	if n := int64(len(after.archived)); n != want || int64(len(after.saved)) < 2*want {
		t.Errorf("%d instances were archived, want %d, with %d API rows", n, want, len(after.saved))
	}
}
