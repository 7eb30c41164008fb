// Ceph-trim-pglog trims the logs of placement groups offline, one failure
// domain after the other, on the host whose OSDs they are, or by ssh from one
// host on all. Without -apply it prints the order, what each placement group would lose, and changes nothing.
//
//	ceph-trim-pglog -all                                  # the whole cluster: the order
//	ceph-trim-pglog -all -ssh "ssh -l root" -parallel 4   # host after host, four OSDs of each at once
//	ceph-trim-pglog -host stor1 -plan p                   # this host, for review
//	ceph-trim-pglog -host stor1 -run p -apply             # the plan carries its policy
//	ceph-trim-pglog -osd 3,7 -max-entries 500 -apply
//	ceph-trim-pglog -osd 3 -dups 3000 -max-entries 0      # dups alone (tracker 53729)
//	ceph-trim-pglog -osd 3 -cephadm FSID -engine podman
//	ceph-trim-pglog -resume -apply | -revert -apply       # after Ctrl-C, or a crash
//
// Placement groups that are active are left alone unless -active is given.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph"
	"github.com/stackmend/stackmend/ceph/pglog"
	"github.com/stackmend/stackmend/ceph/supervisor"
	"github.com/stackmend/stackmend/examples/cli"
)

func main() { os.Exit(cli.Main(tool())) }

// trim is one run.
type trim struct {
	osds, host                string
	all, process              bool
	policy                    pglog.Policy
	conf, id, keyring         string
	fsid, engine, container   string
	data, lock, ssh           string
	hold, release, held, args string
	minStop                   time.Duration

	seen *pglog.Snapshot
}

func tool() cli.Tool {
	t := &trim{}
	return cli.Tool{
		Name: "ceph-trim-pglog", Brief: "trim the logs of placement groups offline",
		Flags: t.flags, Observe: t.observe, Seen: &t.seen, Check: t.check, Plan: t.plan, Applier: t.applier, Options: t.options, Table: t.table,
	}
}

func (t *trim) flags(fs *flag.FlagSet) {
	fs.StringVar(&t.osds, "osd", "", "trim these OSDs: `N,N`")
	fs.StringVar(&t.host, "host", "", "trim the OSDs of this CRUSH `HOST`")
	fs.BoolVar(&t.all, "all", false, "all OSDs; without -ssh those of other hosts are told and left alone")
	fs.StringVar(&t.ssh, "ssh", "", "reach the hosts of OSDs, by the names that osd metadata tells, with this `COMMAND`: \"ssh -F FILE\"; always from one host, for its lock keeps runs apart")
	fs.Int64Var(&t.policy.MaxEntries, "max-entries", 500, "how many `entries` a log may keep; 0: leave entries alone")
	fs.Int64Var(&t.policy.MaxDups, "dups", 0, "how many `dups` a log may keep; 0: leave dups alone")
	fs.BoolVar(&t.policy.Active, "active", false, "trim placement groups that are active too: idle ones")
	fs.BoolVar(&t.policy.Degraded, "degraded", false, "permit stopping OSDs whose placement groups are degraded or inactive already")
	fs.IntVar(&t.policy.Lowest, "lowest", 2, "how many `members` of a placement group must be left while an OSD is stopped; erasure coded: no fewer than k + 1")
	fs.BoolVar(&t.policy.NoSpare, "no-spare", false, "erasure coded: permit that just k shards are left")
	fs.StringVar(&t.conf, "conf", "", "the cluster's `ceph.conf`")
	fs.StringVar(&t.id, "id", "", "the `user`, without \"client.\"")
	fs.StringVar(&t.keyring, "keyring", "", "the user's keyring `FILE`")
	fs.StringVar(&t.fsid, "cephadm", "", "the OSDs are cephadm's, of the cluster with this `FSID`; the orchestrator is paused meanwhile")
	fs.StringVar(&t.engine, "engine", "podman", "with -cephadm or -container: `docker or podman`")
	fs.StringVar(&t.container, "container", "", "the OSDs are containers of this `NAME` with {id}, run by the unit ceph-osd@{id}.service")
	fs.BoolVar(&t.process, "process", false, "the OSDs are plain processes: see -hold")
	fs.StringVar(&t.hold, "hold", "", "with -process: the `command` that keeps osd {id} from being respawned")
	fs.StringVar(&t.release, "release", "", "with -process: the `command` that undoes -hold")
	fs.StringVar(&t.held, "held", "", "with -process: the `command` that ends with status 0 while it is held")
	fs.StringVar(&t.args, "args", "", "with -process: a `word` that the OSD's command line has")
	fs.StringVar(&t.data, "data", "", "the `path` of an OSD's data as ceph-objectstore-tool sees it, with {id} (/var/lib/ceph/osd/ceph-{id})")
	fs.StringVar(&t.lock, "lock", "/run/lock/stackmend-ceph-trim-pglog", "the `FILE` that keeps two runs of a host apart")
	fs.DurationVar(&t.minStop, "min-stop", supervisor.DefaultMinStop, "the `time` that the supervisor must grant a stop before it kills")
}

