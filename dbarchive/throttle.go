package dbarchive

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/stackmend/stackmend"
)

// The throttles of this package wait at a soft limit and stop the run at a
// hard one. What cannot be read just now makes them wait, never permit.

func wait(format string, args ...any) (stackmend.Verdict, error) {
	return stackmend.Verdict{Decision: stackmend.Wait, Reason: fmt.Sprintf(format, args...)}, nil
}

func permit(format string, args ...any) (stackmend.Verdict, error) {
	return stackmend.Verdict{Decision: stackmend.Permit, Reason: fmt.Sprintf(format, args...)}, nil
}

func deny(format string, args ...any) (stackmend.Verdict, error) {
	return stackmend.Verdict{Decision: stackmend.Deny, Reason: fmt.Sprintf(format, args...)}, nil
}

// limit decides on a measure against a soft and a hard limit; a zero limit is
// none.
func limit(what string, v, soft, hard int64) (stackmend.Verdict, error) {
	switch {
	case hard > 0 && v >= hard:
		return deny("%s is %d, the hard limit is %d", what, v, hard)
	case soft > 0 && v >= soft:
		return wait("%s is %d, the limit is %d", what, v, soft)
	}
	return permit("%s is %d", what, v)
}

// ReplicaLag holds archiving back while a replica of the cell is behind by
// soft, and stops it at hard. The lag is read from the lease row, which the
// archiver renews twice a second on the primary: a frozen link makes
// Seconds_Behind_Master 0, but not that row young. Before the first step there
// is no such row yet; then the replica's threads must run and its own word is
// taken. A replica that is stopped, broken or unreadable makes the run wait.
// Steps of other cells are permitted.
func ReplicaLag(c Cell, replica *sql.DB, soft, hard time.Duration) stackmend.Guard {
	g := lagGuard{c.Name, c.DB, replica, soft, hard}
	return stackmend.GuardFunc("replica lag", g.evaluate)
}

type lagGuard struct {
	cell             string
	primary, replica *sql.DB
	soft, hard       time.Duration
}

func (g lagGuard) evaluate(ctx context.Context, r stackmend.Request) (stackmend.Verdict, error) {
	if r.Step.Args["cell"] != g.cell {
		return permit("the step is of another cell")
	}
	behind, why := g.threads(ctx)
	if why != "" {
		return wait("%s", why)
	}
	now, beat, err := beatOf(ctx, g.primary)
	switch {
	case err != nil:
		return wait("the heartbeat cannot be read on the primary: %v", err)
	case beat.IsZero() || now.Sub(beat) > leaseTTL:
		if r.Begun {
			return wait("the primary's heartbeat has stopped")
		}
		return g.judge(behind, "by the replica's own word, for no heartbeat runs yet")
	}
	_, seen, err := beatOf(ctx, g.replica)
	switch {
	case err != nil:
		return wait("the heartbeat cannot be read on the replica: %v", err)
	case seen.IsZero():
		return wait("the replica does not have the heartbeat")
	case seen.After(now):
		return wait("the replica's heartbeat is from the future: it is another server's, or a clock went back")
	}
	return g.judge(now.Sub(seen), "by the heartbeat")
}

func (g lagGuard) judge(lag time.Duration, how string) (stackmend.Verdict, error) {
	lag = lag.Round(time.Millisecond)
	switch {
	case g.hard > 0 && lag >= g.hard:
		return deny("the replica is %v behind %s, the hard limit is %v", lag, how, g.hard)
	case lag >= g.soft:
		return wait("the replica is %v behind %s, the limit is %v", lag, how, g.soft)
	}
	return permit("the replica is %v behind %s", lag, how)
}

