package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/bootvolume"
	"github.com/stackmend/stackmend/examples/cli"
)

// settings are the tool's own flags, and what was observed.
type settings struct {
	novaLog, haproxyLog, cinderLog  cli.List
	novaAPILog                      cli.List
	schedulerLog, volumeLog         cli.List // of cinder
	haproxyCfg, novaConf, galeraCnf cli.List
	galeraLog                       cli.List
	serviceConf, consoleauthConf    cli.List
	configDir                       cli.List
	novaServices                    string
	zone                            string
	since                           cli.Age
	batch                           int64
	haproxySocket, haproxyMaster    cli.List
	sample                          time.Duration
	probe                           string // database to probe in
	rounds                          int
	wait                            bool
	getenv                          func(string) string
	nodes                           []node
	prober                          *bootvolume.Prober
	edited                          *bootvolume.Editor
	set                             cli.List
	reload, validate                string
	settle                          time.Duration
	snapshot                        *bootvolume.Snapshot
}

func tool(getenv func(string) string) cli.Tool {
	s := &settings{getenv: getenv}
	return cli.Tool{
		Name:  "bootvolume",
		Brief: "find where the volumes of a batch boot get lost",
		Flags: s.flags, Observe: s.observe, Seen: &s.snapshot, Check: s.check, Plan: s.plan, Applier: s.applier, Table: s.table,
	}
}

func (s *settings) flags(f *flag.FlagSet) {
	f.Var(&s.novaLog, "nova-log", "log of a nova-compute, `HOST=FILE`, with its rotated files; may be repeated")
	f.Var(&s.haproxyLog, "haproxy-log", "log of HAProxy, `HOST=FILE`, with its rotated files; may be repeated")
	f.Var(&s.cinderLog, "cinder-log", "log of a cinder-api, `HOST=FILE`, with its rotated files; may be repeated")
	f.Var(&s.novaAPILog, "nova-api-log", "log of a nova-api, `HOST=FILE`, with its rotated files: tells of requests whose compute's log is missing; may be repeated")
	f.Var(&s.schedulerLog, "cinder-scheduler-log", "log of a cinder-scheduler, `HOST=FILE`, with its rotated files: tells why no backend was found; may be repeated")
	f.Var(&s.volumeLog, "cinder-volume-log", "log of a cinder-volume, `HOST=FILE`, with its rotated files: tells when volumes were made, also for nobody; may be repeated")
	f.Var(&s.haproxyCfg, "haproxy-cfg", "`FILE` of HAProxy's configuration; may be repeated, in HAProxy's order")
	f.Var(&s.novaConf, "nova-conf", "nova.conf of a compute, `HOST=FILE`, or its --config-dir; may be repeated, those of one host in nova's order")
	f.Var(&s.serviceConf, "service-conf", "configuration of a service that uses the database, such as cinder.conf, `HOST=FILE`; may be repeated")
	f.StringVar(&s.novaServices, "nova-services", "", "`FILE` with what openstack compute service list -f json says, of nova before 20 (Train): how many nova-consoleauth run")
	f.Var(&s.consoleauthConf, "consoleauth-conf", "nova.conf of a host that runs nova-consoleauth, `HOST=FILE`, the host as in -nova-services; may be repeated")
	f.Var(&s.configDir, "config-dir", "`FILE=DIR`: the service of this FILE, given with -nova-conf, -service-conf or -consoleauth-conf, has --config-dir DIR after it; may be repeated")
	f.Var(&s.galeraCnf, "galera-cnf", "configuration of a Galera node, `HOST=FILE`; may be repeated")
	f.Int64Var(&s.batch, "batch", 0, "how many `INSTANCES` are booted at once, to compare with what HAProxy and Galera let through; without, what the logs show")
	f.Var(&s.galeraLog, "galera-log", "error log of a Galera node, `HOST=FILE`, with its rotated files; may be repeated; conflicts are in it with wsrep_log_conflicts=ON alone")
	f.Var(&s.haproxySocket, "haproxy-socket", "runtime socket of HAProxy, `HOST=PATH` or HOST=ADDRESS:PORT; may be repeated")
	f.Var(&s.haproxyMaster, "haproxy-master", "socket of HAProxy's master (-S), `HOST=PATH`, the host as in -haproxy-socket: whether a reload failed, and what still runs from before it; may be repeated")
	f.DurationVar(&s.sample, "sample", 3*time.Second, "how long flow control and conflicts of Galera are looked at, such as while a batch is booted")
	f.StringVar(&s.probe, "probe", "", "plan to measure in this `DATABASE` how late rows of one Galera node are on the others, in a table of its own; the nodes are in "+dsns)
	f.IntVar(&s.rounds, "rounds", 100, "rows that -probe writes for each pair of nodes")
	f.BoolVar(&s.wait, "wait", false, "let the reads of -probe wait (wsrep_sync_wait=1), to see what that changes")
	f.Var(&s.set, "set", "plan to edit a file that is given here, `FILE:SECTION:NAME=VALUE`, such as 'haproxy.cfg:listen cinder_api:balance=roundrobin'; may be repeated")
	f.StringVar(&s.reload, "reload", "", "`COMMAND` of the supervisor that has HAProxy take up what -set changes, such as 'systemctl reload haproxy'; no shell")
	f.StringVar(&s.validate, "validate", "haproxy -c", "`COMMAND` that checks HAProxy's files; -f FILE is added for each; no shell")
	f.DurationVar(&s.settle, "settle", time.Minute, "how long HAProxy may take to run and be healthy after -reload; then the files are put back")
	f.StringVar(&s.zone, "zone", "UTC", "time `ZONE` of the logs where they do not say it")
	f.Var(&s.since, "since", "leave out what the logs say of before this `AGE`, such as 24h or 7d")
}

