package dbarchive

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stackmend/stackmend/internal/lab/mariadb"
)

func TestArchive(t *testing.T) {
	w := fresh(t)
	must(t, w.Populate(mariadb.Population{Database: mariadb.Cell1, Cell: "cell1", Instances: 1200, Live: 200, Metadata: 4, Anomalies: true}))
	begun := time.Now()
	snap, err := Observe(context.Background(), w.dbs, Selection{Before: cutoff})
	must(t, err)
	t.Log("observed in", time.Since(begun))
	res := Check(snap, Thresholds{})
	b, _ := json.MarshalIndent(res, "", " ")
	t.Logf("%s", b)
	p := Plan(snap, time.Hour)
	b, _ = json.MarshalIndent(p, "", " ")
	t.Logf("%.6000s", b)
	begun = time.Now()
	w.apply(t, p)
	t.Log("archived in", time.Since(begun))
	t.Log(w.count(t, "SELECT COUNT(*) FROM nova.shadow_instances"))
}
