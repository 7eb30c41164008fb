package bootvolume

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A Node is what one node of Galera has in effect.
type Node struct {
	Host      string
	Variables map[string]string // SHOW GLOBAL VARIABLES, of those that matter here
	Status    map[string]string // SHOW GLOBAL STATUS, of wsrep and of connections
	Over      time.Duration     // that it was looked at
	// Within Over: how long flow control paused, how many transactions were
	// aborted for one of another node, and how many failed certification.
	Paused               time.Duration
	Aborted, Uncertified int64
}

// variables are those that are compared with the files.
const variables = "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('wsrep_sync_wait','innodb_flush_log_at_trx_commit','wsrep_slave_threads'," +
	"'wsrep_on','wsrep_retry_autocommit','innodb_autoinc_lock_mode','innodb_lock_wait_timeout','wait_timeout','max_connections','sync_binlog')"

// statuses are wsrep's, and those of connections that were refused.
const statuses = "SHOW GLOBAL STATUS WHERE Variable_name LIKE 'wsrep\\_%' OR Variable_name IN ('Max_used_connections','Connection_errors_max_connections')"

// ReadNode asks a node for its variables and its status, the latter twice: the
// time that flow control takes and conflicts are counted over a while, such as
// three seconds, or as long as a batch takes. Any account may ask.
func ReadNode(ctx context.Context, db *sql.DB, host string, over time.Duration) (Node, error) {
	n := Node{Host: host}
	var err error
	if n.Variables, err = pairs(ctx, db, variables); err != nil {
		return Node{}, fmt.Errorf("%s: %w", host, err)
	}
	if n.Status, err = pairs(ctx, db, statuses); err != nil {
		return Node{}, fmt.Errorf("%s: %w", host, err)
	}
	if err := n.measure(ctx, db, over); err != nil {
		return Node{}, fmt.Errorf("%s: %w", host, err)
	}
	return n, nil
}

// measure takes the growth of counters. FLUSH STATUS zeroes all but the first
// of them.
func (n *Node) measure(ctx context.Context, db *sql.DB, over time.Duration) error {
	const counter = "wsrep_flow_control_paused_ns"
	before, err := strconv.ParseInt(n.Status[counter], 10, 64)
	if err != nil || over <= 0 {
		return nil // no Galera, or an older one: Over stays zero
	}
	begun := time.Now()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(over):
	}
	earlier := *n
	if n.Status, err = pairs(ctx, db, statuses); err != nil {
		return err
	}
	after, err := strconv.ParseInt(n.Status[counter], 10, 64)
	if err != nil {
		return nil
	}
	n.Paused, n.Over = time.Duration(after-before), time.Since(begun)
	grown := func(name string) int64 {
		now, was := n.count(name), earlier.count(name)
		if now < was { // FLUSH STATUS
			return now
		}
		return now - was
	}
	n.Aborted, n.Uncertified = grown("wsrep_local_bf_aborts"), grown("wsrep_local_cert_failures")
	return nil
}

// pairs reads rows of a name and a value.
func pairs(ctx context.Context, db *sql.DB, query string) (map[string]string, error) {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := make(map[string]string)
	for rows.Next() {
		var name string
		var value sql.NullString
		if err := rows.Scan(&name, &value); err != nil {
			return nil, err
		}
		all[strings.ToLower(name)] = value.String
	}
	return all, rows.Err()
}
