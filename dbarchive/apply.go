package dbarchive

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/stackmend/stackmend"
)

// Settings are how an Applier works. The zero value is right for most.
type Settings struct {
	Limits Limits
	// LeaseTTL is how long the lease of a cell outlives an archiver that was
	// killed; zero: 15 s.
	LeaseTTL time.Duration
	// Throttles are asked before each step and between transactions. They see
	// the database, so the package makes them: ReplicaLag, Galera, Load.
	Throttles []stackmend.Guard
}

// An Applier carries out the plans of this package. Its methods may be called
// side by side: steps of one cell share its lease.
type Applier struct {
	dbs      Databases
	settings Settings

	mu    sync.Mutex
	cells map[string]*cellWork
}

// cellWork is what the steps of one cell share.
type cellWork struct {
	cell  Cell
	lease *lease

	mu    sync.Mutex
	aside map[string]string // "cell/uuid" -> why
	rows  float64           // of a transaction, when the last step ended

	schema *Schema // as it was seen last
}

// NewApplier makes the Applier for these databases. It connects to nothing.
func NewApplier(dbs Databases, s Settings) *Applier {
	if s.LeaseTTL <= 0 {
		s.LeaseTTL = leaseTTL
	}
	s.Limits = s.Limits.withDefaults()
	return &Applier{dbs: dbs, settings: s, cells: map[string]*cellWork{}}
}

// Guards returns the guards that archiving cannot do without: nobody else
// archives the cell, and its server takes writes. The throttles follow.
func (a *Applier) Guards() []stackmend.Guard {
	return append([]stackmend.Guard{stackmend.GuardFunc("dbarchive lease", a.leaseFree)}, a.settings.Throttles...)
}

// leaseFree waits while somebody else archives the cell. The lease of one that
// was killed ends by itself.
func (a *Applier) leaseFree(ctx context.Context, r stackmend.Request) (stackmend.Verdict, error) {
	w, err := a.work(ctx, r.Step)
	if err != nil {
		return stackmend.Verdict{}, err
	}
	who, err := w.lease.holder(ctx)
	switch {
	case missingTable(err):
		return stackmend.Verdict{Decision: stackmend.Permit, Reason: "no lease was ever taken"}, nil
	case err != nil:
		return stackmend.Verdict{Decision: stackmend.Wait, Reason: "the lease cannot be read: " + err.Error()}, nil
	case who != "":
		return stackmend.Verdict{Decision: stackmend.Wait, Reason: "cell " + w.cell.Name + " is archived by " + who, RetryAfter: 250 * time.Millisecond}, nil
	}
	return stackmend.Verdict{Decision: stackmend.Permit, Reason: "the lease is free or ours"}, nil
}

// work finds the cell of a step.
func (a *Applier) work(ctx context.Context, s stackmend.Step) (*cellWork, error) {
	name := s.Args["cell"]
	a.mu.Lock()
	defer a.mu.Unlock()
	if w := a.cells[name]; w != nil {
		return w, nil
	}
	for _, c := range a.dbs.Cells {
		if c.Name != name {
			continue
		}
		if c.DB == nil {
			return nil, fmt.Errorf("dbarchive: cell %s: %w", name, errors.Join(errors.New("not connected"), c.Err))
		}
		var schema string
		if err := c.DB.QueryRowContext(ctx, "SELECT IFNULL(DATABASE(),'')").Scan(&schema); err != nil {
			return nil, fmt.Errorf("dbarchive: cell %s: %w", name, err)
		}
		w := &cellWork{cell: c, lease: newLease(c.DB, schema, a.settings.LeaseTTL), aside: map[string]string{}}
		a.cells[name] = w
		return w, nil
	}
	return nil, fmt.Errorf("%w: dbarchive: step %s names cell %q, which was not handed in", stackmend.ErrRefused, s, name)
}

// SetAside says which trees could not be moved, and why, by "cell/UUID". The
// steps they belong to are not Done.
func (a *Applier) SetAside() map[string]string {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := map[string]string{}
	for _, w := range a.cells {
		w.mu.Lock()
		for k, v := range w.aside {
			all[k] = v
		}
		w.mu.Unlock()
	}
	return all
}

// A kind is how one verb is carried out.
type kind struct {
	seen   func(*Applier, context.Context, stackmend.Step, *session) (map[string]string, error)
	do     func(*Applier, context.Context, stackmend.Step, *session, *stackmend.Work) error
	verify func(*Applier, context.Context, stackmend.Step, *session) error
}

// kinds are the verbs of this package.
func kinds(verb string) (kind, bool) {
	k, ok := map[string]kind{
		VerbPrepare:  {(*Applier).seenServer, (*Applier).doPrepare, (*Applier).verifyPrepare},
		VerbArchive:  {(*Applier).seenArchive, (*Applier).doArchive, (*Applier).verifyArchive},
		VerbRows:     {(*Applier).seenArchive, (*Applier).doRows, (*Applier).verifyRows},
		VerbRestore:  {(*Applier).seenRestore, (*Applier).doRestore, (*Applier).verifyRestore},
		VerbPurge:    {(*Applier).seenArchive, (*Applier).doPurge, (*Applier).verifyPurge},
		VerbComplete: {(*Applier).seenServer, (*Applier).doComplete, (*Applier).verifyComplete},
	}[verb]
	return k, ok
}

