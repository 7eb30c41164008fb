package dbarchive

import (
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Databases are the connections of one nova. They are handed in; this package
// never dials. Each needs a default database in its data source name.
type Databases struct {
	API   *sql.DB // nil: API rows are neither looked at nor touched
	Cells []Cell
}

// A Cell is one cell database. One that could not be connected to is listed
// with Err: an unlisted cell would make its instances look like orphans.
type Cell struct {
	Name string
	UUID string // as in cell_mappings
	DB   *sql.DB
	Err  error // why DB is nil

	// Archive is the database on another server that rows of this cell go to
	// with Destination.Server. It is the cell's own: keys of cells collide.
	Archive *sql.DB
}

// A Selection says what is to be archived. Its zero value selects nothing and
// is an error.
type Selection struct {
	Before time.Time // instances deleted before this instant
	Cells  []string  // names; empty: all that were handed in
	To     Destination

	MaxRows  int64 // of all cells; zero: no limit
	MaxBytes int64

	// RetiredHosts are compute hosts that never come back, on the operator's
	// word. The guests of other hosts that were not seen since an instance was
	// deleted may still run there, and nova needs the row to end them.
	RetiredHosts []string
	// Revision of nova's schema that the caller has compared with what this
	// package knows. Empty: known ones only.
	Revision string
	// Replica permits a server that replicates from another one.
	Replica bool
	// Exact is how many trees of a cell are counted row by row; the rest is
	// estimated from these. Zero: 100,000.
	Exact int
}

// A Destination is where rows go. The zero value is nova's shadow tables.
type Destination struct {
	Schema string // another database of the same server, with tables of the same names
	Dir    string // files in this directory, given by an absolute path
	Server bool   // the database that each cell has as Cell.Archive
}

func (d Destination) String() string {
	switch {
	case d.Schema != "":
		return "schema:" + d.Schema
	case d.Dir != "":
		return "file:" + d.Dir
	case d.Server:
		return "server"
	}
	return "shadow"
}

var schemaName = regexp.MustCompile(`^[A-Za-z0-9_]{1,64}$`)

// maxDir bounds the path of a directory: it is noted with every tree.
const maxDir = 200

// ParseDestination reads "shadow", "schema:NAME", "file:DIR" with an absolute
// path, or "server".
func ParseDestination(s string) (Destination, error) {
	kind, rest, _ := strings.Cut(s, ":")
	switch {
	case s == "shadow":
		return Destination{}, nil
	case kind == "schema" && schemaName.MatchString(rest):
		return Destination{Schema: rest}, nil
	case kind == "file" && filepath.IsAbs(rest) && len(rest) <= maxDir:
		return Destination{Dir: filepath.Clean(rest)}, nil
	case s == "server":
		return Destination{Server: true}, nil
	}
	return Destination{}, fmt.Errorf("dbarchive: destination %q is none of shadow, schema:NAME, file:DIR (an absolute path of at most %d bytes), server", s, maxDir)
}

// ParseBefore reads an age ("365d", "24h") or an absolute time (RFC 3339, or a
// date in UTC) and returns the instant it means. Anything else is an error:
// "1 year ago" once meant three weeks.
func ParseBefore(s string, now time.Time) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, s, time.UTC); err == nil {
			return past(t.UTC(), now)
		}
	}
	if days, ok := strings.CutSuffix(s, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n > 0 && n < 100*366 {
			return past(now.UTC().Add(-time.Duration(n)*24*time.Hour), now)
		}
	} else if d, err := time.ParseDuration(s); err == nil && d > 0 {
		return past(now.UTC().Add(-d), now)
	}
	return time.Time{}, fmt.Errorf("dbarchive: %q is neither an age (365d, 24h) nor a UTC time (2025-11-22, 2025-11-22T00:00:00Z)", s)
}

func past(t, now time.Time) (time.Time, error) {
	if t.After(now) {
		return time.Time{}, fmt.Errorf("dbarchive: %s is in the future", t.Format(time.RFC3339))
	}
	return t.Truncate(time.Second), nil
}

