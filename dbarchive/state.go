package dbarchive

import (
	"context"
	"fmt"
)

// Small tables of our own live in each cell's database. nova-manage passes
// over tables that it does not know.
const (
	leaseTable   = statePrefix + "lease"
	apiRowsTable = statePrefix + "api_rows"
	movesTable   = statePrefix + "moves"
	lotsTable    = statePrefix + "lots" // in the database of an archive server
)

// What is to become of a row in apiRowsTable.
const (
	apiToClear = 0 // its tree is archived; the row may still be in the API database
	apiCleared = 1 // kept here for a restore
	apiToPut   = 2 // its tree was restored; the row goes back to the API database
)

// openTable is what apiRowsTable has as tbl in a note of what is open: one for
// each transaction, with the instances whose API rows are still to be cleared
// as its body and their number as row_id. Telling every row would cost as much
// again as saving it.
const openTable = ""

// openRows counts, of apiRowsTable, API rows.
const openRows = "IFNULL(SUM(IF(tbl='" + openTable + "',row_id,1)),0)"

// What a row of movesTable says.
const (
	moveOpen = 0 // the rows are in the cell; copies of them in the depot do not count
	moveDone = 1 // the tree is in the depot
)

// stateTables makes the tables. The lease's renewed_at is also the heartbeat
// from which the lag of a replica is read. An API row is saved in the same
// transaction that archives its tree and cleared afterwards: whoever is killed
// in between leaves the row here as a note of what to do.
func stateTables(database string) []string {
	return []string{
		fmt.Sprintf(`CREATE TABLE IF NOT EXISTS %s (
			name VARCHAR(64) NOT NULL PRIMARY KEY, token CHAR(32) NOT NULL, holder VARCHAR(255) NOT NULL,
			renewed_at DATETIME(6) NOT NULL, expires_at DATETIME(6) NOT NULL
		) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4`, qualified(database, leaseTable)),
		fmt.Sprintf(`CREATE TABLE IF NOT EXISTS %s (
			instance_uuid VARCHAR(36) NOT NULL, tbl VARCHAR(64) NOT NULL, row_id BIGINT NOT NULL,
			instance_id BIGINT NOT NULL, state TINYINT NOT NULL, saved_at DATETIME(6) NOT NULL, body LONGBLOB NOT NULL,
			PRIMARY KEY (instance_uuid, tbl, row_id), KEY state_instance (state, instance_id)
		) ENGINE=InnoDB DEFAULT CHARSET=utf8mb3`, qualified(database, apiRowsTable)),
		fmt.Sprintf(`CREATE TABLE IF NOT EXISTS %s (
			tbl VARCHAR(64) NOT NULL, row_id BIGINT NOT NULL, instance_uuid VARCHAR(36) NOT NULL,
			place VARBINARY(255) NOT NULL, state TINYINT NOT NULL, digest CHAR(64) NOT NULL DEFAULT '',
			PRIMARY KEY (tbl, row_id), KEY place (place, state), KEY state (state), KEY instance_uuid (instance_uuid)
		) ENGINE=InnoDB DEFAULT CHARSET=utf8mb3`, qualified(database, movesTable)),
	}
}

// prepared reports whether the tables exist.
func (s *session) prepared(ctx context.Context, database string) (bool, error) {
	var n int
	err := s.row(ctx, "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema=? AND table_name IN (?,?,?)",
		[]any{database, leaseTable, apiRowsTable, movesTable}, &n)
	return n == 3, err
}