// threads says how far the replica says to be behind, or why that cannot be
// believed.
func (g lagGuard) threads(ctx context.Context) (time.Duration, string) {
	s, err := open(ctx, g.replica)
	if err != nil {
		return 0, fmt.Sprintf("the replica cannot be reached: %v", err)
	}
	defer s.drop()
	rows, err := s.replication(ctx)
	switch {
	case err != nil:
		return 0, fmt.Sprintf("the replica's state cannot be read: %v", err)
	case len(rows) == 0:
		return 0, "the server given as replica is none"
	}
	var worst time.Duration
	for _, r := range rows {
		io, apply := first(r, "replica_io_running", "slave_io_running"), first(r, "replica_sql_running", "slave_sql_running")
		if io != "Yes" || apply != "Yes" {
			return 0, fmt.Sprintf("replication is stopped (IO %s, SQL %s) %s%s", io, apply, first(r, "last_io_error"), first(r, "last_sql_error"))
		}
		sec := first(r, "seconds_behind_source", "seconds_behind_master")
		if sec == "" || number(sec) < 0 {
			return 0, fmt.Sprintf("the replica does not know how far it is behind (%q)", sec)
		}
		worst = max(worst, time.Duration(number(sec))*time.Second)
	}
	return worst, ""
}

// beatOf reads the clock and the newest heartbeat of a server; zero if there
// is none.
func beatOf(ctx context.Context, db *sql.DB) (now, beat time.Time, err error) {
	var clock int64
	var at sql.NullInt64
	err = db.QueryRowContext(ctx, `SELECT TIMESTAMPDIFF(MICROSECOND,'1970-01-01',UTC_TIMESTAMP(6)),
		(SELECT MAX(TIMESTAMPDIFF(MICROSECOND,'1970-01-01',renewed_at)) FROM `+leaseTable+` WHERE name=?)`, leaseName).Scan(&clock, &at)
	if missingTable(err) {
		return time.Time{}, time.Time{}, nil
	}
	if at.Valid {
		beat = time.UnixMicro(at.Int64).UTC()
	}
	return time.UnixMicro(clock).UTC(), beat, err
}

// LoadLimits are limits of what a server is busy with. Zero is no limit.
type LoadLimits struct {
	ThreadsSoft, ThreadsHard int64 // Threads_running
	HistorySoft, HistoryHard int64 // undo history that purge has not removed; needs PROCESS
}

// Load holds archiving back while the server is busy.
func Load(db *sql.DB, l LoadLimits) stackmend.Guard {
	return stackmend.GuardFunc("load", func(ctx context.Context, _ stackmend.Request) (stackmend.Verdict, error) {
		var name string
		var threads, history int64
		if err := db.QueryRowContext(ctx, "SHOW GLOBAL STATUS LIKE 'Threads_running'").Scan(&name, &threads); err != nil {
			return wait("Threads_running cannot be read: %v", err)
		}
		v, err := limit("Threads_running", threads, l.ThreadsSoft, l.ThreadsHard)
		if v.Decision != stackmend.Permit || l.HistorySoft == 0 && l.HistoryHard == 0 {
			return v, err
		}
		if err := db.QueryRowContext(ctx, "SELECT `count` FROM information_schema.innodb_metrics WHERE name='trx_rseg_history_len'").Scan(&history); err != nil {
			return wait("the history list length cannot be read: %v", err)
		}
		return limit("the history list length", history, l.HistorySoft, l.HistoryHard)
	})
}

// Disk holds archiving back while the filesystem of the server's data has less
// than soft bytes available, and stops it below hard: moved rows take space in
// the archive before purge gives back that of the old ones. It is read from
// information_schema.disks (MariaDB's plugin of that name; needs FILE); where
// that is missing the run waits.
func Disk(db *sql.DB, soft, hard int64) stackmend.Guard {
	return stackmend.GuardFunc("disk", func(ctx context.Context, _ stackmend.Request) (stackmend.Verdict, error) {
		var path string
		var free int64
		// the longest mount point that the data lies below
		err := db.QueryRowContext(ctx, `SELECT path, available*1024 FROM information_schema.disks
			WHERE LEFT(CONCAT(@@datadir,'/'),LENGTH(path))=path ORDER BY LENGTH(path) DESC LIMIT 1`).Scan(&path, &free)
		switch {
		case err != nil:
			return wait("the server's free space cannot be read (INSTALL SONAME 'disks'): %v", err)
		case hard > 0 && free < hard:
			return deny("%s has %d bytes available, the hard limit is %d", path, free, hard)
		case free < soft:
			return wait("%s has %d bytes available, the limit is %d", path, free, soft)
		}
		return permit("%s has %d bytes available", path, free)
	})
}

