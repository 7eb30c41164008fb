// Ceph-watchdog restarts an OSD of this host gracefully before the kernel kills
// it for its memory.
//
//	ceph-watchdog -once -nagios                  # a check: how long has each OSD left?
//	ceph-watchdog -textfile /var/lib/node_exporter/ceph_watchdog.prom
//	                                             # a daemon that only watches: run it for a month first
//	ceph-watchdog -supervisor systemd -apply     # and restarts
//
// Without -apply it changes nothing: it tells what it would do. Beside this
// file stand a unit for systemd and a stanza for monit.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph/watchdog"
	"github.com/stackmend/stackmend/examples/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], cli.Streams{Out: os.Stdout, Err: os.Stderr, Getenv: os.Getenv}))
}

// settings are the flags.
type settings struct {
	once, apply, supervised             bool
	period                              time.Duration
	conf, id, keyring, backend          string
	asok, host, super, fsid, engine     string
	start, words                        cli.List
	state, lock, textfile, events, kill string
	lastResort, data                    string
	stop, margin                        time.Duration

	seen seen
}

// seen is what -once has observed.
type seen struct {
	Host   string
	Report watchdog.Report
}

const name = "ceph-watchdog"

func run(ctx context.Context, args []string, std cli.Streams) int {
	s := &settings{}
	if slices.ContainsFunc(args, func(a string) bool { return a == "-once" || a == "--once" }) {
		return s.tool().Run(ctx, args, std)
	}
	fs := flag.NewFlagSet(name, flag.ContinueOnError)
	fs.SetOutput(std.Err)
	s.flags(fs)
	s.daemonFlags(fs)
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 64
	}
	if err := s.valid(fs.NArg()); err != nil {
		fmt.Fprintf(std.Err, "%s: %v\n", name, err)
		return 64
	}
	if err := s.daemon(ctx, std); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintf(std.Err, "%s: %s\n", name, cli.Clean(err.Error()))
		if errors.Is(err, stackmend.ErrLocked) || errors.Is(err, stackmend.ErrRefused) {
			return 4
		}
		return 3
	}
	return 0
}

// tool is -once.
func (s *settings) tool() cli.Tool {
	return cli.Tool{Name: name, Brief: "restart an OSD gracefully before the kernel kills it for its memory", Flags: s.flags,
		Observe: s.observe, Seen: &s.seen, Check: s.check, Table: s.table}
}

// flags are those of both forms.
func (s *settings) flags(fs *flag.FlagSet) {
	fs.BoolVar(&s.once, "once", false, "sample for a while, judge, and end: a check")
	fs.DurationVar(&s.period, "for", 10*time.Second, "sample for `this long` with -once; less than 4s shows no growth")
	fs.Var(&s.words, "match", "`WORD` that the command lines of the OSDs have, where a host has several clusters; may be repeated")
	fs.StringVar(&s.state, "state", "", "`FILE` with the restarts of this host (default of the daemon: /var/lib/stackmend/ceph-watchdog.json)")
	fs.DurationVar(&s.stop, "stop-time", 0, "how long a stop takes until one was measured (0: 10s)")
	fs.DurationVar(&s.margin, "margin", 0, "time beside the stop (0: 6s)")
}