// with opens a session on the step's cell for f.
func (a *Applier) with(ctx context.Context, s stackmend.Step, f func(kind, *session) error) error {
	k, ok := kinds(s.Verb)
	if !ok {
		return fmt.Errorf("%w: dbarchive: unknown verb %q", stackmend.ErrRefused, s.Verb)
	}
	w, err := a.work(ctx, s)
	if err != nil {
		return err
	}
	sess, err := open(ctx, w.cell.DB)
	if err != nil {
		return err
	}
	defer sess.drop()
	return f(k, sess)
}

// Recheck looks at the server and its tables, and changes nothing.
func (a *Applier) Recheck(ctx context.Context, s stackmend.Step) error {
	return a.with(ctx, s, func(k kind, sess *session) error { return a.holds(ctx, k, s, sess) })
}

func (a *Applier) holds(ctx context.Context, k kind, s stackmend.Step, sess *session) error {
	seen, err := k.seen(a, ctx, s, sess)
	if err != nil {
		return err
	}
	return s.Holds(seen)
}

// Do carries a step out. A step over a range works in transactions with a Gate
// between them; the database itself says what is done, so that an interrupted
// one is simply done again.
func (a *Applier) Do(ctx context.Context, s stackmend.Step, w *stackmend.Work) error {
	return a.with(ctx, s, func(k kind, sess *session) error { return k.do(a, ctx, s, sess, w) })
}

// Verify looks whether anything that the step was to move is left. Trees that
// must stay for a reason of the plan are not counted; one that was set aside
// because it failed is.
func (a *Applier) Verify(ctx context.Context, s stackmend.Step) error {
	return a.with(ctx, s, func(k kind, sess *session) error { return k.verify(a, ctx, s, sess) })
}

// A rangeOf is what the Args of a step over a range say.
type rangeOf struct {
	cell, table string
	first, last int64
	before      time.Time
	to          Destination
	retired     []string
	api         bool
	runs        [][]Span // as the plan counted them
	tables      []string
}

// parse reads a step's Args: a plan is untrusted input.
func parse(s stackmend.Step) (r rangeOf, err error) {
	bad := func(key string, err error) (rangeOf, error) {
		return r, fmt.Errorf("%w: dbarchive: %s: argument %s: %w", stackmend.ErrRefused, s, key, err)
	}
	r.cell, r.table = s.Args["cell"], s.Args["table"]
	if r.first, err = strconv.ParseInt(s.Args["first"], 10, 64); err != nil {
		return bad("first", err)
	}
	if r.last, err = strconv.ParseInt(s.Args["last"], 10, 64); err != nil {
		return bad("last", err)
	}
	if r.before, err = time.Parse(time.RFC3339, s.Args["before"]); err != nil {
		return bad("before", err)
	}
	if r.first < 1 || r.last < r.first || r.before.IsZero() {
		return bad("first, last and before", errors.New("an empty range"))
	}
	if r.to, err = ParseDestination(s.Args["to"]); err != nil {
		return bad("to", err)
	}
	if h := s.Args["retired"]; h != "" {
		r.retired = strings.Split(h, ",")
	}
	r.api = s.Args["api"] == "yes"
	if r.runs, err = parseSpans(s.Args["spans"], r.first, r.last); err != nil {
		return bad("spans", err)
	}
	r.tables = strings.Split(s.Args["tables"], ",")
	return r, nil
}

// seenServer sees what every step assumes of the server it works on.
func (a *Applier) seenServer(ctx context.Context, s stackmend.Step, sess *session) (map[string]string, error) {
	srv, _, err := sess.server(ctx)
	if err != nil {
		return nil, err
	}
	return srv.assumptions(sess.schema), nil
}

// assumptions are what the plan notes of a server.
func (s Server) assumptions(database string) map[string]string {
	writes := "yes"
	if s.ReadOnly {
		writes = "no"
	}
	return map[string]string{"server": s.Identity, "database": database, "takes writes": writes}
}

func (a *Applier) seenArchive(ctx context.Context, s stackmend.Step, sess *session) (map[string]string, error) {
	seen, err := a.seenServer(ctx, s, sess)
	if err != nil {
		return nil, err
	}
	sc, err := a.look(ctx, s, sess)
	if err != nil {
		return nil, err
	}
	r, err := parse(s)
	if err != nil {
		return nil, err
	}
	return seen, a.addDestination(ctx, s, sess, seen, sc, r.to)
}

// addDestination adds the schema of the cell and what can be told of the
// destination.
func (a *Applier) addDestination(ctx context.Context, s stackmend.Step, sess *session, seen map[string]string, sc *Schema, to Destination) error {
	if to.Server {
		cell, err := a.work(ctx, s)
		if err != nil {
			return err
		}
		there := readArchive(ctx, cell.cell.Archive)
		if there.Err != "" {
			return fmt.Errorf("dbarchive: %s", there.Err)
		}
		seen["archive"] = there.identity()
	}
	return sess.addSchemas(ctx, seen, sc, to)
}

// addSchemas adds the fingerprints of the cell and of the destination.
func (s *session) addSchemas(ctx context.Context, seen map[string]string, sc *Schema, to Destination) error {
	seen["schema"] = sc.fingerprint()
	if to.Schema == "" {
		return nil
	}
	d, err := s.describeAs(ctx, to.Schema)
	if err == nil {
		seen["schema of "+to.Schema] = d.fingerprint()
	}
	return err
}

func missingTable(err error) bool { return isNumber(err, 1146) }

func openCellAPI(ctx context.Context, db *sql.DB, cell Cell) (*apiSide, error) {
	if db == nil {
		return nil, fmt.Errorf("%w: dbarchive: the plan clears API rows, and no API database was handed in", stackmend.ErrRefused)
	}
	return openAPI(ctx, db, cell.UUID)
}