// config is whom the flags name.
func (t *trim) config() (pglog.Config, error) {
	c := pglog.Config{Cluster: ceph.CLI{Conf: t.conf, ID: t.id, Keyring: t.keyring}, MinStop: t.minStop,
		Tool: pglog.Tool{Data: t.data}, Supervisor: supervisor.Systemd{}}
	if count(t.fsid != "", t.container != "", t.process) > 1 {
		return c, cli.Usage("-cephadm, -container and -process exclude each other")
	}
	if t.ssh != "" {
		c.Route = supervisor.SSH{Command: strings.Fields(t.ssh)}
	}
	if t.process && t.ssh != "" {
		return c, cli.Usage("-process is for this host alone, not for -ssh")
	}
	if !t.process && t.hold+t.release+t.held+t.args != "" {
		return c, cli.Usage("-hold, -release, -held and -args need -process")
	}
	switch {
	case t.fsid != "":
		c.Supervisor, c.Orchestrated = supervisor.Cephadm(t.fsid, t.engine), true
		c.Tool.Command = []string{"cephadm", "shell", "--fsid", t.fsid, "--name", "osd.{id}", "--", "ceph-objectstore-tool"}
		c.Tool.Files = "/var/lib/ceph/" + t.fsid + "/osd.{id}"
	case t.container != "":
		c.Supervisor = supervisor.Systemd{Container: &supervisor.Container{Engine: t.engine, Name: t.container}}
	case t.process:
		c.Supervisor = supervisor.Process{Hold: strings.Fields(t.hold), Release: strings.Fields(t.release),
			Held: strings.Fields(t.held), Args: strings.Fields(t.args)}
	}
	return c, nil
}

func count(set ...bool) (n int) {
	for _, s := range set {
		if s {
			n++
		}
	}
	return n
}

// selection refuses an empty one: it is never all.
func (t *trim) selection() (pglog.Options, error) {
	o := pglog.Options{Host: t.host, All: t.all}
	if count(t.osds != "", t.host != "", t.all) != 1 {
		return o, cli.Usage("say which OSDs: one of -osd, -host and -all (nothing is never all)")
	}
	if t.osds == "" {
		return o, nil
	}
	for text := range strings.SplitSeq(t.osds, ",") {
		id, err := strconv.Atoi(text)
		if err != nil || id < 0 {
			return o, cli.Usage("-osd %q: not the number of an OSD", text)
		}
		o.OSDs = append(o.OSDs, id)
	}
	return o, nil
}

func (t *trim) observe(ctx context.Context) error {
	o, err := t.selection()
	if err != nil {
		return err
	}
	c, err := t.config()
	if err != nil {
		return err
	}
	t.seen, err = pglog.Observe(ctx, c, o)
	return err
}

// check says why what is long does not trim by itself.
func (t *trim) check(context.Context) (stackmend.Result, error) {
	return pglog.Check(t.seen, t.policy), nil
}

func (t *trim) plan(context.Context) (*stackmend.Plan, error) {
	return pglog.Plan(t.seen, t.policy), nil
}

func (t *trim) applier(context.Context, *stackmend.Plan) (stackmend.Applier, error) {
	c, err := t.config()
	return pglog.NewApplier(c), err
}

func (t *trim) options(o *stackmend.Options) {
	o.Lock = stackmend.FileLock(t.lock)
	o.GuardTimeout = time.Minute
}

// table prints what was seen of each OSD.
func (t *trim) table(w io.Writer) {
	if t.seen == nil {
		return
	}
	fmt.Fprintf(w, "  failure domain %s; flags of the cluster: noout %s, pglog_hardlimit %s\n", t.seen.Domain, set(t.seen.Noout), set(t.seen.HardLimit))
	for _, o := range t.seen.OSDs {
		var entries int64
		for _, pg := range o.PGs {
			entries += pg.Log
		}
		fmt.Fprintf(w, "  osd.%-5d %s up: %t, %d placement groups, %d entries, version %s", o.ID, o.Domain, o.Up, len(o.PGs), entries, o.Version)
		if len(o.Flags) > 0 {
			fmt.Fprintf(w, ", flags %s", strings.Join(o.Flags, " "))
		}
		fmt.Fprintln(w)
	}
}

func set(is bool) string {
	if is {
		return "set"
	}
	return "not set"
}
