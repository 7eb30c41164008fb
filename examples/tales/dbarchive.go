package main

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/stackmend/stackmend/dbarchive"
	"github.com/stackmend/stackmend/internal/svg"
)

var dbarchiveTale = tale{
	name: "dbarchive", title: "Deleted rows that slow down every boot",
	story: "More than a million metadata rows and 300,000 deleted or errored instances made a boot take minutes instead of seconds and ate 48 GB of memory. " +
		"The operator archived a copy and deleted by hand, with SQL that matches no row on a real schema.",
	play: playArchive,
}

func playArchive(s *stage) error {
	before, err := recorded[dbarchive.Snapshot](s.inputs, "before.json")
	if err != nil {
		return err
	}
	after, err := recorded[dbarchive.Snapshot](s.inputs, "after.json")
	if err != nil {
		return err
	}
	progress, err := recorded[[]point](s.inputs, "progress.json")
	if err != nil {
		return err
	}
	if err := s.result("What a check says",
		"What was seen of a real MariaDB with nova's schema, recorded: 20,000 instances, all but one in twenty deleted.",
		dbarchive.Check(&before, dbarchive.Thresholds{})); err != nil {
		return err
	}
	r := dbarchive.Check(&before, dbarchive.Thresholds{})
	r.Findings = nil
	r.Plan = dbarchive.Plan(&before, 24*time.Hour)
	if err := s.result("What would be moved, and what is kept", "Whole instances, each in one transaction, copy compared with row before anything is deleted.", r); err != nil {
		return err
	}
	return errors.Join(
		s.table(func(w io.Writer) error { return tables(w, &before, &after) }),
		s.picture("Rows archived over time, as recorded", func(w io.Writer) error { return drawProgress(w, progress) }),
		s.result("The check again", "Recorded after the run. Nothing that was in doubt has moved.", dbarchive.Check(&after, dbarchive.Thresholds{})))
}

func recorded[T any](inputs fs.FS, name string) (v T, err error) {
	err = read(inputs, name+".gz", func(r io.Reader, _ string) error {
		z, err := gzip.NewReader(r)
		if err != nil {
			return err
		}
		return json.NewDecoder(z).Decode(&v)
	})
	return v, err
}

// tables compares what there was to move, table by table.
func tables(w io.Writer, before, after *dbarchive.Snapshot) error {
	left := map[string]int64{}
	for _, c := range after.Cells {
		for _, t := range c.Tables {
			left[c.Name+t.Table] = t.Move
		}
	}
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tab, "rows to move\tafterwards\t  table\t")
	for _, c := range before.Cells {
		rows := slices.Clone(c.Tables)
		slices.SortFunc(rows, func(a, b dbarchive.TableState) int { return int(b.Move - a.Move) })
		for _, t := range rows {
			if t.Move > 0 {
				fmt.Fprintf(tab, "%d\t%d\t  %s.%s\t\n", t.Move, left[c.Name+t.Table], c.Name, t.Table)
			}
		}
	}
	return tab.Flush()
}

// A point says how many rows were archived after so many seconds.
type point struct {
	Seconds float64 `json:"seconds"`
	Rows    int64   `json:"rows"`
}

// drawProgress draws the archived rows over the time of the run.
func drawProgress(w io.Writer, points []point) error {
	const width, height = 640, 200
	if len(points) == 0 {
		return errors.New("no progress was recorded")
	}
	last := points[len(points)-1]
	var p svg.Picture
	p.Rect(0, 0, width, height, svg.Plain)
	x, y := 0, height
	for _, q := range points {
		nx, ny := int(q.Seconds/last.Seconds*width), height-int(float64(q.Rows)/float64(last.Rows)*height)
		p.Line(x, y, nx, ny, svg.Culprit)
		x, y = nx, ny
	}
	p.Text(0, height+svg.Line, "0 s", svg.Faint)
	end := fmt.Sprintf("%d rows in %.1f s", last.Rows, last.Seconds)
	p.Text(width-svg.Width(end), height+svg.Line, end, svg.Faint)
	_, err := p.WriteTo(w)
	return err
}
