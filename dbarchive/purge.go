package dbarchive

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stackmend/stackmend"
)

// VerbPurge deletes archived trees for good.
const VerbPurge = "purge"

// purgeTrees is how many trees one step purges. nova's shadow tables have a
// primary key only: each step reads every one of them once, and remembers the
// instances and actions that go.
const purgeTrees = 20_000

// PlanPurge plans to delete archived instances that were deleted before an
// instant, with all their rows and saved API rows. Its steps cannot be undone.
func PlanPurge(ctx context.Context, dbs Databases, before time.Time, to Destination, valid time.Duration) (*stackmend.Plan, error) {
	if before.IsZero() {
		return nil, errors.New("dbarchive: the purge has no cut-off")
	}
	if to.outside() {
		return nil, fmt.Errorf("dbarchive: %s is not purged from here: %w", to, errors.ErrUnsupported)
	}
	now := time.Now().UTC()
	p := &stackmend.Plan{Check: CheckName, Subject: "archived instances in " + to.String(), Created: now, Expires: now.Add(valid)}
	for _, c := range dbs.Cells {
		if err := planPurge(ctx, c, before, to, p); err != nil {
			p.Refusals = append(p.Refusals, fmt.Sprintf("cell %s: %v", c.Name, err))
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
	return p, nil
}

func planPurge(ctx context.Context, c Cell, before time.Time, to Destination, p *stackmend.Plan) error {
	if c.DB == nil {
		return errors.Join(errors.New("not connected"), c.Err)
	}
	s, err := open(ctx, c.DB)
	if err != nil {
		return err
	}
	defer s.drop()
	srv, _, err := s.server(ctx)
	if err != nil {
		return err
	}
	sc, err := s.describe(ctx)
	if err != nil {
		return err
	}
	if _, problems := sc.layout(to); len(problems) > 0 {
		return errors.New(strings.Join(problems, "; "))
	}
	assumes := srv.assumptions(sc.Database)
	if err := s.addSchemas(ctx, assumes, sc, to); err != nil {
		return err
	}
	for after := int64(0); ; {
		var first, last, n int64
		err := s.row(ctx, fmt.Sprintf("SELECT IFNULL(MIN(id),0), IFNULL(MAX(id),0), COUNT(*) FROM (SELECT t.id FROM %s AS t FORCE INDEX (PRIMARY) WHERE t.id>%d AND %s ORDER BY t.id LIMIT %d) AS r",
			to.table(sc.Database, instances), after, qualifies(before), purgeTrees), nil, &first, &last, &n)
		if missingTable(err) || err == nil && n == 0 {
			return nil
		}
		if err != nil {
			return err
		}
		after = last
		p.Steps = append(p.Steps, stackmend.Step{
			Verb: VerbPurge, Target: fmt.Sprintf("%s archived instances %d to %d", c.Name, first, last), Timeout: gateTime,
			Args: map[string]string{"cell": c.Name, "first": strconv.FormatInt(first, 10), "last": strconv.FormatInt(last, 10),
				"before": before.UTC().Format(time.RFC3339), "to": to.String()},
			Reason: fmt.Sprintf("%d archived instances deleted before %s; usage reports and billing that read the archive lose them for good",
				n, before.UTC().Format(time.RFC3339)),
			Assumes: assumes, Cost: stackmend.Cost{Instances: n},
		})
	}
}

// A purging is one step under way.
type purging struct {
	l    *layout
	s    *session
	w    *stackmend.Work
	pace *pace
	done int64
}

func (a *Applier) doPurge(ctx context.Context, s stackmend.Step, sess *session, w *stackmend.Work) error {
	r, err := parse(s)
	if err != nil {
		return err
	}
	cell, err := a.work(ctx, s)
	if err != nil {
		return err
	}
	prepared, err := sess.prepared(ctx, sess.schema)
	if err != nil {
		return err
	}
	if prepared {
		held, leave, err := cell.lease.take(ctx)
		if err != nil {
			return err
		}
		defer leave()
		ctx = held
		if err := sess.settled(ctx, sess.schema); err != nil {
			return err
		}
	}
	k, _ := kinds(s.Verb)
	if err := a.holds(ctx, k, s, sess); err != nil {
		return err
	}
	sc, err := sess.describe(ctx)
	if err != nil {
		return err
	}
	srv, _, err := sess.server(ctx)
	if err != nil {
		return err
	}
	l, problems := sc.layout(r.to)
	if len(problems) > 0 {
		return fmt.Errorf("%w: dbarchive: %v", stackmend.ErrRefused, problems)
	}
	x := &purging{l: l, s: sess, w: w, pace: newPace(a.settings.Limits.within(srv))}
	return x.trees(ctx, r, prepared)
}

// trees deletes children before the instances: whoever is killed in between
// finds the instances again.
func (x *purging) trees(ctx context.Context, r rangeOf, saved bool) error {
	goes := map[string]bool{}
	var roots []int64
	err := x.s.query(ctx, func(rows *sql.Rows) error {
		var id int64
		var uuid string
		err := rows.Scan(&id, &uuid)
		if err == nil && !uuidForm.MatchString(uuid) {
			err = fmt.Errorf("archived instance %d has the uuid %q", id, uuid)
		}
		roots, goes[strings.ToLower(uuid)] = append(roots, id), true
		return err
	}, fmt.Sprintf("SELECT t.id, t.uuid FROM %s AS t FORCE INDEX (PRIMARY) WHERE t.id BETWEEN %d AND %d AND %s",
		x.l.dest(instances), r.first, r.last, qualifies(r.before)))
	if err != nil || len(roots) == 0 {
		return err
	}
	keys := map[*member]map[string]bool{}
	for _, m := range x.l.tree.members { // what the children of children are found by
		if slices.ContainsFunc(x.l.tree.members, func(c *member) bool { return c.parent == m }) {
			keys[m] = map[string]bool{}
			if err := x.walk(ctx, m, x.parents(m, goes, keys), func(ids []int64) error {
				for _, id := range ids {
					keys[m][strconv.FormatInt(id, 10)] = true
				}
				return nil
			}); err != nil {
				return err
			}
		}
	}
	for _, m := range slices.Backward(x.l.tree.members) {
		if err := x.walk(ctx, m, x.parents(m, goes, keys), func(ids []int64) error { return x.delete(ctx, m.table, ids) }); err != nil {
			return err
		}
	}
	if saved {
		if err := x.forget(ctx, goes); err != nil {
			return err
		}
	}
	return x.delete(ctx, x.l.tree.root.table, roots)
}

func (x *purging) parents(m *member, goes map[string]bool, keys map[*member]map[string]bool) map[string]bool {
	if m.parent == nil {
		return goes
	}
	return keys[m.parent]
}

// purgePage is how many rows are read at a time.
const purgePage = 5000

// walk reads an archive table along its key and hands on the keys of the rows
// whose parent goes.
func (x *purging) walk(ctx context.Context, m *member, parents map[string]bool, f func([]int64) error) error {
	key := quote(m.table.key())
	for after := int64(0); ; {
		if err := x.w.Gate(ctx); err != nil {
			return err
		}
		var ids []int64
		n := 0
		err := x.s.query(ctx, func(r *sql.Rows) error {
			var id int64
			var parent sql.NullString
			err := r.Scan(&id, &parent)
			after = id
			n++
			if parent.Valid && parents[strings.ToLower(parent.String)] {
				ids = append(ids, id)
			}
			return err
		}, fmt.Sprintf("SELECT %[1]s, %[2]s FROM %[3]s FORCE INDEX (PRIMARY) WHERE %[1]s>%[4]d ORDER BY %[1]s LIMIT %[5]d",
			key, quote(m.column), x.l.dest(m.table.Name), after, purgePage))
		if err != nil {
			return fmt.Errorf("dbarchive: reading %s: %w", x.l.dest(m.table.Name), err)
		}
		if err := f(ids); err != nil || n < purgePage {
			return err
		}
	}
}

// delete deletes rows by their keys, one autocommitted statement at a time.
func (x *purging) delete(ctx context.Context, t *Table, ids []int64) error {
	for fails := 0; len(ids) > 0; {
		if err := x.w.Gate(ctx); err != nil {
			return err
		}
		n, begun := min(len(ids), int(x.pace.rows)), time.Now()
		in := list(ids[:n], func(id int64) string { return strconv.FormatInt(id, 10) }, ",")
		err := x.s.exec0(ctx, fmt.Sprintf("DELETE FROM %s WHERE %s IN (%s)", x.l.dest(t.Name), quote(t.key()), in))
		if err != nil {
			if fails++; classify(err) != transient || fails > attempts {
				return fmt.Errorf("dbarchive: purging %s: %w", x.l.dest(t.Name), err)
			}
			x.pace.failed()
			if err := pause(ctx, fails); err != nil {
				return err
			}
			continue
		}
		x.pace.took(int64(n), time.Since(begun))
		ids, fails, x.done = ids[n:], 0, x.done+int64(n)
		x.w.Progress(x.done, 0, "rows")
	}
	return nil
}

// forget deletes the API rows that were saved for a restore.
func (x *purging) forget(ctx context.Context, uuids map[string]bool) error {
	var names []string
	for u := range uuids {
		names = append(names, "'"+u+"'")
	}
	for part := range slices.Chunk(names, 500) {
		err := x.s.exec0(ctx, fmt.Sprintf("DELETE FROM %s WHERE instance_uuid IN (%s) AND state=%d",
			qualified(x.l.source, apiRowsTable), strings.Join(part, ","), apiCleared))
		if err != nil {
			return fmt.Errorf("dbarchive: purging saved API rows: %w", err)
		}
	}
	return nil
}

func (a *Applier) verifyPurge(ctx context.Context, s stackmend.Step, sess *session) error {
	r, err := parse(s)
	if err != nil {
		return err
	}
	var n int64
	err = sess.row(ctx, fmt.Sprintf("SELECT COUNT(*) FROM %s AS t WHERE t.id BETWEEN %d AND %d AND %s",
		r.to.table(sess.schema, instances), r.first, r.last, qualifies(r.before)), nil, &n)
	if err == nil && n > 0 {
		return fmt.Errorf("%w: %d archived instances are still there", stackmend.ErrNotDone, n)
	}
	return err
}
