package bootvolume

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/stackmend/stackmend"
)

// A Prober carries out the steps of a probe.
type Prober struct {
	nodes map[string]*sql.DB

	mu   sync.Mutex
	rows []Lateness
}

var (
	_ stackmend.Applier  = (*Prober)(nil)
	_ stackmend.Reverter = (*Prober)(nil)
)

// NewProber returns a Prober for nodes by their names. The account needs
// CREATE, DROP, INSERT, DELETE and SELECT on the database of the probe.
func NewProber(nodes map[string]*sql.DB) *Prober { return &Prober{nodes: nodes} }

// Rows is what was measured, by writer and reader.
func (p *Prober) Rows() []Lateness {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.rows)
}

// mark is the comment of the table, by which the probe knows its own.
const mark = "stackmend read-after-write probe"

// done is the writer of the row that says that all was measured.
const done = "measured"

// Guards implements stackmend.Applier.
func (p *Prober) Guards() []stackmend.Guard {
	return []stackmend.Guard{stackmend.GuardFunc("whole-cluster", p.whole)}
}

// whole denies to write into a cluster that is not whole.
func (p *Prober) whole(ctx context.Context, r stackmend.Request) (stackmend.Verdict, error) {
	if r.Step.Verb == VerbDropTable {
		return stackmend.Verdict{Decision: stackmend.Permit, Reason: "takes the probe's own table away"}, nil
	}
	for _, name := range nodesOf(r.Step) {
		db, err := p.node(name)
		if err != nil {
			return stackmend.Verdict{Reason: err.Error()}, nil
		}
		n, err := ReadNode(ctx, db, name, 0)
		if err != nil {
			return stackmend.Verdict{}, err
		}
		if state := n.Status["wsrep_local_state_comment"]; state != "Synced" {
			return stackmend.Verdict{Decision: stackmend.Wait, Reason: fmt.Sprintf("node %s is %q, not Synced", name, state), RetryAfter: 5 * time.Second}, nil
		}
	}
	return stackmend.Verdict{Decision: stackmend.Permit, Reason: "all nodes are Synced"}, nil
}

func nodesOf(s stackmend.Step) []string { return strings.Split(s.Args["nodes"], ",") }

func (p *Prober) node(name string) (*sql.DB, error) {
	if db := p.nodes[name]; db != nil {
		return db, nil
	}
	return nil, fmt.Errorf("node %q: no connection was given: %w", name, stackmend.ErrRefused)
}

// A target is the table of a step, and the node where it is made.
type target struct {
	*sql.DB
	quoted, database, table string
}

func (p *Prober) target(s stackmend.Step) (target, error) {
	if s.Verb != VerbCreateTable && s.Verb != VerbMeasure && s.Verb != VerbDropTable {
		return target{}, fmt.Errorf("bootvolume: verb %q is not known: %w", s.Verb, stackmend.ErrRefused)
	}
	parts := strings.Split(s.Target, "`")
	if len(parts) != 5 || parts[0] != "" || parts[2] != "." || parts[4] != "" || !isName(parts[1]) || !isName(parts[3]) || !strings.HasPrefix(parts[3], "stackmend_probe_") {
		return target{}, fmt.Errorf("bootvolume: %q is no table of a probe: %w", s.Target, stackmend.ErrRefused)
	}
	db, err := p.node(nodesOf(s)[0])
	return target{db, s.Target, parts[1], parts[3]}, err
}

// state is "absent", "ours", or what else stands there.
func (t target) state(ctx context.Context) (string, error) {
	var comment string
	err := t.QueryRowContext(ctx, "SELECT table_comment FROM information_schema.tables WHERE table_schema=? AND table_name=?", t.database, t.table).Scan(&comment)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return "absent", nil
	case err != nil:
		return "", err
	case comment == mark:
		return "ours", nil
	}
	return "somebody else's", nil
}

// holds compares what stands there with one of the states that a step may find.
func (t target) holds(ctx context.Context, s stackmend.Step, may ...string) error {
	state, err := t.state(ctx)
	if err != nil || slices.Contains(may, state) {
		return err
	}
	return &stackmend.StaleError{Target: s.Target, Key: "table", Want: s.Assumes["table"], Got: state}
}

