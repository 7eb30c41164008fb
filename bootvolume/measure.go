package bootvolume

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stackmend/stackmend"
)

// patience is how long a row may take before the probe gives up.
const patience = 30 * time.Second

// A pair is a node that writes and one that reads.
type pair struct {
	writer, reader string
	from, to       *sql.Conn
	late           []time.Duration // of the rows that were missing at first; zero: was there
	waits          bool
}

// measure writes and looks, and notes what it saw in the table itself, so that
// it is not measured twice.
func (p *Prober) measure(ctx context.Context, t target, s stackmend.Step, w *stackmend.Work) error {
	if p.measured(ctx, t) == nil {
		return nil
	}
	rounds, err := strconv.Atoi(s.Args["rounds"])
	if err != nil || rounds < 1 || rounds > mostRounds {
		return fmt.Errorf("bootvolume: %q rounds: %w", s.Args["rounds"], stackmend.ErrRefused)
	}
	if err := t.clear(ctx); err != nil { // of an interrupted run
		return err
	}
	pairs, closeAll, err := p.pairs(ctx, nodesOf(s), s.Args["wait"] == "true")
	defer closeAll()
	if err != nil {
		return err
	}
	for n := range rounds {
		if err := w.Gate(ctx); err != nil {
			return err
		}
		if err := round(ctx, t.quoted, pairs, n+1); err != nil {
			return err
		}
		w.Progress(int64(n+1), int64(rounds), "rows a node")
	}
	return t.note(ctx, pairs)
}

// pairs connects every node with every other one. Each node has one session
// to write and one to read for each writer.
func (p *Prober) pairs(ctx context.Context, nodes []string, wait bool) (all []*pair, closeAll func(), err error) {
	var open []*sql.Conn
	closeAll = func() {
		for _, c := range open {
			_ = c.Close()
		}
	}
	session := func(name string) (*sql.Conn, error) {
		db, err := p.node(name)
		if err != nil {
			return nil, err
		}
		c, err := db.Conn(ctx)
		if err == nil {
			open = append(open, c)
			_, err = c.ExecContext(ctx, "SET SESSION autocommit=1")
		}
		return c, err
	}
	for _, writer := range nodes {
		from, err := session(writer)
		if err != nil {
			return nil, closeAll, err
		}
		for _, reader := range nodes {
			if reader == writer {
				continue
			}
			to, err := session(reader)
			if err != nil {
				return nil, closeAll, err
			}
			one := &pair{writer: writer, reader: reader, from: from, to: to}
			if err := one.prepare(ctx, wait); err != nil {
				return nil, closeAll, err
			}
			all = append(all, one)
		}
	}
	return all, closeAll, nil
}

// prepare sets how the reader reads: as a session of a service does, unless
// it is to wait.
func (p *pair) prepare(ctx context.Context, wait bool) error {
	set := "SET SESSION wsrep_sync_wait=@@GLOBAL.wsrep_sync_wait"
	if wait {
		set = "SET SESSION wsrep_sync_wait=1"
	}
	if _, err := p.to.ExecContext(ctx, set); err != nil {
		return err
	}
	var now string
	if err := p.to.QueryRowContext(ctx, "SELECT @@SESSION.wsrep_sync_wait").Scan(&now); err != nil {
		return err
	}
	p.waits = waitsForReads(now)
	return nil
}

// round writes a row for each pair, and looks for it at once.
func round(ctx context.Context, table string, pairs []*pair, id int) error {
	for _, p := range pairs {
		if err := p.write(ctx, table, id); err != nil {
			return err
		}
		if err := p.look(ctx, table, id); err != nil {
			return err
		}
	}
	return nil
}

func (p *pair) name() string { return p.writer + ">" + p.reader }

func (p *pair) write(ctx context.Context, table string, id int) error {
	return retried(ctx, func() error {
		_, err := p.from.ExecContext(ctx, "INSERT INTO "+table+" (writer, id) VALUES (?, ?)", p.name(), id)
		return err
	})
}

// look reads until the row is there.
func (p *pair) look(ctx context.Context, table string, id int) error {
	begun := time.Now()
	for first := true; ; first = false {
		var n int
		err := p.to.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+table+" WHERE writer=? AND id=?", p.name(), id).Scan(&n)
		if err != nil && !strings.Contains(err.Error(), "1146") { // the table itself may be late
			return err
		}
		switch took := time.Since(begun); {
		case n > 0 && first:
			p.late = append(p.late, 0)
			return nil
		case n > 0:
			p.late = append(p.late, max(took, 1))
			return nil
		case took > patience:
			return fmt.Errorf("a row of %s is not on %s after %v", p.writer, p.reader, took)
		}
	}
}

func (p *pair) lateness() Lateness {
	l := Lateness{Writer: p.writer, Reader: p.reader, Rows: len(p.late), Waited: p.waits}
	missed := slices.DeleteFunc(slices.Clone(p.late), func(d time.Duration) bool { return d == 0 })
	slices.Sort(missed)
	if l.Missed = len(missed); l.Missed > 0 {
		l.Median, l.Longest = missed[l.Missed/2], missed[l.Missed-1]
	}
	return l
}

func (t target) note(ctx context.Context, pairs []*pair) error {
	var text strings.Builder
	for _, p := range pairs {
		text.WriteString(p.lateness().text())
	}
	return retried(ctx, func() error {
		_, err := t.ExecContext(ctx, "INSERT INTO "+t.quoted+" (writer, id, note) VALUES (?, 0, ?)", done, text.String())
		return err
	})
}
