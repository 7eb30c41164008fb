package dbarchive

import (
	"context"
	"fmt"

	"github.com/stackmend/stackmend"
)

// VerbComplete finishes in the API database what a run that was killed between
// the two databases left.
const VerbComplete = "complete"

func (c CellState) completeStep(p *stackmend.Plan, api bool) {
	if c.Pending == 0 {
		return
	}
	if !api {
		p.Unseen = append(p.Unseen, fmt.Sprintf("cell %s: %d API rows wait for an interrupted run to be completed, which needs the API database", c.Name, c.Pending))
		return
	}
	p.Steps = append(p.Steps, stackmend.Step{
		Verb: VerbComplete, Target: c.Name + " API rows of an interrupted run", Args: map[string]string{"cell": c.Name},
		Reason: fmt.Sprintf("%d API rows of instances that were archived or restored", c.Pending), Undo: "restore the instances",
		Assumes: c.Server.assumptions(c.Schema.Database), Stage: stagePrepare, Timeout: gateTime, Cost: stackmend.Cost{Rows: c.Pending},
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
	api, err := openCellAPI(held, a.dbs.API, cell.cell)
	if err != nil {
		return err
	}
	defer api.s.drop()
	return heal(held, sess, sess.schema, api)
}

func (a *Applier) verifyComplete(ctx context.Context, s stackmend.Step, sess *session) error {
	var n int64
	err := sess.row(ctx, fmt.Sprintf("SELECT COUNT(*) FROM %s WHERE state<>%d", qualified(sess.schema, apiRowsTable), apiCleared), nil, &n)
	if err == nil && n > 0 {
		return fmt.Errorf("%w: %d API rows are still to be cleared or put back", stackmend.ErrNotDone, n)
	}
	return err
}
