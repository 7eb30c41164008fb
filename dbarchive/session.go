package dbarchive

import (
	"context"
	"crypto/rand"
	"database/sql"
	"database/sql/driver"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
)

// A session is one connection whose statements really end: the driver alone
// gives up the connection when a context ends, and the server goes on with the
// statement, holding its locks (an autocommit DELETE even commits).
type session struct {
	db     *sql.DB
	conn   *sql.Conn
	maria  bool
	id     int64
	host   string
	port   int64
	token  string // a comment in every statement: what proves that a statement is ours
	schema string // the database of the connection
	wsrep  bool   // a Galera node
	broken bool   // the connection is of no use any more
}

// statementLimit bounds a statement on the server, for when the client that
// would end it is gone.
const statementLimit = 60 * time.Second

// lockWait is how long a statement waits for a row lock. Live traffic has the
// right of way: whoever waits longer is rolled back and comes again later.
const lockWait = 3 * time.Second

func open(ctx context.Context, db *sql.DB) (*session, error) {
	if db == nil {
		return nil, fmt.Errorf("dbarchive: no database was handed in")
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("dbarchive: connecting: %w", err)
	}
	var b [12]byte
	rand.Read(b[:])
	s := &session{db: db, conn: conn, token: "/* stackmend:" + hex.EncodeToString(b[:]) + " */ "}
	if err := s.prepare(ctx); err != nil {
		s.drop()
		return nil, fmt.Errorf("dbarchive: preparing a session: %w", err)
	}
	return s, nil
}

func (s *session) prepare(ctx context.Context) error {
	var version string
	var schema sql.NullString
	row := s.conn.QueryRowContext(ctx, "SELECT VERSION(), CONNECTION_ID(), @@hostname, @@port, DATABASE()")
	if err := row.Scan(&version, &s.id, &s.host, &s.port, &schema); err != nil {
		return err
	}
	if s.schema = schema.String; s.schema == "" {
		return fmt.Errorf("the connection names no database")
	}
	s.maria = strings.Contains(version, "MariaDB")
	limit := fmt.Sprintf("SET SESSION max_execution_time=%d", statementLimit.Milliseconds()) // MySQL: of reads alone
	if s.maria {
		limit = fmt.Sprintf("SET SESSION max_statement_time=%d", int(statementLimit.Seconds()))
	}
	if err := s.galera(ctx); err != nil {
		return err
	}
	for _, q := range []string{
		"SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
		"SET SESSION time_zone='+00:00', sql_mode='STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,NO_AUTO_VALUE_ON_ZERO', foreign_key_checks=1, unique_checks=1",
		fmt.Sprintf("SET SESSION innodb_lock_wait_timeout=%d, lock_wait_timeout=%d, eq_range_index_dive_limit=1", int(lockWait.Seconds()), int(lockWait.Seconds())),
		limit,
	} {
		if err := s.exec0(ctx, q); err != nil {
			return err
		}
	}
	return nil
}

// galera asks whether the server is a node of a cluster.
func (s *session) galera(ctx context.Context) error {
	var name, on string
	err := s.row(ctx, "SHOW GLOBAL VARIABLES LIKE 'wsrep_on'", nil, &name, &on)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	s.wsrep = on == "ON"
	return err
}

func (s *session) exec0(ctx context.Context, q string, args ...any) error {
	_, err := s.exec(ctx, q, args...)
	return err
}

// begin opens a transaction. On Galera autocommit is off for as long: where a
// node has aborted the transaction and the statement that was to be told has not
// heard it, what follows must not be committed one by one.
func (s *session) begin(ctx context.Context) error {
	if s.wsrep {
		if err := s.exec0(ctx, "SET SESSION autocommit=0"); err != nil {
			return err
		}
	}
	return s.exec0(ctx, "START TRANSACTION")
}

func (s *session) commit(ctx context.Context) error {
	err := s.exec0(ctx, "COMMIT")
	if err == nil && s.wsrep {
		err = s.exec0(ctx, "SET SESSION autocommit=1")
	}
	return err
}

// exec runs a statement that ends on the server when ctx does.
func (s *session) exec(ctx context.Context, q string, args ...any) (sql.Result, error) {
	return s.send(ctx, s.token+q, args...)
}

// send is exec for a statement that begins with the token already.
func (s *session) send(ctx context.Context, q string, args ...any) (sql.Result, error) {
	defer s.watch(ctx)()
	return s.conn.ExecContext(ctx, q, args...)
}

// query hands every row to scan.
func (s *session) query(ctx context.Context, scan func(*sql.Rows) error, q string, args ...any) error {
	defer s.watch(ctx)()
	rows, err := s.conn.QueryContext(ctx, s.token+q, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (s *session) row(ctx context.Context, q string, args []any, dst ...any) error {
	defer s.watch(ctx)()
	return s.conn.QueryRowContext(ctx, s.token+q, args...).Scan(dst...)
}

// watch ends the statement on the server if ctx ends before the returned
// function is called.
func (s *session) watch(ctx context.Context) func() {
	stop := context.AfterFunc(ctx, s.kill)
	return func() { stop() }
}

// killPatience bounds the attempt to end a statement.
const killPatience = 5 * time.Second

// kill ends what this session runs, by a second connection. Behind a virtual
// address that connection may lead to another node where the same id is
// somebody else's: the node must be ours by name and port, and the statement
// by its token.
func (s *session) kill() {
	ctx, cancel := context.WithTimeout(context.Background(), killPatience)
	defer cancel()
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return
	}
	defer conn.Close()
	var ours int
	err = conn.QueryRowContext(ctx, `SELECT COUNT(*) FROM information_schema.processlist
		WHERE id=? AND @@hostname=? AND @@port=? AND info LIKE ?`, s.id, s.host, s.port, strings.TrimSpace(s.token)+"%").Scan(&ours)
	if err != nil || ours != 1 {
		return
	}
	conn.ExecContext(ctx, fmt.Sprintf("KILL QUERY %d", s.id))
}

// drop gives the connection up instead of handing it back to the pool with
// our settings: the caller's other queries must not inherit them.
func (s *session) drop() {
	s.conn.Raw(func(any) error { return driver.ErrBadConn })
	s.conn.Close()
}

// quote makes an identifier of a name.
func quote(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }

func qualified(schema, table string) string { return quote(schema) + "." + quote(table) }

// scanID collects a column of numbers.
func scanID(ids *[]int64) func(*sql.Rows) error {
	return func(r *sql.Rows) error {
		var id int64
		err := r.Scan(&id)
		*ids = append(*ids, id)
		return err
	}
}
