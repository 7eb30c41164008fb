package dbarchive

import (
	"context"
	"errors"
	"fmt"

	"github.com/stackmend/stackmend"
)

// mover prepares to move: notes the tables as they are, then asserts what the
// step assumes, so that a change after that is seen in the transaction.
func (a *Applier) mover(ctx context.Context, s stackmend.Step, sess *session, cell *cellWork, r rangeOf) (*mover, Server, error) {
	srv, _, err := sess.server(ctx)
	if err != nil {
		return nil, srv, err
	}
	sc, err := a.known(ctx, s, sess)
	if err != nil {
		return nil, srv, err
	}
	l, problems := sc.layout(r.to)
	if len(problems) > 0 {
		return nil, srv, fmt.Errorf("%w: dbarchive: %v", stackmend.ErrRefused, problems)
	}
	m := &mover{l: l, s: sess, before: r.before, cell: cell.cell, counted: l.counted(r.tables)}
	if err := m.remember(ctx); err != nil {
		return nil, srv, err
	}
	if err := a.holdsWith(ctx, s, sess, sc); err != nil {
		return nil, srv, err
	}
	if m.hosts, err = l.readHosts(ctx, sess, sc, r.retired); err != nil {
		return nil, srv, err
	}
	if m.out, err = sess.ledger(ctx, cell.cell, l, r.to); err != nil {
		return nil, srv, err
	}
	if err := m.out.dropRange(ctx, r); err != nil {
		m.close()
		return nil, srv, err
	}
	if !r.api {
		return m, srv, nil
	}
	if m.api, err = openCellAPI(ctx, a.dbs.API, cell.cell); err != nil {
		m.close()
		return nil, srv, err
	}
	if err := m.heal(ctx, r); err != nil {
		m.close()
		return nil, srv, err
	}
	return m, srv, nil
}

// look reads the schema of a step's cell.
func (a *Applier) look(ctx context.Context, s stackmend.Step, sess *session) (*Schema, error) {
	cell, err := a.work(ctx, s)
	if err != nil {
		return nil, err
	}
	sc, err := sess.describe(ctx)
	if err == nil {
		cell.mu.Lock()
		defer cell.mu.Unlock()
		cell.schema = sc
	}
	return sc, err
}

// known is the schema of a step's cell as this Applier has seen it last. It is
// for preparing what is looked at again before anything moves, and for looking
// back at what moved.
func (a *Applier) known(ctx context.Context, s stackmend.Step, sess *session) (*Schema, error) {
	cell, err := a.work(ctx, s)
	if err != nil {
		return nil, err
	}
	cell.mu.Lock()
	sc := cell.schema
	cell.mu.Unlock()
	if sc != nil {
		return sc, nil
	}
	return a.look(ctx, s, sess)
}

// holdsWith asserts what a step assumes, and that what was prepared with sc was
// prepared for the tables as they are.
func (a *Applier) holdsWith(ctx context.Context, s stackmend.Step, sess *session, sc *Schema) error {
	k, _ := kinds(s.Verb)
	if err := a.holds(ctx, k, s, sess); err != nil {
		return err
	}
	now, err := a.known(ctx, s, sess)
	if err == nil && now.fingerprint() != sc.fingerprint() {
		err = errShape
	}
	return err
}

// heal completes what an interrupted run of this range left between the two
// databases.
func (m *mover) heal(ctx context.Context, r rangeOf) error {
	err := pending(ctx, m.s, m.l.source, r)
	if !errors.Is(err, stackmend.ErrNotDone) {
		return err
	}
	return heal(ctx, m.s, m.l.source, m.api)
}

func (m *mover) close() {
	m.out.close()
	if m.api != nil {
		m.api.s.drop()
	}
}

// finish tells the cell, however the step ended, which of the last API rows
// are cleared. If it cannot, the next run finds that out.
func (m *mover) finish() error {
	if m.s.broken || m.cleared == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), killPatience)
	defer cancel()
	return m.told(ctx)
}

// repay clears the API rows of trees whose own transaction in the API database
// failed after they were archived: a deadlock there, most of the time.
func (m *mover) repay(ctx context.Context, r rangeOf) error {
	if !m.owing {
		return nil
	}
	return m.heal(ctx, r)
}
