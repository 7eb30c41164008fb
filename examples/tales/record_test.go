//go:build record

package main

import (
	"compress/gzip"
	"context"
	"database/sql"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/dbarchive"
	"github.com/stackmend/stackmend/internal/lab"
	"github.com/stackmend/stackmend/internal/lab/mariadb"
)

// TestRecordArchive, which needs -tags record, makes testdata/incidents/dbarchive with a real MariaDB that
// has nova's schema: what was observed before and after, and the progress of
// the run in between.
func TestRecordArchive(t *testing.T) {
	lab.Need(t, mariadb.Programs()...)
	dir, err := os.MkdirTemp("", "tales")
	must(t, err)
	defer os.RemoveAll(dir)
	server, err := mariadb.StartNova(filepath.Join(dir, "m"))
	must(t, err)
	defer server.Stop()
	must(t, server.Populate(mariadb.Population{Database: mariadb.Cell1, Cell: "cell1", Instances: 20000, Live: 20, Metadata: 8, Anomalies: true}))

	dbs := databasesOf(t, server)
	sel := dbarchive.Selection{Before: time.Date(2025, 11, 22, 0, 0, 0, 0, time.UTC)}
	before, err := dbarchive.Observe(t.Context(), dbs, sel)
	must(t, err)
	keep(t, "before.json", before)

	var rows []point
	started := time.Now()
	base := int64(0)
	o := stackmend.Options{Mode: stackmend.Apply, MaxWait: time.Minute, FailureBudget: 100, OnEvent: func(e stackmend.Event) {
		if e.Unit != "rows" {
			return
		}
		rows = append(rows, point{time.Since(started).Seconds(), base + e.Done})
		if e.Done == e.Of {
			base += e.Done
		}
	}}
	run, err := stackmend.Run(t.Context(), dbarchive.Plan(before, time.Hour), dbarchive.NewApplier(dbs, dbarchive.Settings{}), o)
	t.Log(run.Status, err)
	after, err := dbarchive.Observe(context.Background(), dbs, sel)
	must(t, err)
	run.Plan = nil // it is made again from before.json
	keep(t, "progress.json", rows)
	keep(t, "after.json", after)
	t.Logf("%d points, plan %+v", len(rows), run.Outcomes[len(run.Outcomes)-1])
}

func databasesOf(t *testing.T, s *mariadb.Server) dbarchive.Databases {
	t.Helper()
	open := func(name string) *sql.DB {
		db, err := s.Open(name)
		must(t, err)
		t.Cleanup(func() { db.Close() })
		return db
	}
	dbs := dbarchive.Databases{API: open(mariadb.API)}
	for name, database := range map[string]string{"cell0": mariadb.Cell0, "cell1": mariadb.Cell1, "cell2": mariadb.Cell2} {
		c := dbarchive.Cell{Name: name, DB: open(database)}
		must(t, dbs.API.QueryRow("SELECT uuid FROM cell_mappings WHERE name=?", name).Scan(&c.UUID))
		dbs.Cells = append(dbs.Cells, c)
	}
	return dbs
}

func keep(t *testing.T, name string, v any) {
	t.Helper()
	must(t, os.MkdirAll("testdata/incidents/dbarchive", 0o755))
	f, err := os.Create(filepath.Join("testdata/incidents/dbarchive", name+".gz"))
	must(t, err)
	defer f.Close()
	z := gzip.NewWriter(f)
	must(t, json.NewEncoder(z).Encode(v))
	must(t, z.Close())
}
