package mariadb

import (
	"context"
	"database/sql"
	_ "embed"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
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
		"@N@", strconv.Itoa(p.Instances), "@STEP@", strconv.Itoa(step), "@K@", strconv.Itoa(max(1, p.Metadata)),
		"@TASKS@", strconv.Itoa(min(5000, p.Instances))).Replace(population)
	if p.Instances < 1000 { // statistics of so few rows say nothing
		q, _, _ = strings.Cut(q, "-- large\n")
	}
	head, anomalies, _ := strings.Cut(q, "-- anomalies\n")
	if !p.Anomalies {
		_, anomalies, _ = strings.Cut(anomalies, "-- end of anomalies\n")
	}
	return s.Exec(head + anomalies)
}

// Clear empties the tables of databases; what was read once from the schema
// (cell_mappings, alembic_version) stays. Whoever is still ending there may be
// in the way for a moment.
func (s *Server) Clear(databases ...string) error {
	db, err := s.Open("")
	if err != nil {
		return err
	}
	defer db.Close()
	ctx := context.Background()
	c, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.ExecContext(ctx, "SET foreign_key_checks=0"); err != nil {
		return err
	}
	for _, d := range databases {
		tables, err := names(ctx, c, "SHOW FULL TABLES FROM "+d+" WHERE Table_type='BASE TABLE' AND Tables_in_"+d+" NOT IN ('cell_mappings','alembic_version')")
		if err != nil {
			return err
		}
		if len(tables) == 0 {
			continue
		}
		var ask []string
		for _, t := range tables {
			ask = append(ask, "SELECT '"+t+"', 0 FROM DUAL WHERE EXISTS (SELECT 1 FROM "+d+"."+t+")")
		}
		filled, err := names(ctx, c, strings.Join(ask, " UNION ALL "))
		if err != nil {
			return err
		}
		for _, t := range filled {
			if err := empty(ctx, c, d+"."+t); err != nil {
				return err
			}
		}
	}
	return nil
}

func empty(ctx context.Context, c *sql.Conn, table string) error {
	_, err := c.ExecContext(ctx, "DELETE FROM "+table)
	for end := time.Now().Add(patience); err != nil && time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		var e *mysql.MySQLError
		if !errors.As(err, &e) || e.Number != 1213 && e.Number != 1205 {
			break
		}
		_, err = c.ExecContext(ctx, "DELETE FROM "+table)
	}
	return err
}

// names is the first of two columns.
func names(ctx context.Context, c *sql.Conn, q string) (out []string, err error) {
	rows, err := c.QueryContext(ctx, q)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var name, rest string
		if err := rows.Scan(&name, &rest); err != nil {
			return nil, err
		}
		out = append(out, name)
	}
	return out, rows.Err()
}
