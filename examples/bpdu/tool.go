package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/bpdu"
	"github.com/stackmend/stackmend/bpdu/openstack"
	"github.com/stackmend/stackmend/examples/cli"
)

// settings are the tool's own flags, and what was observed.
type settings struct {
	kernel                   bpdu.Kernel
	syslog, ports, servers   cli.List
	zone, name, cloud        string
	getenv                   func(string) string
	protect, allow           string
	remove, watch, lookAtAll bool
	capture                  time.Duration
	since                    cli.Age
	snapshot                 *bpdu.Snapshot
}

func tool() cli.Tool { return toolOn(bpdu.Kernel{}) }

func toolOn(k bpdu.Kernel) cli.Tool {
	s := &settings{kernel: k, getenv: os.Getenv}
	return cli.Tool{
		Name:  "bpdu",
		Brief: "find and filter the instances whose BPDUs take a compute node off the network",
		Flags: s.flags, Observe: s.observe, Seen: &s.snapshot,
		Check: s.check,
		Plan:  s.plan,
		Applier: func(context.Context, *stackmend.Plan) (stackmend.Applier, error) {
			return bpdu.NewApplier(k), nil
		},
		Table: s.table,
	}
}

func (s *settings) flags(f *flag.FlagSet) {
	f.Var(&s.syslog, "syslog", "read the switches' log in `FILE` with its rotated files, or - for stdin; may be repeated")
	f.StringVar(&s.zone, "zone", "UTC", "time `ZONE` of the logs where they do not say it")
	f.Var(&s.since, "since", "leave out what the logs say of before this `AGE`, such as 24h or 7d")
	f.StringVar(&s.name, "switch", "", "`NAME` of the switch where the log does not say it")
	f.Var(&s.ports, "ports", "`FILE` with the JSON of GET /v2.0/ports; may be repeated, one for each page")
	f.Var(&s.servers, "servers", "`FILE` with the JSON of GET /servers/detail?all_tenants=1; may be repeated")
	f.StringVar(&s.cloud, "os-cloud", "", "ask the APIs of cloud `NAME` of clouds.yaml, as an administrator")
	f.StringVar(&s.protect, "protect", "", "filter the BPDUs of these `TAPS`, by comma, or all")
	f.StringVar(&s.allow, "allow", "", "do not filter these: `LIST` of taps, MACs, port or instance IDs, by comma")
	f.BoolVar(&s.remove, "remove", false, "remove the filters of the taps in -protect")
	f.BoolVar(&s.watch, "watch", false, "run again whenever links come or go, until interrupted")
	f.BoolVar(&s.lookAtAll, "host", false, "look at this host although -syslog is given")
	f.DurationVar(&s.capture, "capture", 0, "listen for BPDUs on all devices for `this long`")
}

