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
	Status    map[string]string // SHOW GLOBAL STATUS LIKE 'wsrep_%'
	Paused    time.Duration     // by flow control, within Over
	Over      time.Duration
}

// variables are those that are compared with the files.
const variables = "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('wsrep_sync_wait','innodb_flush_log_at_trx_commit','wsrep_slave_threads'," +
	"'wsrep_on','wsrep_retry_autocommit','innodb_autoinc_lock_mode','innodb_lock_wait_timeout','wait_timeout','max_connections','sync_binlog')"

// ReadNode asks a node for its variables and its status; the time that flow
// control takes is measured over a while, such as three seconds. Any account
// may ask.
func ReadNode(ctx context.Context, db *sql.DB, host string, over time.Duration) (Node, error) {
	n := Node{Host: host}
	var err error
	if n.Variables, err = pairs(ctx, db, variables); err != nil {
		return Node{}, fmt.Errorf("%s: %w", host, err)
	}
	if n.Status, err = pairs(ctx, db, "SHOW GLOBAL STATUS LIKE 'wsrep_%'"); err != nil {
		return Node{}, fmt.Errorf("%s: %w", host, err)
	}
	if err := n.measure(ctx, db, over); err != nil {
		return Node{}, fmt.Errorf("%s: %w", host, err)
	}
	return n, nil
}

// measure takes the growth of the one counter that FLUSH STATUS does not zero.
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
	later, err := pairs(ctx, db, "SHOW GLOBAL STATUS LIKE '"+counter+"'")
	if err != nil {
		return err
	}
	after, err := strconv.ParseInt(later[counter], 10, 64)
	if err == nil {
		n.Paused, n.Over = time.Duration(after-before), time.Since(begun)
	}
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
