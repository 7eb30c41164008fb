package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/dbarchive"
	"github.com/stackmend/stackmend/examples/cli"
)

// tool is what the flags say and what was found out by them.
type tool struct {
	getenv func(string) string

	novaConf, before, to, restore, purgeBefore, apiLog, apiLogBefore string
	cells, retired                                                   cli.List
	replicas                                                         cli.Pairs
	revision                                                         string
	maxRows                                                          int64
	maxBytes                                                         cli.Size
	target, lag, lagHard                                             time.Duration
	threads                                                          int64
	minDisk                                                          cli.Size
	onReplica, irreversible                                          bool

	db   *databases
	snap *dbarchive.Snapshot
}

// planValid is how long a plan may wait for its review.
const planValid = 24 * time.Hour

func (t *tool) cli() cli.Tool {
	return cli.Tool{
		Name: "dbarchive", Brief: "the deleted rows of nova, and where to put them",
		Flags: t.flags, Observe: t.observe, Seen: &t.snap, Check: t.check, Plan: t.plan, Applier: t.applier, Options: t.options, Table: t.table,
	}
}

func (t *tool) flags(f *flag.FlagSet) {
	f.StringVar(&t.novaConf, "nova-conf", "", "read the databases from this `FILE`")
	f.StringVar(&t.before, "before", "", "instances deleted before this `TIME`: 365d, or 2025-11-22 (UTC)")
	f.StringVar(&t.to, "to", "shadow", "where rows go: shadow, schema:NAME, file:DIR, or server (STACKMEND_NOVA_ARCHIVE_<CELL>)")
	f.Var(&t.cells, "cell", "only this cell (repeatable); all are read all the same")
	f.Int64Var(&t.maxRows, "max-rows", 0, "plan at most `N` rows (0: all)")
	f.Var(&t.maxBytes, "max-bytes", "plan at most this `SIZE`, as in 10GiB")
	f.DurationVar(&t.target, "target-time", 0, "how long a transaction should take (default 500ms)")
	f.Var(&t.replicas, "replica", "`CELL=HOST:PORT` of a replica whose lag counts, with the cell's account")
	f.DurationVar(&t.lag, "max-lag", 10*time.Second, "wait while a replica is behind by this")
	f.DurationVar(&t.lagHard, "max-lag-hard", 0, "stop when a replica is behind by this (0: never)")
	f.Int64Var(&t.threads, "max-threads", 0, "wait while the server runs this many `THREADS` (0: no limit)")
	f.Var(&t.minDisk, "min-disk", "wait while the server's data has less than this `SIZE` available (0: no limit)")
	f.Var(&t.retired, "retired", "compute `HOST` that never comes back (repeatable)")
	f.StringVar(&t.revision, "revision", "", "accept this unknown `REVISION` of nova's schema, on your word")
	f.BoolVar(&t.onReplica, "on-replica", false, "the server may be a replica of another one")
	f.StringVar(&t.restore, "restore", "", "put the instance `UUID` back")
	f.StringVar(&t.purgeBefore, "purge-before", "", "delete archived instances that were deleted before this `TIME`, for good")
	f.BoolVar(&t.irreversible, "irreversible", false, "permit what cannot be undone: -purge-before")
	f.StringVar(&t.apiLog, "nova-api-log", "", "read request times from this `FILE`")
	f.StringVar(&t.apiLogBefore, "nova-api-log-before", "", "and what they were before, from this one")
}

func (t *tool) selection(now time.Time) (dbarchive.Selection, error) {
	if t.restore != "" && t.purgeBefore != "" {
		return dbarchive.Selection{}, cli.Usage("-restore and -purge-before exclude each other")
	}
	if t.before == "" {
		if t.restore == "" && t.purgeBefore == "" {
			return dbarchive.Selection{}, cli.Usage("-before is needed: which instances?")
		}
		t.before = "365d"
	}
	before, err := dbarchive.ParseBefore(t.before, now)
	if err != nil {
		return dbarchive.Selection{}, cli.Usage("-before: %v", err)
	}
	if dir, ok := strings.CutPrefix(t.to, "file:"); ok && dir != "" {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return dbarchive.Selection{}, cli.Usage("-to: %v", err)
		}
		t.to = "file:" + abs
	}
	to, err := dbarchive.ParseDestination(t.to)
	if err != nil {
		return dbarchive.Selection{}, cli.Usage("-to: %v", err)
	}
	return dbarchive.Selection{Before: before, To: to, Cells: t.cells, MaxRows: t.maxRows, MaxBytes: int64(t.maxBytes),
		RetiredHosts: t.retired, Revision: t.revision, Replica: t.onReplica}, nil
}

