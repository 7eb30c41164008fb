package dbarchive

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stackmend/stackmend"
)

// VerbRestore puts the tree of one instance back.
const VerbRestore = "restore"

// restoreStage is that of all steps of a restore.
const restoreStage = 0

// PlanRestore finds an instance among the archived ones of all cells and plans
// to put it back, with its API rows if this package archived it. The instance
// stays deleted, as it was. A destination other than nova's shadow tables is
// named by to.
func PlanRestore(ctx context.Context, dbs Databases, uuid string, to Destination, valid time.Duration) (*stackmend.Plan, error) {
	if !uuidForm.MatchString(uuid) {
		return nil, fmt.Errorf("dbarchive: %q is not a UUID", uuid)
	}
	now := time.Now().UTC()
	p := &stackmend.Plan{Check: CheckName, Subject: "instance " + uuid, Created: now, Expires: now.Add(valid)}
	for _, c := range dbs.Cells {
		if err := planRestore(ctx, dbs, c, uuid, to, p); err != nil {
			p.Unseen = append(p.Unseen, fmt.Sprintf("cell %s: %v", c.Name, err))
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
	switch {
	case len(p.Steps) == 0:
		p.Refusals = append(p.Refusals, fmt.Sprintf("no cell has instance %s in %s", uuid, to))
	case len(p.Steps) > 1:
		p.Refusals = append(p.Refusals, "more than one cell has it: say which by handing in that cell alone")
	}
	return p, nil
}

func planRestore(ctx context.Context, dbs Databases, c Cell, uuid string, to Destination, p *stackmend.Plan) error {
	if c.DB == nil {
		return errors.Join(errors.New("not connected"), c.Err)
	}
	s, err := open(ctx, c.DB)
	if err != nil {
		return err
	}
	defer s.drop()
	st := CellState{Name: c.Name}
	if st.Server, _, err = s.server(ctx); err != nil {
		return err
	}
	if st.Schema, err = s.describe(ctx); err != nil {
		return err
	}
	rows, where, err := s.whereabouts(ctx, c, st.Schema, to, uuid)
	if err != nil || where == "" {
		return err
	}
	for _, why := range st.refusals(Selection{To: to, Replica: true, Revision: st.Schema.Revision}) {
		p.Refusals = append(p.Refusals, "cell "+c.Name+": "+why)
	}
	assumes := st.Server.assumptions(st.Schema.Database)
	if err := s.addSchemas(ctx, assumes, st.Schema, to); err != nil {
		return err
	}
	p.Steps = append(p.Steps, stackmend.Step{
		Verb: VerbRestore, Target: c.Name + " instance " + uuid, Stage: restoreStage, Timeout: gateTime,
		Args:   map[string]string{"cell": c.Name, "uuid": uuid, "to": to.String(), "api": yes(dbs.API != nil)},
		Reason: where, Undo: "archive it again", Assumes: assumes,
		Cost: stackmend.Cost{Rows: rows, Instances: 1},
	})
	return nil
}

// whereabouts says where the rows of an instance are, and how many if that is
// known before they are read; empty: not in this cell's archive.
func (s *session) whereabouts(ctx context.Context, c Cell, sc *Schema, to Destination, uuid string) (rows int64, where string, err error) {
	if !to.outside() {
		b, err := s.archived(ctx, sc, to, uuid)
		if err != nil || len(b.ids[instances]) == 0 {
			return 0, "", err
		}
		return b.total(), fmt.Sprintf("%d rows in %s", b.total(), to), nil
	}
	l, problems := sc.layout(to)
	if len(problems) > 0 {
		return 0, "", errors.New(strings.Join(problems, "; "))
	}
	g, err := s.ledger(ctx, c, l, to)
	if err != nil {
		return 0, "", err
	}
	defer g.close()
	m, err := g.find(ctx, uuid)
	if errors.Is(err, errNotArchived) {
		return 0, "", nil
	}
	if err == nil {
		_, err = g.lotAt(m.place)
	}
	return 0, "its rows in " + m.place, err
}

// A box holds the keys of an archived tree by table.
type box struct {
	l   *layout
	ids map[string][]int64
}

func (b box) total() (n int64) {
	for _, ids := range b.ids {
		n += int64(len(ids))
	}
	return n
}

func (b box) in(table string) string {
	return list(b.ids[table], func(id int64) string { return fmt.Sprint(id) }, ",")
}

// archived finds the rows of an instance in the destination. nova's shadow
// tables have a primary key only, so each is read once, without locks.
func (s *session) archived(ctx context.Context, sc *Schema, to Destination, uuid string) (box, error) {
	l, problems := sc.layout(to)
	if len(problems) > 0 {
		return box{}, fmt.Errorf("%s", strings.Join(problems, "; "))
	}
	b := box{l, map[string][]int64{}}
	for _, m := range l.each() {
		values := "'" + uuid + "'"
		if m.parent != nil {
			if values = b.in(m.parent.table.Name); values == "" {
				continue
			}
		}
		var ids []int64
		err := s.query(ctx, scanID(&ids), fmt.Sprintf("SELECT %s FROM %s WHERE %s IN (%s)",
			quote(m.table.key()), l.dest(m.table.Name), quote(m.column), values))
		if missingTable(err) {
			return box{l, nil}, nil
		}
		if err != nil {
			return b, fmt.Errorf("reading %s: %w", l.dest(m.table.Name), err)
		}
		b.ids[m.table.Name] = ids
		if m == l.tree.root && len(ids) == 0 {
			return b, nil
		}
	}
	return b, nil
}

func (a *Applier) seenRestore(ctx context.Context, s stackmend.Step, sess *session) (map[string]string, error) {
	seen, err := a.seenServer(ctx, s, sess)
	if err != nil {
		return nil, err
	}
	sc, err := sess.describe(ctx)
	if err != nil {
		return nil, err
	}
	to, err := ParseDestination(s.Args["to"])
	if err != nil || !uuidForm.MatchString(s.Args["uuid"]) {
		return nil, fmt.Errorf("%w: dbarchive: %s: arguments", stackmend.ErrRefused, s)
	}
	return seen, sess.addSchemas(ctx, seen, sc, to)
}

// doRestore inserts parents before children, proves and deletes the archived
// rows, and turns the saved API rows around, in one transaction. The API rows
// follow; a kill in between heals on the next run or resume.
func (a *Applier) doRestore(ctx context.Context, s stackmend.Step, sess *session, w *stackmend.Work) error {
	cell, err := a.work(ctx, s)
	if err != nil {
		return err
	}
	to, err := ParseDestination(s.Args["to"])
	if err != nil {
		return fmt.Errorf("%w: %w", stackmend.ErrRefused, err)
	}
	if to.outside() { // what counts in a depot is only for one to change
		held, leave, err := cell.lease.take(ctx)
		if err != nil {
			return err
		}
		defer leave()
		ctx = held
	}
	k, _ := kinds(s.Verb)
	if err := a.holds(ctx, k, s, sess); err != nil {
		return err
	}
	sc, err := sess.describe(ctx)
	if err != nil {
		return err
	}
	var api *apiSide
	if s.Args["api"] == "yes" {
		if api, err = openCellAPI(ctx, a.dbs.API, cell.cell); err != nil {
			return err
		}
		defer api.s.drop()
		// What an interrupted archiving still has to clear comes first.
		if prepared, err := sess.prepared(ctx, sc.Database); err != nil || !prepared {
			return errors.Join(err, errNoTables)
		}
		if err := heal(ctx, sess, sc.Database, api); err != nil {
			return err
		}
	}
	err = insist(ctx, func() error {
		if to.outside() {
			return sess.fetch(ctx, cell.cell, sc, to, s.Args["uuid"], api != nil)
		}
		return sess.bring(ctx, sc, to, s.Args["uuid"], api != nil)
	}, sess)
	if err != nil || api == nil {
		return err
	}
	return heal(ctx, sess, sc.Database, api)
}

// bring puts a tree back from within the server.
func (s *session) bring(ctx context.Context, sc *Schema, to Destination, uuid string, api bool) error {
	b, err := s.archived(ctx, sc, to, uuid)
	if err != nil || len(b.ids[instances]) == 0 {
		return err
	}
	if err := s.unpack(ctx, b, uuid, api); err != nil {
		return s.rollback(err)
	}
	return nil
}

// unpack is the transaction that puts a tree back.
func (s *session) unpack(ctx context.Context, b box, uuid string, api bool) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	m := &mover{l: b.l, s: s}
	for _, mem := range b.l.each() {
		t, in := mem.table, b.in(mem.table.Name)
		if in == "" {
			continue
		}
		n, err := m.affected(ctx, fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM %s AS t WHERE t.%s IN (%s)",
			qualified(b.l.source, t.Name), columns(t, ""), columns(t, "t"), b.l.dest(t.Name), quote(t.key()), in))
		if err != nil {
			return fmt.Errorf("dbarchive: restoring %s: %w", t.Name, err)
		}
		if want := int64(len(b.ids[t.Name])); n != want {
			return &mismatchError{t.Name, want, n}
		}
	}
	for _, mem := range slices.Backward(b.l.each()) {
		t, in := mem.table, b.in(mem.table.Name)
		if in == "" {
			continue
		}
		n, err := m.affected(ctx, fmt.Sprintf("DELETE t FROM %s AS t FORCE INDEX (PRIMARY) STRAIGHT_JOIN %s AS c FORCE INDEX (PRIMARY) ON c.%[3]s=t.%[3]s WHERE t.%[3]s IN (%[4]s) AND %[5]s",
			b.l.dest(t.Name), qualified(b.l.source, t.Name), quote(t.key()), in, same(t, "t", "c")))
		if err != nil {
			return fmt.Errorf("dbarchive: deleting from %s: %w", b.l.dest(t.Name), err)
		}
		if want := int64(len(b.ids[t.Name])); n != want {
			return &mismatchError{t.Name, want, n}
		}
	}
	if api {
		if err := s.mark(ctx, b.l.source, "'"+uuid+"'", apiCleared, apiToPut); err != nil {
			return err
		}
	}
	return s.commit(ctx)
}