// Recheck implements stackmend.Applier.
func (p *Prober) Recheck(ctx context.Context, s stackmend.Step) error {
	t, err := p.target(s)
	if err != nil {
		return err
	}
	return t.holds(ctx, s, s.Assumes["table"])
}

// Do implements stackmend.Applier.
func (p *Prober) Do(ctx context.Context, s stackmend.Step, w *stackmend.Work) error {
	t, err := p.target(s)
	if err != nil {
		return err
	}
	switch s.Verb {
	case VerbCreateTable:
		return t.create(ctx, s)
	case VerbDropTable:
		return t.drop(ctx, s)
	}
	if err := t.holds(ctx, s, "ours"); err != nil {
		return err
	}
	return p.measure(ctx, t, s, w)
}

func (t target) create(ctx context.Context, s stackmend.Step) error {
	_, err := t.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS "+t.quoted+
		" (writer VARCHAR(255) NOT NULL, id INT NOT NULL, note TEXT, PRIMARY KEY (writer, id)) ENGINE=InnoDB COMMENT='"+mark+"'")
	if err != nil {
		return err
	}
	return t.holds(ctx, s, "ours") // it may have been somebody else's all along
}

// drop drops the table if it is the probe's own.
func (t target) drop(ctx context.Context, s stackmend.Step) error {
	if err := t.holds(ctx, s, "ours", "absent"); err != nil {
		return err
	}
	_, err := t.ExecContext(ctx, "DROP TABLE IF EXISTS "+t.quoted)
	return err
}

// Verify implements stackmend.Applier.
func (p *Prober) Verify(ctx context.Context, s stackmend.Step) error {
	t, err := p.target(s)
	if err != nil {
		return err
	}
	state, err := t.state(ctx)
	switch {
	case err != nil:
		return err
	case s.Verb == VerbDropTable && state == "absent", s.Verb == VerbCreateTable && state == "ours":
		return nil
	case s.Verb == VerbMeasure && state == "ours":
		return p.measured(ctx, t)
	}
	return fmt.Errorf("the table is %s: %w", state, stackmend.ErrNotDone)
}

// measured reads the results, which are in the table.
func (p *Prober) measured(ctx context.Context, t target) error {
	var note string
	err := t.QueryRowContext(ctx, "SELECT note FROM "+t.quoted+" WHERE writer=? AND id=0", done).Scan(&note)
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("not measured: %w", stackmend.ErrNotDone)
	}
	if err != nil {
		return err
	}
	rows, err := parseLateness(note)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rows = rows
	return nil
}

// Revert implements stackmend.Reverter.
func (p *Prober) Revert(ctx context.Context, s stackmend.Step) error {
	t, err := p.target(s)
	if err != nil {
		return err
	}
	switch s.Verb {
	case VerbCreateTable:
		if state, err := t.state(ctx); err != nil || state != "ours" {
			return err // what was never made, or is somebody else's, stays as it is
		}
		return t.drop(ctx, s)
	case VerbMeasure:
		return t.clear(ctx)
	}
	return nil
}

// clear deletes the rows, if the table is there.
func (t target) clear(ctx context.Context) error {
	if state, err := t.state(ctx); err != nil || state != "ours" {
		return err
	}
	return retried(ctx, func() error { _, err := t.ExecContext(ctx, "DELETE FROM "+t.quoted); return err })
}

// retried repeats what lost against another node's transaction.
func retried(ctx context.Context, f func() error) error {
	for try := 0; ; try++ {
		err := f()
		if err == nil || try == 9 || !strings.Contains(err.Error(), "1213") || ctx.Err() != nil {
			return err
		}
	}
}

func parseLateness(text string) (all []Lateness, err error) {
	for line := range strings.Lines(text) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(f) != 7 {
			return nil, fmt.Errorf("bootvolume: %q is no result of a probe", line)
		}
		n := make([]int64, 4)
		for i := range n {
			if n[i], err = strconv.ParseInt(f[2+i], 10, 64); err != nil {
				return nil, err
			}
		}
		all = append(all, Lateness{f[0], f[1], int(n[0]), int(n[1]), time.Duration(n[2]), time.Duration(n[3]), f[6] == "true"})
	}
	return all, nil
}

func (l Lateness) text() string {
	return fmt.Sprintf("%s\t%s\t%d\t%d\t%d\t%d\t%t\n", l.Writer, l.Reader, l.Rows, l.Missed, l.Median, l.Longest, l.Waited)
}
