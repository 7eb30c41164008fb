package dbarchive

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/go-sql-driver/mysql"
)

// What a failed transaction means.
type failure uint8

const (
	fatal     failure = iota // the session, the server or the run is at fault
	transient                // somebody was in the way: roll back, look again, retry whole
	permanent                // a tree is at fault
	duplicate                // the destination has a key already
)

// errChanged says that a tree is no longer what was read a moment ago.
var errChanged = errors.New("dbarchive: a tree changed since it was read")

// A mismatchError says that not every row was found, the same byte for byte,
// in the destination before it was to be deleted.
type mismatchError struct {
	table          string
	copied, proved int64
}

func (e *mismatchError) Error() string {
	return fmt.Sprintf("dbarchive: %s: %d rows copied, %d proved equal in the destination", e.table, e.copied, e.proved)
}

// Server errors by what is to be done about them.
// https://mariadb.com/kb/en/mariadb-error-code-reference/
// https://dev.mysql.com/doc/mysql-errors/8.0/en/server-error-reference.html
const (
	erNullColumn     = 1048 // a nullable column whose shadow is not
	erDuplicate      = 1062
	erWrongValue     = 1292
	erWrongField     = 1366
	erDataTooLong    = 1406
	erNoDefault      = 1364
	erOutOfRange     = 1264
	erLockWait       = 1205 // rolls back the statement alone: always roll back the rest
	erDeadlock       = 1213 // on Galera also at COMMIT: a certification conflict
	erRecordChanged  = 1020
	erParentHasRows  = 1451 // a child came after the tree was read
	erNoParent       = 1452
	erInterrupted    = 1317
	erStatementTime  = 1969 // MariaDB, max_statement_time
	erExecutionTime  = 3024 // MySQL, max_execution_time
	erPacketTooLarge = 1153
	erWriteSetTooBig = 1180 // wsrep_max_ws_size: "Got error 90 during COMMIT"
	erTooManyLocks   = 1206
)

func classify(err error) failure {
	var mismatch *mismatchError
	var e *mysql.MySQLError
	switch {
	case errors.Is(err, errChanged):
		return transient
	case errors.As(err, &mismatch):
		return transient // the source may have changed in between; looked at again, then set aside
	case !errors.As(err, &e):
		return fatal
	}
	switch e.Number {
	case erLockWait, erDeadlock, erRecordChanged, erParentHasRows, erNoParent, erInterrupted, erStatementTime, erExecutionTime:
		return transient
	case erDuplicate:
		return duplicate
	case erNullColumn, erWrongValue, erWrongField, erDataTooLong, erNoDefault, erOutOfRange, erPacketTooLarge, erWriteSetTooBig, erTooManyLocks:
		return permanent
	}
	return fatal
}

// insistence is how often work that can be repeated is done again.
const insistence = 8

// insist does work again for as long as somebody else is in the way of it and
// its sessions are of use.
func insist(ctx context.Context, work func() error, sessions ...*session) error {
	for try := 0; ; try++ {
		err := work()
		if err == nil || classify(err) != transient || try == insistence ||
			slices.ContainsFunc(sessions, func(s *session) bool { return s.broken }) {
			return err
		}
		if err := pause(ctx, try); err != nil {
			return err
		}
	}
}

func isNumber(err error, number uint16) bool {
	var e *mysql.MySQLError
	return errors.As(err, &e) && e.Number == number
}
