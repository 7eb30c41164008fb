// Ceph-pressure takes pressure off a Ceph cluster whose recovery leaves no room
// for clients, raises it again when they have room, and puts back what it
// changed. Without -apply it changes nothing.
//
//	ceph-pressure ease -apply                  # journalled: restore works from that
//	ceph-pressure raise -apply -chart pgs.svg  # step by step, until all is clean
//	ceph-pressure flags -flag host-maintenance@host1 -apply
//	ceph-pressure restore -apply               # all that the journals know, days later too
//	ceph-pressure raise -revert -apply         # after the program was killed
package main

import (
	"context"
	"flag"
	"os"
	"slices"
	"strings"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph"
	"github.com/stackmend/stackmend/ceph/pressure"
	"github.com/stackmend/stackmend/examples/cli"
)

// verbs are what this program is told to do. All but the last two change
// something, and have a journal of their own.
var verbs = []string{"ease", "raise", "flags", "trim-online", "hardlimit", "timeouts", "memory", "heap", "snaptrim", "pause", "reweight", "restore", "status", "host-diff"}

func main() {
	verb := ""
	if len(os.Args) > 1 && slices.Contains(verbs, os.Args[1]) {
		verb = os.Args[1]
		os.Args = slices.Delete(os.Args, 1, 2)
	}
	os.Exit(cli.Main(tool(verb)))
}

// relief is one run.
type relief struct {
	verb  string
	to    ceph.CLI
	given *flag.FlagSet
	from  cli.List // restore
	flags cli.List

	climb                pressure.Climb
	trim                 pressure.Limits
	snap                 pressure.SnapTrim
	memory               pressure.Memory
	osd                  int
	step                 float64
	inHand, irreversible bool
	pauseFile, chart     string
	policy               pressure.Policy
	seen                 *ceph.Snapshot
	host                 *ceph.Host
	looks                []pressure.Look
}

func tool(verb string) cli.Tool {
	r := &relief{verb: verb}
	t := cli.Tool{
		Name: strings.TrimSuffix("ceph-pressure-"+verb, "-"), Brief: strings.Join(verbs, "|") + ": take pressure off a Ceph cluster, and put it back",
		Flags: r.define, Check: r.check, Table: r.table,
	}
	if verb != "status" && verb != "host-diff" {
		t.Plan, t.Applier, t.Options = r.plan, r.applier, r.options
	}
	return t
}

func (r *relief) define(fs *flag.FlagSet) {
	r.given = fs
	fs.StringVar(&r.to.Conf, "conf", "", "the cluster's `ceph.conf`")
	fs.StringVar(&r.to.ID, "id", "", "the `user`, without \"client.\"")
	fs.StringVar(&r.to.Keyring, "keyring", "", "the user's keyring `FILE`")
	if r.verb != "status" && r.verb != "host-diff" {
		fs.DurationVar(&r.policy.Settle, "settle", 0, "`TIME` until the daemons are asked again for what was set (0: 1m)")
	}
	switch r.verb {
	case "restore":
		fs.Var(&r.from, "from", "put back what the journal in `FILE` knows; may be repeated (default: all journals of this program)")
	case "flags":
		fs.Var(&r.flags, "flag", "set `NAME`, NAME@HOST, or one of storm, offline-trim, pause-snaptrim, host-maintenance@HOST; may be repeated")
	case "raise":
		fs.IntVar(&r.climb.Levels, "levels", 0, "steps up at most, `N` (0: 7)")
		fs.Int64Var(&r.climb.LatencyMS, "latency", 0, "clients suffer when one in ten OSDs takes `MS` for a commit (0: three times what it is, at least 50, and refused where it is more than 100)")
		fs.StringVar(&r.pauseFile, "pause", "", "hold recovery at its lowest while `FILE` exists")
		fs.StringVar(&r.chart, "chart", "", "after the run, draw the placement groups over time to `FILE` (SVG)")
	case "trim-online":
		fs.IntVar(&r.trim.Entries, "entries", 0, "of the log of a placement group at most, `N` (0: 500)")
	case "hardlimit":
		fs.BoolVar(&r.inHand, "in-hand", false, "pressure and memory are in hand, also where OSDs do not tell")
		fs.BoolVar(&r.irreversible, "irreversible", false, "permit what cannot be undone")
	case "memory":
		fs.Int64Var(&r.memory.Raise, "raise", 0, "raise osd_memory_target to `BYTES` where there is headroom (0: only lower)")
	case "snaptrim":
		fs.IntVar(&r.snap.Priority, "priority", 0, "of trimming snapshots, `N` of 63 (0: 20)")
		fs.IntVar(&r.snap.Concurrent, "concurrent", 0, "trims at a time in a placement group, `N` (0: 4)")
	case "reweight":
		fs.IntVar(&r.osd, "osd", -1, "the outlier, `N`")
		fs.Float64Var(&r.step, "step", 0, "how much lower, `0..1` (0: 0.1)")
	}
}

func (r *relief) usage() error {
	switch {
	case r.verb == "":
		return cli.Usage("say one of these first: %s", strings.Join(verbs, ", "))
	case r.verb == "flags" && len(r.flags) == 0:
		return cli.Usage("flags needs -flag NAME")
	case r.verb == "reweight" && r.osd < 0:
		return cli.Usage("reweight needs -osd N")
	}
	return nil
}

func (r *relief) check(ctx context.Context) (stackmend.Result, error) {
	if err := r.usage(); err != nil {
		return stackmend.Result{}, err
	}
	var err error
	if r.verb == "host-diff" {
		r.host, err = ceph.ObserveHost(ctx, ceph.HostOptions{})
		return ceph.Check(ceph.Observed{Host: r.host}, ceph.Policy{}), err
	}
	if r.seen, err = ceph.Observe(ctx, r.to, ceph.Options{}); err != nil {
		return stackmend.Result{}, err
	}
	return ceph.Check(ceph.Observed{Cluster: r.seen}, ceph.Policy{}), nil
}

func (r *relief) plan(context.Context) (*stackmend.Plan, error) {
	if r.verb == "restore" {
		known, err := r.known()
		if err != nil {
			return nil, err
		}
		return pressure.PlanRestore(known, r.seen, r.policy), nil
	}
	plan := map[string]func() *stackmend.Plan{
		"ease":        func() *stackmend.Plan { return pressure.PlanEase(r.seen, r.policy) },
		"raise":       func() *stackmend.Plan { return pressure.PlanRaise(r.climb, r.seen, r.policy) },
		"flags":       func() *stackmend.Plan { return pressure.PlanFlags(r.flags, r.seen, r.policy) },
		"trim-online": func() *stackmend.Plan { return pressure.PlanTrim(r.trim, r.seen, r.policy) },
		"hardlimit":   func() *stackmend.Plan { return pressure.PlanHardLimit(r.inHand, r.seen, r.policy) },
		"timeouts":    func() *stackmend.Plan { return pressure.PlanTimeouts(r.seen, r.policy) },
		"memory":      func() *stackmend.Plan { return pressure.PlanMemory(r.memory, r.seen, r.policy) },
		"heap":        func() *stackmend.Plan { return pressure.PlanHeap(r.seen, r.policy) },
		"snaptrim":    func() *stackmend.Plan { return pressure.PlanSnapTrim(r.snap, r.seen, r.policy) },
		"pause":       func() *stackmend.Plan { return pressure.PlanPause(r.seen, r.policy) },
		"reweight":    func() *stackmend.Plan { return pressure.PlanReweight(r.osd, r.step, r.seen, r.policy) },
	}[r.verb]()
	return plan, r.keepMemory(plan)
}
