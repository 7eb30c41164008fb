package dbarchive_test

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/dbarchive"
)

// A dry run, and the same with Mode Apply.
func Example() {
	ctx := context.Background()
	api, err := sql.Open("mysql", "nova:secret@tcp(db:3306)/nova_api")
	if err != nil {
		fmt.Println(err)
		return
	}
	dbs := dbarchive.Databases{API: api}
	cells, err := dbarchive.ReadCells(ctx, api, "")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, c := range cells {
		cell := dbarchive.Cell{Name: c.Name, UUID: c.UUID}
		dsn, err := dbarchive.DSN(c.URL)
		if err == nil {
			cell.DB, err = sql.Open("mysql", dsn)
		}
		cell.Err = err
		dbs.Cells = append(dbs.Cells, cell)
	}
	before, err := dbarchive.ParseBefore("365d", time.Now())
	if err != nil {
		fmt.Println(err)
		return
	}
	snap, err := dbarchive.Observe(ctx, dbs, dbarchive.Selection{Before: before})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(dbarchive.Check(snap, dbarchive.Thresholds{}).Status)
	plan := dbarchive.Plan(snap, 24*time.Hour)
	result, err := stackmend.Run(ctx, plan, dbarchive.NewApplier(dbs, dbarchive.Settings{}), stackmend.Options{
		MaxWait: time.Hour, // what throttles may make a step wait
	})
	fmt.Println(len(result.Outcomes), err)
}

func ExampleParseBefore() {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for _, text := range []string{"365d", "24h", "2025-11-22", "1 year ago"} {
		t, err := dbarchive.ParseBefore(text, now)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(t.Format(time.RFC3339))
	}
	// Output:
	// 2025-11-22T12:00:00Z
	// 2026-11-21T12:00:00Z
	// 2025-11-22T00:00:00Z
	// dbarchive: "1 year ago" is neither an age (365d, 24h) nor a UTC time (2025-11-22, 2025-11-22T00:00:00Z)
}