func (t *tool) observe(ctx context.Context) error {
	sel, err := t.selection(time.Now())
	if err != nil {
		return err
	}
	if err := t.connect(ctx); err != nil {
		return err
	}
	t.snap, err = dbarchive.Observe(ctx, t.db.all, sel)
	return err
}

func (t *tool) check(context.Context) (_ stackmend.Result, err error) {
	var limits dbarchive.Thresholds
	if limits.API, err = times(t.apiLog); err != nil {
		return stackmend.Result{}, err
	}
	if limits.APIEarlier, err = times(t.apiLogBefore); err != nil {
		return stackmend.Result{}, err
	}
	return dbarchive.Check(t.snap, limits), nil
}

func times(path string) (*dbarchive.APITimes, error) {
	if path == "" {
		return nil, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return dbarchive.ParseAPILog(f)
}

func (t *tool) plan(ctx context.Context) (*stackmend.Plan, error) {
	switch {
	case t.db == nil && t.restore+t.purgeBefore != "":
		return nil, cli.Usage("-restore and -purge-before ask the databases: not with -replay")
	case t.restore != "":
		return dbarchive.PlanRestore(ctx, t.db.all, t.restore, t.snap.Selection.To, planValid)
	case t.purgeBefore != "":
		before, err := dbarchive.ParseBefore(t.purgeBefore, time.Now())
		if err != nil {
			return nil, cli.Usage("-purge-before: %v", err)
		}
		return dbarchive.PlanPurge(ctx, t.db.all, before, t.snap.Selection.To, planValid)
	}
	return dbarchive.Plan(t.snap, planValid), nil
}

func (t *tool) applier(ctx context.Context, _ *stackmend.Plan) (stackmend.Applier, error) {
	if err := t.connect(ctx); err != nil {
		return nil, err
	}
	s := dbarchive.Settings{Limits: dbarchive.Limits{Target: t.target}}
	for _, c := range t.db.all.Cells {
		if c.DB == nil {
			continue
		}
		s.Throttles = append(s.Throttles, dbarchive.Galera(c.DB, dbarchive.GaleraLimits{}))
		if t.threads > 0 {
			s.Throttles = append(s.Throttles, dbarchive.Load(c.DB, dbarchive.LoadLimits{ThreadsSoft: t.threads}))
		}
		if t.minDisk > 0 {
			s.Throttles = append(s.Throttles, dbarchive.Disk(c.DB, int64(t.minDisk), 0))
		}
	}
	for cell, addr := range t.replicas {
		c, replica, err := t.db.replica(cell, addr)
		if err != nil {
			return nil, err
		}
		s.Throttles = append(s.Throttles, dbarchive.ReplicaLag(c, replica, t.lag, t.lagHard))
	}
	return dbarchive.NewApplier(t.db.all, s), nil
}

func (t *tool) options(o *stackmend.Options) { o.Irreversible = t.irreversible }

// table shows, per table, what would move.
func (t *tool) table(w io.Writer) {
	if t.snap == nil {
		return
	}
	fmt.Fprintf(w, "Instances deleted before %s, to %s.\n\n", t.snap.Selection.Before.Format(time.RFC3339), t.snap.Selection.To)
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tab, "CELL\tTABLE\tROWS (ABOUT)\tWOULD MOVE\tIN BOTH")
	for _, c := range t.snap.Cells {
		for _, s := range c.Tables {
			if s.Move == 0 && s.InBoth == 0 {
				continue
			}
			about := ""
			if s.Estimated {
				about = " (estimated)"
			}
			fmt.Fprintf(tab, "%s\t%s\t%d\t%d%s\t%d\n", c.Name, s.Table, s.Rows, s.Move, about, s.InBoth)
		}
	}
	tab.Flush()
}
