package dbarchive

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// A range, and so a step of a plan, holds at most rangeTrees trees. What is less
// than rangesLeast such ranges is cut into as many smaller ones, so that workers
// side by side end at about the same time.
const (
	rangeTrees  = 2500
	rangeLeast  = 250
	rangesLeast = 8
)

// treesOf says how many trees each range of so many should hold.
func treesOf(qualify int64) int64 {
	return max(rangeLeast, min(rangeTrees, (qualify+rangesLeast-1)/rangesLeast))
}

// keptExamples is how many trees are named for each reason.
const keptExamples = 20

// Observe reads all cells and the API database. It takes no locks and writes
// nothing; when ctx ends, the statement ends on the server too. A cell that
// cannot be read is part of the Snapshot, with its error; an error is returned
// for a selection that says nothing, and when ctx ends.
func Observe(ctx context.Context, dbs Databases, sel Selection) (*Snapshot, error) {
	if err := sel.check(dbs); err != nil {
		return nil, err
	}
	snap := &Snapshot{Taken: time.Now().UTC(), Selection: sel}
	budget := &budget{rows: sel.MaxRows, bytes: sel.MaxBytes}
	for _, c := range dbs.Cells {
		st := CellState{Name: c.Name, UUID: c.UUID, Selected: sel.wants(c.Name)}
		if err := st.read(ctx, c, sel, budget); err != nil {
			st.Err = err.Error()
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("dbarchive: reading cell %s: %w", c.Name, context.Cause(ctx))
		}
		snap.Cells = append(snap.Cells, st)
	}
	if dbs.API != nil {
		snap.API = &APIState{}
		if err := snap.API.read(ctx, dbs, snap.Cells); err != nil {
			snap.API.Err = err.Error()
		}
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("dbarchive: reading the API database: %w", context.Cause(ctx))
	}
	return snap, nil
}

// A budget is what is left of MaxRows and MaxBytes.
type budget struct{ rows, bytes int64 } // zero at the start: no limit

func (b *budget) spent() bool { return b.rows < 0 || b.bytes < 0 }

// take counts a tree, or reports that it does not fit.
func (b *budget) take(rows, bytes int64) bool {
	if b.spent() || b.rows > 0 && rows > b.rows || b.bytes > 0 && bytes > b.bytes {
		b.rows = -1
		return false
	}
	spend := func(left *int64, n int64) {
		if *left > 0 {
			if *left -= n; *left == 0 {
				*left = -1
			}
		}
	}
	spend(&b.rows, rows)
	spend(&b.bytes, bytes)
	return true
}

func (st *CellState) read(ctx context.Context, c Cell, sel Selection, b *budget) error {
	if c.DB == nil {
		return errors.Join(errors.New("not connected"), c.Err)
	}
	s, err := open(ctx, c.DB)
	if err != nil {
		return err
	}
	defer s.drop()
	if st.Server, st.Unseen, err = s.server(ctx); err != nil {
		return err
	}
	if st.Schema, err = s.describe(ctx); err != nil {
		return err
	}
	if err := st.readState(ctx, s); err != nil {
		return err
	}
	if err := st.countInstances(ctx, s, sel.Before); err != nil {
		return err
	}
	if !st.Selected {
		return nil
	}
	if sel.To.Server {
		if st.Archive = readArchive(ctx, c.Archive); st.Archive.Err != "" {
			return nil // Plan refuses, with this problem
		}
	}
	l, problems := st.Schema.layout(sel.To)
	if len(problems) > 0 {
		return nil // Plan refuses, with these problems
	}
	v := &survey{st: st, s: s, l: l, sel: sel, budget: b, per: map[string]*TableState{}, kept: map[string]*Kept{}}
	return v.run(ctx)
}

func (st *CellState) readState(ctx context.Context, s *session) (err error) {
	if st.Prepared, err = s.prepared(ctx, s.schema); err != nil || !st.Prepared {
		return err
	}
	var who sql.NullString
	if err := s.row(ctx, "SELECT MAX(holder) FROM "+qualified(s.schema, leaseTable)+" WHERE expires_at>=UTC_TIMESTAMP(6)", nil, &who); err != nil {
		return err
	}
	st.Lease = who.String
	st.Pending, st.Undropped, err = s.left(ctx, s.schema)
	return err
}

// readArchive looks at the archive server of a cell. One that cannot be read
// is a reason for the plan to refuse.
func readArchive(ctx context.Context, db *sql.DB) *ArchiveState {
	a := &ArchiveState{}
	err := func() error {
		there, err := openArchive(ctx, db, nil)
		if err != nil {
			return err
		}
		defer there.close()
		if a.Server, _, err = there.s.server(ctx); err != nil {
			return err
		}
		if a.Schema, err = there.s.describe(ctx); err != nil {
			return err
		}
		return there.s.row(ctx, "SELECT @@GLOBAL.innodb_flush_log_at_trx_commit=1", nil, &a.Durable)
	}()
	if err != nil {
		a.Err = err.Error()
	}
	return a
}

func (st *CellState) countInstances(ctx context.Context, s *session, before time.Time) error {
	if st.Schema.Tables[instances] == nil {
		return fmt.Errorf("database %s has no table instances: it is not a cell of nova", s.schema)
	}
	n := &st.Instances
	var deleted, terminated sql.NullInt64
	err := s.row(ctx, fmt.Sprintf(`SELECT COUNT(*), IFNULL(SUM(t.deleted<>0),0), IFNULL(SUM(%s),0),
		IFNULL(SUM(t.deleted<>0 AND t.deleted_at IS NULL),0), IFNULL(SUM(t.deleted<>0 AND IFNULL(t.cleaned,0)=0),0),
		IFNULL(SUM(t.deleted=0 AND t.vm_state='error'),0),
		MIN(IF(t.deleted<>0,TIMESTAMPDIFF(SECOND,'1970-01-01',t.deleted_at),NULL)),
		MIN(IF(t.deleted<>0,TIMESTAMPDIFF(SECOND,'1970-01-01',t.terminated_at),NULL)) FROM %s AS t`,
		qualifies(before), qualified(s.schema, instances)), nil,
		&n.Total, &n.Deleted, &n.Qualify, &n.NullDeletedAt, &n.Uncleaned, &n.Errored, &deleted, &terminated)
	if err != nil {
		return fmt.Errorf("counting instances: %w", err)
	}
	if deleted.Valid {
		n.OldestDeleted = time.Unix(deleted.Int64, 0).UTC()
	}
	if terminated.Valid {
		n.OldestTerminated = time.Unix(terminated.Int64, 0).UTC()
	}
	return nil
}