// observe looks at what the flags ask for.
func (s *settings) observe(ctx context.Context) error {
	if s.remove && s.protect == "" {
		return cli.Usage("-remove needs -protect: say of which taps, or all")
	}
	s.snapshot = &bpdu.Snapshot{Taken: time.Now()}
	for _, observe := range []func(context.Context) error{s.readLogs, s.readCloud, s.readHost, s.listen} {
		if err := observe(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (s *settings) check(context.Context) (stackmend.Result, error) {
	r := bpdu.Check(s.snapshot)
	r.Finished = time.Now()
	return r, nil
}

func (s *settings) readLogs(ctx context.Context) error {
	if len(s.syslog) == 0 {
		return nil
	}
	zone, err := time.LoadLocation(s.zone)
	if err != nil {
		return cli.Usage("-zone: %v", err)
	}
	s.snapshot.Log = &bpdu.Log{}
	s.snapshot.Subject = strings.Join(s.syslog, " ")
	o := bpdu.LogOptions{Now: time.Now(), Zone: zone, Switch: s.name}
	if s.since > 0 {
		o.Since = s.since.Before(o.Now)
	}
	for _, path := range s.syslog {
		log, err := s.readLog(ctx, path, o)
		if err != nil {
			return err
		}
		all := s.snapshot.Log
		all.Events = append(all.Events, log.Events...)
		all.Lines += log.Lines
		all.Unread += log.Unread
		all.Unseen = append(all.Unseen, log.Unseen...)
	}
	return nil
}

func (s *settings) readLog(ctx context.Context, path string, o bpdu.LogOptions) (bpdu.Log, error) {
	if path == "-" {
		return bpdu.ReadLog(ctx, os.Stdin, "stdin", o)
	}
	log, err := bpdu.ReadLogFiles(ctx, os.DirFS(filepath.Dir(path)), filepath.Base(path), o)
	if err != nil && ctx.Err() == nil {
		return log, cli.Usage("-syslog: %v", err)
	}
	return log, err
}

func (s *settings) readCloud(ctx context.Context) (err error) {
	files := len(s.ports)+len(s.servers) > 0
	switch {
	case s.cloud != "" && files:
		return cli.Usage("-os-cloud and -ports, -servers exclude each other")
	case s.cloud != "":
		clients, err := openstack.Login(ctx, s.cloud, s.getenv)
		if err != nil {
			return err
		}
		s.snapshot.Cloud, err = openstack.Read(ctx, clients)
		return err
	case !files:
		return nil
	}
	s.snapshot.Cloud = &bpdu.Cloud{}
	if err := readFiles(s.ports, s.snapshot.Cloud.ReadPorts); err != nil {
		return err
	}
	return readFiles(s.servers, s.snapshot.Cloud.ReadServers)
}

func readFiles(paths []string, read func(io.Reader) error) error {
	for _, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			return cli.Usage("%v", err)
		}
		err = read(f)
		f.Close()
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

// readHost looks at this host, unless only logs are to be read: that needs no
// privilege, and is often done elsewhere.
func (s *settings) readHost(ctx context.Context) (err error) {
	if len(s.syslog) > 0 && s.protect == "" && s.capture == 0 && !s.lookAtAll {
		return nil
	}
	if s.snapshot.Host, err = s.kernel.Observe(ctx); err != nil {
		return err
	}
	s.snapshot.Subject = s.snapshot.Host.Name
	s.readOVS(ctx)
	return nil
}

// readOVS asks Open vSwitch, where there is one.
func (s *settings) readOVS(ctx context.Context) {
	ctx, stop := context.WithTimeout(ctx, 10*time.Second)
	defer stop()
	c, err := (&net.Dialer{}).DialContext(ctx, "unix", bpdu.OVSSocket)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err == nil {
		defer c.Close()
		s.snapshot.Host.OVS, err = bpdu.ReadOVS(ctx, c)
	}
	if err != nil {
		s.snapshot.Unseen = append(s.snapshot.Unseen, fmt.Sprintf("Open vSwitch's database: %v", err))
	}
}

func (s *settings) listen(ctx context.Context) (err error) {
	if s.capture > 0 {
		s.snapshot.Capture, err = s.kernel.Capture(ctx, s.capture, 0)
	}
	return err
}

// plan is nil without -protect: then nothing is to be changed.
func (s *settings) plan(context.Context) (*stackmend.Plan, error) {
	if s.protect == "" {
		return nil, nil
	}
	sel := bpdu.Selection{Allow: list(s.allow), Remove: s.remove, All: s.protect == "all"}
	if !sel.All {
		sel.Taps = list(s.protect)
	}
	return bpdu.Plan(s.snapshot, sel, bpdu.PlanOptions{Now: time.Now()})
}

func list(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
}

// table lists the taps of this host and what was read of logs.
func (s *settings) table(w io.Writer) {
	if s.snapshot == nil {
		return
	}
	if l := s.snapshot.Log; l != nil {
		if s.since > 0 {
			fmt.Fprintf(w, "since %s: ", s.since.Before(s.snapshot.Taken).Format("2006-01-02T15:04:05Z"))
		}
		fmt.Fprintf(w, "%d events in %d lines that could matter; %d of them have no known form\n", len(l.Events), l.Lines, l.Unread)
	}
	if s.snapshot.Host == nil {
		return
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, l := range s.snapshot.Host.Links {
		if l.IsTap() {
			fmt.Fprintf(tw, "%s\t%s\t%s\n", cli.Clean(l.Name), cli.Clean(l.Master), s.snapshot.Host.Filtered(l.Name))
		}
	}
	tw.Flush()
}
