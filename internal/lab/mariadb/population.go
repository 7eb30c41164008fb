package mariadb

import (
	_ "embed"
	"strconv"
	"strings"
)

//go:embed population.sql
var population string

// Population is what Populate fills a cell with. Every row is a function of
// its number, so that two fills are equal.
type Population struct {
	Database  string // of the cell
	Cell      string // its name in cell_mappings
	Instances int    // those with a number that Instances/Live divides are live
	Live      int
	Metadata  int  // rows of instance_system_metadata for each instance
	Anomalies bool // deleted rows without a time, live children of deleted instances, deleted children of live ones
}

// Populate fills a cell and the API database with instances that were deleted
// in the three years before 2026-11-22, as a real cloud has them: children in
// ten tables, actions that are never marked deleted, large texts here and
// there, and hosts that were seen since.
func (s *Server) Populate(p Population) error {
	step := p.Instances / max(1, p.Live)
	if p.Live == 0 {
		step = p.Instances + 1
	}
	q := strings.NewReplacer("@DB@", p.Database, "@CELL@", p.Cell, "@API@", API,
		"@N@", strconv.Itoa(p.Instances), "@STEP@", strconv.Itoa(step), "@K@", strconv.Itoa(max(1, p.Metadata))).Replace(population)
	head, anomalies, _ := strings.Cut(q, "-- anomalies\n")
	if !p.Anomalies {
		_, anomalies, _ = strings.Cut(anomalies, "-- end of anomalies\n")
	}
	return s.Exec(head + anomalies)
}

// Clear empties the tables of a database that have rows; what was read once
// from the schema (cell_mappings, alembic_version) stays.
func (s *Server) Clear(databases ...string) error {
	db, err := s.Open("")
	if err != nil {
		return err
	}
	defer db.Close()
	for _, d := range databases {
		rows, err := db.Query(`SELECT table_name FROM information_schema.tables WHERE table_schema=? AND table_type='BASE TABLE'
			AND table_name NOT IN ('cell_mappings','alembic_version')`, d)
		if err != nil {
			return err
		}
		var tables, filled []string
		for rows.Next() {
			var t string
			if err := rows.Scan(&t); err != nil {
				return err
			}
			tables = append(tables, "SELECT '"+t+"' WHERE EXISTS (SELECT 1 FROM "+d+"."+t+")")
		}
		if rows, err = db.Query(strings.Join(tables, " UNION ALL ")); err != nil {
			return err
		}
		for rows.Next() {
			var t string
			if err := rows.Scan(&t); err != nil {
				return err
			}
			filled = append(filled, "DELETE FROM "+d+"."+t)
		}
		if len(filled) == 0 {
			continue
		}
		if err := s.Exec("SET foreign_key_checks=0;" + strings.Join(filled, ";")); err != nil {
			return err
		}
	}
	return nil
}