// check refuses a selection that says nothing.
func (s Selection) check(dbs Databases) error {
	if s.Before.IsZero() {
		return errors.New("dbarchive: the selection has no cut-off: Before is zero")
	}
	if len(dbs.Cells) == 0 {
		return errors.New("dbarchive: no cell was handed in")
	}
	if to, err := ParseDestination(s.To.String()); err != nil || to != s.To {
		return fmt.Errorf("dbarchive: destination %+v is more than one, or none: %w", s.To, err)
	}
	seen := map[string]bool{}
	for _, c := range dbs.Cells {
		if c.Name == "" || seen[c.Name] {
			return fmt.Errorf("dbarchive: cell name %q is empty or given twice", c.Name)
		}
		seen[c.Name] = true
	}
	for _, name := range s.Cells {
		if !seen[name] {
			return fmt.Errorf("dbarchive: there is no cell %q", name)
		}
	}
	return nil
}

func (s Selection) wants(cell string) bool {
	return len(s.Cells) == 0 || slices.Contains(s.Cells, cell)
}

// A Snapshot is what Observe saw.
type Snapshot struct {
	Taken     time.Time
	Selection Selection
	Cells     []CellState
	API       *APIState // nil: no API database was handed in
}

// CellState is one cell.
type CellState struct {
	Name, UUID string
	Err        string // why it could not be read; then nothing else is set
	Server     Server
	Schema     *Schema
	Selected   bool
	Prepared   bool   // the tables of this package exist
	Lease      string // who archives there now

	Instances Instances
	Tables    []TableState
	Ranges    []Range          // of the trees that qualify
	Loose     []RowRange       // deleted rows that belong to no instance or to a live one
	Kept      []Kept           // why trees stay, worst first; the first few by name
	Gone      map[string]int64 // rows by table whose instance does not exist
	Pending   int64            // API rows of archived instances that an interrupted run left
	Undropped int64            // trees and rows whose copies, which do not count, an interrupted run left
	Archive   *ArchiveState    // with Destination.Server
	Unseen    []string
	Cut       bool // MaxRows or MaxBytes ended the list of ranges
}

// ArchiveState is the archive server of a cell.
type ArchiveState struct {
	Err     string
	Server  Server
	Schema  *Schema
	Durable bool // a committed copy survives a crash: innodb_flush_log_at_trx_commit is 1
}

// Instances counts a cell's table instances.
type Instances struct {
	Total, Deleted, Qualify           int64
	NullDeletedAt, Uncleaned, Errored int64 // deleted without a time; deleted and cleaned=0; live and in error
	OldestDeleted, OldestTerminated   time.Time
}

// TableState is what would happen to a table.
type TableState struct {
	Table     string
	Rows      int64 // InnoDB's estimate of all rows
	Move      int64 // rows that would move
	Bytes     int64 // of these: long columns as they are, 128 for the rest of a row
	InBoth    int64 // rows that would move whose key is in the destination already
	Estimated bool  // Move and Bytes are extrapolated
	Drift     string
}

// A Range is a range of instances.id with trees that qualify, both ends
// included.
type Range struct {
	First, Last            int64
	Instances, Rows, Bytes int64
	Alone                  int64 // instances with more rows or bytes than transactions have by default
	Largest                int64 // rows of the largest instance
	Estimated              bool
	Runs                   [][]Span // between two runs are trees that stay
	Tables                 []string // those that have rows of the trees
}

// A Span is a part of a Range, all of whose trees may go.
type Span struct {
	First, Last        int64
	Trees, Rows, Bytes int64
}

// A RowRange is a range of the primary key of a table whose deleted rows go on
// their own.
type RowRange struct {
	Table       string
	First, Last int64
	Rows        int64
}

// Kept says why trees stay where they are.
type Kept struct {
	Reason   string // a finding code
	Trees    int64
	Examples []string // "UUID: why"
}

// Server is what a database server says about itself.
type Server struct {
	Version, Flavour          string // Flavour: mariadb or mysql
	Hostname                  string
	Port                      int64
	Identity                  string // of the server, or of its cluster
	Now                       time.Time
	ReadOnly                  bool
	Replica                   string // what it replicates from; empty: nothing
	BinlogFormat              string // empty: no binary log
	ForeignKeyChecks          bool
	MaxAllowedPacket          int64
	Galera                    bool
	GaleraState, GaleraStatus string // Synced, Primary
	MaxWSRows, MaxWSSize      int64
}

// APIState is the API database.
type APIState struct {
	Err       string
	Revision  string
	Orphans   int64  // API rows whose cell answered and does not know the instance
	Shadowed  int64  // API rows whose instance is in the shadow: what a killed nova-manage leaves
	Unmapped  int64  // request specs and group members without a mapping
	NullCell  int64  // mappings without a cell: being built, kept
	Unchecked string // why orphans were not looked for
	Examples  []string
	Ranges    []Range // of instance_mappings.id with orphans
}