func (a *Applier) verifyRestore(ctx context.Context, s stackmend.Step, sess *session) error {
	uuid := s.Args["uuid"]
	if !uuidForm.MatchString(uuid) {
		return fmt.Errorf("%w: dbarchive: %q is not a UUID", stackmend.ErrRefused, uuid)
	}
	var there int
	if err := sess.row(ctx, "SELECT COUNT(*) FROM "+qualified(sess.schema, instances)+" WHERE uuid=?", []any{uuid}, &there); err != nil {
		return err
	}
	if there == 0 {
		return fmt.Errorf("%w: instance %s is not in %s", stackmend.ErrNotDone, uuid, instances)
	}
	if to, err := ParseDestination(s.Args["to"]); err != nil || to.outside() {
		if err := errors.Join(err, sess.backFrom(ctx, uuid)); err != nil {
			return err
		}
	}
	if s.Args["api"] != "yes" {
		return nil
	}
	var n int
	err := sess.row(ctx, fmt.Sprintf("SELECT COUNT(*) FROM %s WHERE instance_uuid=?", qualified(sess.schema, apiRowsTable)), []any{uuid}, &n)
	if err == nil && n > 0 {
		return fmt.Errorf("%w: %d API rows of %s are not back", stackmend.ErrNotDone, n, uuid)
	}
	return err
}