// GaleraLimits are limits of a cluster. Zero values are the defaults.
type GaleraLimits struct {
	Paused    float64 // share of the time since the last look that flow control paused; 0.1
	Queue     int64   // wsrep_local_recv_queue; 50
	QueueHard int64   // 1,000
}

// Galera holds archiving back while the cluster cannot keep up, while its node
// is not Synced in a primary component, and stops it when the address leads to
// another node than before: two writers make conflicts. A server without
// Galera is permitted.
func Galera(db *sql.DB, l GaleraLimits) stackmend.Guard {
	if l.Paused <= 0 {
		l.Paused = 0.1
	}
	if l.Queue <= 0 {
		l.Queue = 50
	}
	if l.QueueHard <= 0 {
		l.QueueHard = 1000
	}
	g := &galeraGuard{db: db, limits: l}
	return stackmend.GuardFunc("galera", g.evaluate)
}

// galeraGuard remembers the last look: the counters of flow control are of use
// as differences only, and FLUSH STATUS zeroes all but paused_ns.
type galeraGuard struct {
	db     *sql.DB
	limits GaleraLimits
	node   string
	size   string
	paused int64
	at     time.Time
}

func (g *galeraGuard) evaluate(ctx context.Context, _ stackmend.Request) (stackmend.Verdict, error) {
	st, node, err := g.look(ctx)
	switch {
	case errors.Is(err, errNoGalera):
		return permit("the server is no Galera node")
	case err != nil:
		return wait("the state of Galera cannot be read: %v", err)
	case st["wsrep_ready"] != "ON" || st["wsrep_local_state_comment"] != "Synced" || st["wsrep_cluster_status"] != "Primary":
		return wait("the node is %s in a %s component", st["wsrep_local_state_comment"], st["wsrep_cluster_status"])
	case g.node != "" && node != g.node:
		return deny("the address led to node %s and leads to %s now: archiving writes to one node only", g.node, node)
	}
	paused, now := number(st["wsrep_flow_control_paused_ns"]), time.Now()
	share := float64(paused-g.paused) / float64(max(1, now.Sub(g.at)))
	known, size := !g.at.IsZero() && paused >= g.paused, g.size
	g.node, g.paused, g.at, g.size = node, paused, now, st["wsrep_cluster_size"]
	switch {
	case known && share >= g.limits.Paused:
		return wait("flow control paused the cluster %.0f %% of the time since the last look", share*100)
	case size != "" && size != g.size:
		return wait("the cluster had %s nodes and has %s", size, g.size)
	}
	if v, err := limit("wsrep_local_recv_queue", number(st["wsrep_local_recv_queue"]), g.limits.Queue, g.limits.QueueHard); v.Decision != stackmend.Permit {
		return v, err
	}
	return limit("wsrep_local_send_queue", number(st["wsrep_local_send_queue"]), g.limits.Queue, g.limits.QueueHard)
}

var errNoGalera = errors.New("dbarchive: wsrep is off")

func (g *galeraGuard) look(ctx context.Context) (map[string]string, string, error) {
	s, err := open(ctx, g.db)
	if err != nil {
		return nil, "", err
	}
	defer s.drop()
	v, err := s.pairs(ctx, "SHOW GLOBAL VARIABLES LIKE 'wsrep\\_%'")
	if err != nil {
		return nil, "", err
	}
	if !on(v["wsrep_on"]) {
		return nil, "", errNoGalera
	}
	st, err := s.pairs(ctx, "SHOW GLOBAL STATUS LIKE 'wsrep\\_%'")
	return st, v["wsrep_node_name"], err
}
