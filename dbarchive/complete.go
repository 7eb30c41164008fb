package dbarchive

import (
	"context"
	"fmt"

	"github.com/stackmend/stackmend"
)

// VerbComplete finishes what a run that was killed left: between the cell and
// the API database, and between the cell and a depot.
const VerbComplete = "complete"

func (c CellState) completeStep(p *stackmend.Plan, to Destination, api bool) {
	pending := c.Pending
	if pending > 0 && !api {
		p.Unseen = append(p.Unseen, fmt.Sprintf("cell %s: %d API rows wait for an interrupted run to be completed, which needs the API database", c.Name, c.Pending))
		pending = 0
	}
	if pending+c.Undropped == 0 {
		return
	}
	p.Steps = append(p.Steps, stackmend.Step{
		Verb: VerbComplete, Target: c.Name + " what an interrupted run left",
		Args:   map[string]string{"cell": c.Name, "to": to.String(), "api": yes(pending > 0)},
		Reason: fmt.Sprintf("%d API rows of instances that were archived or restored, %d copies of rows that are in the cell", pending, c.Undropped), Undo: "restore the instances",
		Assumes: c.Server.assumptions(c.Schema.Database), Stage: stagePrepare, Timeout: gateTime, Cost: stackmend.Cost{Rows: pending + c.Undropped},
	})
}

func (a *Applier) doComplete(ctx context.Context, s stackmend.Step, sess *session, w *stackmend.Work) error {
	cell, err := a.work(ctx, s)
	if err != nil {
		return err
	}
	held, leave, err := cell.lease.take(ctx)
	if err != nil {
		return err
	}
	defer leave()
	k, _ := kinds(s.Verb)
	if err := a.holds(held, k, s, sess); err != nil {
		return err
	}
	if err := a.dropUndropped(held, s, sess, cell.cell); err != nil || s.Args["api"] != "yes" {
		return err
	}
	api, err := openCellAPI(held, a.dbs.API, cell.cell)
	if err != nil {
		return err
	}
	defer api.s.drop()
	return heal(held, sess, sess.schema, api)
}

// dropUndropped drops all copies in a depot that do not count.
func (a *Applier) dropUndropped(ctx context.Context, s stackmend.Step, sess *session, cell Cell) error {
	to, err := ParseDestination(s.Args["to"])
	if err != nil {
		return fmt.Errorf("%w: %w", stackmend.ErrRefused, err)
	}
	sc, err := sess.describe(ctx)
	if err != nil {
		return err
	}
	l, problems := sc.layout(to)
	if len(problems) > 0 {
		return fmt.Errorf("%w: dbarchive: %v", stackmend.ErrRefused, problems)
	}
	g, err := sess.ledger(ctx, cell, l, to)
	if g == nil || err != nil {
		return err
	}
	defer g.close()
	return g.drop(ctx, "TRUE")
}

func (a *Applier) verifyComplete(ctx context.Context, s stackmend.Step, sess *session) error {
	pending, undropped, err := sess.left(ctx, sess.schema)
	switch {
	case err != nil:
		return err
	case undropped > 0:
		return fmt.Errorf("%w: %d copies in a depot are still to be dropped", stackmend.ErrNotDone, undropped)
	case pending > 0 && s.Args["api"] == "yes":
		return fmt.Errorf("%w: %d API rows are still to be cleared or put back", stackmend.ErrNotDone, pending)
	}
	return nil
}

// left counts what interrupted runs left: API rows to be cleared or put back,
// and copies in a depot to be dropped.
func (s *session) left(ctx context.Context, schema string) (pending, undropped int64, err error) {
	err = s.row(ctx, fmt.Sprintf("SELECT (SELECT %s FROM %s WHERE state<>%d), (SELECT COUNT(*) FROM %s WHERE state=%d)",
		openRows, qualified(schema, apiRowsTable), apiCleared, qualified(schema, movesTable), moveOpen), nil, &pending, &undropped)
	return pending, undropped, err
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
