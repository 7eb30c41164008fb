package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/consolelog"
	"github.com/stackmend/stackmend/examples/cli"
)

// settings are the flags, and what was seen last.
type settings struct {
	instances, archive, textfile, broker, servers string
	limit, keep, growth, archiveRate              cli.Size
	writers, domains, apiLogs                     cli.List
	since                                         cli.Age
	free                                          float64
	horizon                                       cli.Age
	between, every                                time.Duration
	top                                           int
	discard                                       bool

	getenv func(string) string
	seen   *consolelog.Snapshot
}

func newSettings() *settings {
	return &settings{limit: 100 << 20, keep: 1 << 20, growth: 1 << 20, since: cli.Age(time.Hour), horizon: cli.Age(24 * time.Hour)}
}

func (s *settings) flags(fs *flag.FlagSet) {
	fs.StringVar(&s.instances, "instances", "/var/lib/nova/instances", "nova's instances_path")
	fs.Var(&s.limit, "limit", "a log may hold `SIZE`")
	fs.Var(&s.keep, "keep", "keep the last `SIZE`; nova reads 100 KiB")
	fs.Var(&s.growth, "growth", "report a log that grows by `SIZE` a second")
	fs.StringVar(&s.archive, "archive", "", "copy what is removed to `DIR` first, compressed")
	fs.Var(&s.archiveRate, "archive-rate", "read at most `SIZE` a second for the archive (0: no limit)")
	fs.BoolVar(&s.discard, "discard", false, "without -archive: remove for good")
	fs.Var(&s.writers, "writer", "a `PROGRAM` beside qemu whose logs may be bounded; may be repeated")
	fs.Float64Var(&s.free, "free", 5, "percent of a filesystem that should be free")
	fs.Var(&s.horizon, "horizon", "report a filesystem that is full within this `AGE`")
	fs.DurationVar(&s.between, "between", 2*time.Second, "look twice, with this `TIME` in between, to see what grows (0: once)")
	fs.DurationVar(&s.every, "watch", 0, "go on, with a round every `TIME`")
	fs.IntVar(&s.top, "top", 10, "show and sample the `N` logs that grow fastest")
	fs.StringVar(&s.textfile, "textfile", "", "write the sizes to `FILE` for Prometheus's node_exporter")
	fs.Var(&s.apiLogs, "nova-api-log", "look in `FILE` for who asks for consoles; may be repeated")
	fs.Var(&s.since, "since", "how old lines of -nova-api-log may be")
	fs.StringVar(&s.broker, "rabbitmq", "", "RabbitMQ's management API, such as `URL` http://monitor@127.0.0.1:15672 with the password in RABBITMQ_PASSWORD; or a file with the JSON of its /api/nodes")
	fs.StringVar(&s.servers, "servers", "", "a `FILE` with the JSON of nova's GET /servers/detail?all_tenants=1, for names and projects")
	fs.Var(&s.domains, "domains", "a `DIR` with libvirt's domain XML, for names and projects; may be repeated")
}

func (s *settings) policy() consolelog.Policy {
	return consolelog.Policy{Limit: int64(s.limit), Keep: int64(s.keep), Growth: int64(s.growth), Free: s.free,
		Horizon: time.Duration(s.horizon), Writers: s.writers, Archive: s.archive}
}

// valid refuses what makes no sense, before anything is looked at.
func (s *settings) valid() error {
	if s.top < 0 {
		return cli.Usage("-top %d: not a number of logs", s.top)
	}
	if err := s.policy().Validate(); err != nil {
		return cli.Usage("%v", err)
	}
	return nil
}

func (s *settings) source(ctx context.Context) (consolelog.Source, error) {
	src := consolelog.Source{Instances: s.instances, Domains: s.domains, Sample: s.top, Archive: s.archive, Before: s.seen}
	if s.every > 0 {
		src.WritersAbove = int64(s.limit)
	}
	var err error
	src.Requests, err = s.requests(ctx)
	if err == nil && s.servers != "" {
		err = read(s.servers, func(r io.Reader) (err error) { src.Owners, err = consolelog.ReadOwners(r); return err })
	}
	if err == nil && s.broker != "" {
		err = s.rabbitmq(ctx, &src)
	}
	return src, err
}

func (s *settings) requests(ctx context.Context) (all []consolelog.Request, err error) {
	since := s.since.Before(time.Now())
	for _, path := range s.apiLogs {
		err = errors.Join(err, read(path, func(r io.Reader) error {
			some, err := consolelog.ReadRequests(ctx, r, path, since)
			all = append(all, some...)
			return err
		}))
	}
	return all, err
}

func read(path string, f func(io.Reader) error) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	return f(file)
}

// observe looks, twice if there is no earlier look.
func (s *settings) observe(ctx context.Context) error {
	if err := s.valid(); err != nil {
		return err
	}
	src, err := s.source(ctx)
	if err != nil {
		return err
	}
	if src.Before == nil && s.between > 0 {
		first := consolelog.Source{Instances: s.instances, WritersAbove: 1 << 62}
		if src.Before, err = consolelog.Observe(ctx, first); err != nil {
			return err
		}
		select {
		case <-time.After(s.between):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	if s.seen, err = consolelog.Observe(ctx, src); err != nil || s.textfile == "" {
		return err
	}
	return writeTextfile(s.textfile, s.seen)
}

func (s *settings) check(context.Context) (stackmend.Result, error) {
	if err := s.valid(); err != nil { // of a snapshot that was replayed
		return stackmend.Result{}, err
	}
	return consolelog.Check(s.seen, s.policy())
}

// writeTextfile replaces the file at once: node_exporter may read at any time.
func writeTextfile(path string, seen *consolelog.Snapshot) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".consolelog-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone after the rename
	err = errors.Join(consolelog.WriteMetrics(f, seen), f.Chmod(0o644), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

func (s *settings) plan(context.Context) (*stackmend.Plan, error) {
	return consolelog.Plan(s.seen, s.policy())
}

func (s *settings) applier(context.Context, *stackmend.Plan) (stackmend.Applier, error) {
	return consolelog.NewApplier(consolelog.Site{Instances: s.instances, Writers: s.writers,
		Archive: consolelog.Archive{Dir: s.archive, BytesPerSecond: int64(s.archiveRate)}})
}

func (s *settings) tool() cli.Tool {
	return cli.Tool{
		Name: "consolelog", Brief: "keeps guests' console logs from filling disks and message queues",
		Flags: s.flags, Observe: s.observe, Seen: &s.seen, Check: s.check, Plan: s.plan, Applier: s.applier, Table: s.table,
		Options: func(o *stackmend.Options) {
			o.Irreversible = s.discard
			o.FailureBudget = 1 << 20 // one log must not keep the others from being bounded
		},
	}
}

// table shows the top talkers.
func (s *settings) table(w io.Writer) {
	if s.seen == nil {
		return
	}
	order := consolelog.Talkers(s.seen.Logs)
	fmt.Fprintf(w, "%10s %12s %9s  %-40s %s\n", "holds", "grows/s", "lines/s", "log", "most repeated line")
	for _, i := range order[:min(s.top, len(order))] {
		l := s.seen.Logs[i]
		fmt.Fprintf(w, "%10s %12s %9.0f  %-40s %s\n", cli.Bytes(l.Held()), cli.Bytes(int64(l.Growth.PerSecond())), l.LinesPerSecond(),
			cli.Clean(filepath.Join(l.Instance, l.Name)), cli.Clean(l.Sample.Most))
	}
}