func (s *settings) daemonFlags(fs *flag.FlagSet) {
	fs.BoolVar(&s.apply, "apply", false, "restart; without it this only watches")
	fs.StringVar(&s.conf, "conf", "", "the cluster's `ceph.conf`")
	fs.StringVar(&s.id, "id", "", "the `user`, without \"client.\"")
	fs.StringVar(&s.keyring, "keyring", "", "the user's keyring `FILE`")
	fs.StringVar(&s.backend, "backend", "librados", "`librados`, which starts no program, or cli: the ceph command in a child")
	fs.StringVar(&s.asok, "asok", "/run/ceph", "the OSDs' admin sockets lie below `DIR`")
	fs.StringVar(&s.host, "host", "", "`name` of this host among the claims (default: its own)")
	fs.StringVar(&s.super, "supervisor", "systemd", "what keeps the OSDs running: `systemd`, cephadm, container, process")
	fs.StringVar(&s.fsid, "fsid", "", "the cluster's `fsid`, for cephadm")
	fs.StringVar(&s.engine, "engine", "podman", "`docker` or podman, for cephadm and container")
	fs.Var(&s.start, "start", "a `word` of the command that starts an OSD, for process, with {id}; repeated: ceph-osd -i {id}")
	fs.BoolVar(&s.supervised, "stop-by-supervisor", false, "stop through the supervisor instead of SIGTERM to the process")
	fs.StringVar(&s.lock, "lock", "/run/lock/stackmend-ceph-watchdog.lock", "`FILE` that keeps a second watchdog off this host")
	fs.StringVar(&s.textfile, "textfile", "", "write metrics for the node exporter to `FILE`")
	fs.StringVar(&s.events, "events", "", "append what happens to `FILE` as JSON lines")
	fs.StringVar(&s.data, "data", "", "the `path` of an OSD's data as ceph-objectstore-tool sees it, with {id} (/var/lib/ceph/osd/ceph-{id}): for the plan of a trim, where a restart did not help")
	fs.StringVar(&s.kill, "kill-switch", "", "restart nothing while `FILE` exists")
	fs.StringVar(&s.lastResort, "last-resort", "refuse", "when the kill is near and the cluster cannot afford the restart: `refuse`, or stop: gracefully all the same")
}

func (s *settings) valid(args int) error {
	switch {
	case args > 0:
		return cli.Usage("unexpected arguments")
	case s.backend != "cli" && s.backend != "librados":
		return cli.Usage("-backend is librados or cli, not %q", s.backend)
	case s.lastResort != "refuse" && s.lastResort != "stop":
		return cli.Usage("-last-resort is refuse or stop, not %q", s.lastResort)
	case s.stop < 0 || s.margin < 0:
		return cli.Usage("a time below zero")
	}
	_, err := s.supervisor()
	return err
}

func (s *settings) policy() watchdog.Policy {
	p := watchdog.Policy{Stop: s.stop, Margin: s.margin}
	if s.lastResort == "stop" {
		p.LastResort = watchdog.Stop
	}
	return p
}

// observe samples for a while, and keeps what came last.
func (s *settings) observe(ctx context.Context) error {
	if s.period < 4*time.Second || s.stop < 0 || s.margin < 0 {
		return cli.Usage("-for of less than 4s shows no growth, and times are not below zero")
	}
	history, err := s.load()
	if err != nil {
		return err
	}
	w := &watchdog.Watch{Policy: s.policy(), History: history, OnPass: func(r watchdog.Report) { s.seen.Report = r }}
	if w.Sampler, err = watchdog.NewSampler(watchdog.SamplerOptions{Words: s.words}); err != nil {
		return err
	}
	defer w.Sampler.Close()
	end, cancel := context.WithTimeout(ctx, s.period)
	defer cancel()
	if err := w.Loop(end); err != nil && ctx.Err() != nil {
		return err
	}
	s.seen.Host, err = os.Hostname()
	return err
}

func (s *settings) check(context.Context) (stackmend.Result, error) {
	return watchdog.Check(s.seen.Report, s.seen.Host, s.policy()), nil
}

func (s *settings) table(w io.Writer) {
	for i, o := range s.seen.Report.Outlooks[:min(len(s.seen.Report.Outlooks), len(s.seen.Report.Verdicts))] {
		left := "-"
		if o.Left != watchdog.Never {
			left = o.Left.Round(time.Second).String()
		}
		fmt.Fprintf(w, "  osd.%-5d %-8s uses %-10s grows %10s/s  left %s\n", o.ID, s.seen.Report.Verdicts[i].Level, cli.Bytes(o.Used()), cli.Bytes(int64(o.Slope)), left)
	}
}