func (s *settings) observe(ctx context.Context) error {
	zone, err := time.LoadLocation(s.zone)
	if err != nil {
		return cli.Usage("-zone: %v", err)
	}
	now := time.Now()
	s.snapshot = &bootvolume.Snapshot{Subject: "this batch", Taken: now, Batch: s.batch}
	o := bootvolume.Log{Now: now, Zone: zone}
	if s.since > 0 {
		o.Since = s.since.Before(now)
		s.snapshot.Subject = "boots since " + o.Since.UTC().Format(time.RFC3339)
	}
	if err := s.readLogs(ctx, o); err != nil {
		return err
	}
	if err := s.readConfigurations(); err != nil {
		return err
	}
	return s.readLive(ctx)
}

func (s *settings) check(context.Context) (stackmend.Result, error) {
	r := bootvolume.Check(s.snapshot)
	r.Finished = time.Now()
	return r, nil
}

func (s *settings) readLogs(ctx context.Context, o bootvolume.Log) error {
	for _, kind := range []struct {
		source bootvolume.Source
		files  []string
	}{{bootvolume.Compute, s.novaLog}, {bootvolume.HAProxy, s.haproxyLog}, {bootvolume.API, s.cinderLog},
		{bootvolume.NovaAPI, s.novaAPILog}, {bootvolume.Scheduler, s.schedulerLog}, {bootvolume.Volume, s.volumeLog}} {
		for _, word := range kind.files {
			o.Source = kind.source
			host, path := hostAndFile(word)
			o.Host = host
			if err := s.snapshot.Logs.ReadFiles(ctx, os.DirFS(filepath.Dir(path)), filepath.Base(path), o); err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
		}
	}
	for _, word := range s.galeraLog {
		host, path := hostAndFile(word)
		o.Host = host
		l, err := bootvolume.ReadNodeLogFiles(ctx, os.DirFS(filepath.Dir(path)), filepath.Base(path), o)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		s.snapshot.NodeLogs = append(s.snapshot.NodeLogs, l)
	}
	if n := s.snapshot.Logs.Unread; n > 0 {
		s.snapshot.Unseen = append(s.snapshot.Unseen, fmt.Sprintf("%d lines of the logs are in a form that is not read", n))
	}
	return nil
}

func (s *settings) readConfigurations() error {
	var readers []io.Reader
	for _, path := range s.haproxyCfg {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			return err
		}
		if at := info.ModTime(); at.After(s.snapshot.ProxiesWritten) {
			s.snapshot.ProxiesWritten = at
		}
		readers = append(readers, f)
	}
	var err error
	if len(readers) > 0 {
		if s.snapshot.Proxies, err = bootvolume.ReadHAProxy(io.MultiReader(readers...)); err != nil {
			return fmt.Errorf("%s: %w", strings.Join(s.haproxyCfg, " "), err)
		}
	}
	if err := s.readServices(); err != nil {
		return err
	}
	if s.snapshot.Galera, err = each(s.galeraCnf, bootvolume.ReadGaleraConf); err != nil {
		return err
	}
	return s.readConsoles()
}

func (s *settings) readConsoles() (err error) {
	if s.novaServices == "" && len(s.consoleauthConf) > 0 {
		return cli.Usage("-consoleauth-conf: how many nova-consoleauth run is in -nova-services")
	}
	if s.novaServices == "" {
		return nil
	}
	f, err := os.Open(s.novaServices)
	if err != nil {
		return err
	}
	defer f.Close()
	s.snapshot.ComputeServices, err = bootvolume.ReadComputeServices(f)
	return err
}

// hostAndFile splits HOST=FILE; a file alone is its own host.
func hostAndFile(word string) (host, path string) {
	if host, path, ok := strings.Cut(word, "="); ok {
		return host, path
	}
	return filepath.Base(word), word
}

// table has the instances of the batch one below the other, and the stages
// that their requests passed; the first break is marked.
func (s *settings) table(w io.Writer) {
	s.measured(w)
	if s.edited != nil {
		for _, f := range s.edited.Warnings() {
			_ = cli.Note(w, "%s %s: %s\n", f.Code, f.Subject, f.Message)
		}
	}
	if s.snapshot == nil { // a plan from a file
		return
	}
	boots := bootvolume.Follow(&s.snapshot.Logs)
	if len(boots) == 0 {
		return
	}
	_ = bootvolume.WriteTable(w, boots)
}
