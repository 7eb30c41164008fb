package dbarchive

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/stackmend/stackmend"
)

// leaseTTL is how long a lease outlives its holder. It is renewed every
// heartbeat, and each renewal is what a replica's lag is measured by.
const (
	leaseTTL  = 15 * time.Second
	heartbeat = 500 * time.Millisecond
)

const leaseName = "archive"

// A lease keeps two archivers of one cell apart, by a row with an expiry told
// by the database's clock. GET_LOCK would not do: on Galera every node gives
// the same name out once more. The row locks of a transaction are what keeps
// rows safe; the lease keeps two archivers from getting in each other's way.
type lease struct {
	db     *sql.DB
	schema string
	token  string
	ttl    time.Duration

	mu      sync.Mutex
	users   int
	held    context.Context
	lose    context.CancelCauseFunc
	stopped chan struct{}
}

func newLease(db *sql.DB, schema string, ttl time.Duration) *lease {
	var b [16]byte
	rand.Read(b[:])
	return &lease{db: db, schema: schema, token: hex.EncodeToString(b[:]), ttl: ttl}
}

// take acquires the lease for one user of this process, or joins the others.
// The context it returns ends with ctx, or with a cause when the lease is lost.
func (l *lease) take(ctx context.Context) (context.Context, func(), error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.users == 0 {
		if err := insist(ctx, func() error { return l.acquire(ctx) }); err != nil {
			return nil, nil, err
		}
		l.held, l.lose = context.WithCancelCause(context.Background())
		l.stopped = make(chan struct{})
		go l.renewals(l.held, l.lose, l.stopped)
	}
	l.users++
	user, cancel := context.WithCancelCause(ctx)
	unhook := context.AfterFunc(l.held, func() { cancel(context.Cause(l.held)) })
	return user, func() { unhook(); cancel(nil); l.leave() }, nil
}

func (l *lease) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.users--; l.users > 0 {
		return
	}
	l.lose(nil)
	<-l.stopped
	ctx, cancel := context.WithTimeout(context.Background(), killPatience)
	defer cancel()
	// If this fails the lease ends by itself.
	l.db.ExecContext(ctx, "DELETE FROM "+qualified(l.schema, leaseTable)+" WHERE name=? AND token=?", leaseName, l.token)
}

func (l *lease) acquire(ctx context.Context) error {
	host, _ := os.Hostname()
	holder := fmt.Sprintf("%s, pid %d", host, os.Getpid())
	tab, us := qualified(l.schema, leaseTable), l.ttl.Microseconds()
	_, err := l.db.ExecContext(ctx, "INSERT INTO "+tab+` (name,token,holder,renewed_at,expires_at)
		VALUES (?,?,?,UTC_TIMESTAMP(6),UTC_TIMESTAMP(6)+INTERVAL ? MICROSECOND)
		ON DUPLICATE KEY UPDATE holder=IF(expires_at<UTC_TIMESTAMP(6),VALUES(holder),holder),
			token=IF(expires_at<UTC_TIMESTAMP(6),VALUES(token),token),
			renewed_at=IF(token=VALUES(token),VALUES(renewed_at),renewed_at),
			expires_at=IF(token=VALUES(token),VALUES(expires_at),expires_at)`, leaseName, l.token, holder, us)
	if err != nil {
		return fmt.Errorf("dbarchive: taking the lease: %w", err)
	}
	var token, who string
	row := l.db.QueryRowContext(ctx, "SELECT token, holder FROM "+tab+" WHERE name=?", leaseName)
	if err := row.Scan(&token, &who); err != nil {
		return fmt.Errorf("dbarchive: reading the lease: %w", err)
	}
	if token != l.token {
		return &stackmend.LockError{Holder: who}
	}
	return nil
}

// renewals keep the lease and write the heartbeat until held ends. When the
// lease could not be renewed for as long as it lives, it is lost.
func (l *lease) renewals(held context.Context, lose context.CancelCauseFunc, stopped chan<- struct{}) {
	defer close(stopped)
	t := time.NewTicker(min(heartbeat, l.ttl/4))
	defer t.Stop()
	renewed := time.Now()
	for {
		select {
		case <-held.Done():
			return
		case <-t.C:
		}
		begun := time.Now()
		err := l.renew(held)
		switch {
		case err == nil:
			renewed = begun
		case errors.Is(err, stackmend.ErrLocked) || time.Since(renewed) > l.ttl*3/4:
			lose(fmt.Errorf("%w: the lease of %s was lost: %w", stackmend.ErrLocked, l.schema, err))
			return
		}
	}
}

func (l *lease) renew(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, l.ttl/2)
	defer cancel()
	res, err := l.db.ExecContext(ctx, "UPDATE "+qualified(l.schema, leaseTable)+
		" SET renewed_at=UTC_TIMESTAMP(6), expires_at=UTC_TIMESTAMP(6)+INTERVAL ? MICROSECOND WHERE name=? AND token=?",
		l.ttl.Microseconds(), leaseName, l.token)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err == nil && n == 0 {
		return fmt.Errorf("%w: somebody else took it", stackmend.ErrLocked)
	}
	return nil
}

// holder reads who else has a lease that has not expired.
func (l *lease) holder(ctx context.Context) (string, error) {
	var who string
	err := l.db.QueryRowContext(ctx, "SELECT holder FROM "+qualified(l.schema, leaseTable)+
		" WHERE name=? AND token<>? AND expires_at>=UTC_TIMESTAMP(6)", leaseName, l.token).Scan(&who)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return who, err
}
