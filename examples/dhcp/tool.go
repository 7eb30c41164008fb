package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/dhcp"
	"github.com/stackmend/stackmend/examples/cli"
)

// settings are the tool's own flags, and what was observed.
type settings struct {
	logs      map[dhcp.Format]*cli.List
	captures  map[dhcp.Point]*cli.List
	instances cli.List
	only      cli.List
	since     cli.Age
	zone      string
	until     string
	boot      string
	svg       string
	host      bool
	follow    bool
	revive    rescue
	soak      soak
	changes   io.Writer // where -follow tells
	snapshot  *dhcp.Snapshot
}

// formats are the flags of logs.
var formats = []struct {
	flag   string
	format dhcp.Format
	what   string
}{
	{"dnsmasq", dhcp.Dnsmasq, "the server's: dnsmasq"},
	{"dhcpd", dhcp.Dhcpd, "the server's: ISC dhcpd"},
	{"kea", dhcp.Kea, "the server's: Kea"},
	{"dhclient", dhcp.Dhclient, "a client's: ISC dhclient"},
	{"dhcpcd", dhcp.Dhcpcd, "a client's: dhcpcd"},
	{"udhcpc", dhcp.Udhcpc, "a client's: busybox udhcpc"},
	{"networkd", dhcp.Networkd, "a client's: systemd-networkd"},
	{"console", dhcp.Console, "a client's: nova's console log"},
	{"log", dhcp.Auto, "of any of these, by the programs that it names"},
}

var points = []struct {
	flag  string
	point dhcp.Point
}{{"server-pcap", dhcp.ServerCapture}, {"client-pcap", dhcp.ClientCapture}, {"tap-pcap", dhcp.TapCapture}}

func tool(changes io.Writer) cli.Tool {
	s := &settings{changes: changes, logs: map[dhcp.Format]*cli.List{}, captures: map[dhcp.Point]*cli.List{}}
	return cli.Tool{
		Name:     "dhcp",
		Brief:    "say who is to blame when an instance loses its lease",
		Flags:    s.flags,
		Observe:  s.observe,
		Seen:     &s.snapshot,
		Check:    s.check,
		Plan:     s.plan,
		Applier:  s.applier,
		Options:  s.revive.options,
		Table:    s.table,
		Pictures: s.pictures,
	}
}

func (s *settings) flags(f *flag.FlagSet) {
	for _, l := range formats {
		s.logs[l.format] = &cli.List{}
		f.Var(s.logs[l.format], l.flag, "read the log in `[MAC=]FILE` with its rotated files, or - for stdin; "+l.what+"; may be repeated")
	}
	for _, p := range points {
		s.captures[p.point] = &cli.List{}
		f.Var(s.captures[p.point], p.flag, "read the capture in `[MAC=]FILE`, pcap or pcapng, that was taken there; may be repeated")
	}
	f.Var(&s.instances, "instances", "`FILE` with the JSON of GET /v2.0/ports, or a list of mac, name, host, bridge, tap, domain; or virsh, which asks -virsh for the running domains; may be repeated")
	f.Var(&s.only, "mac", "judge this `MAC` alone; may be repeated")
	f.Var(&s.since, "since", "leave out what is told to be before this `AGE`, such as 24h or 7d")
	f.StringVar(&s.until, "until", "", "`TIME` up to which logs and captures were being written (RFC 3339, or now); without it their last lines tell, and of a client whose lease ran out since then nothing is said")
	f.StringVar(&s.zone, "zone", "UTC", "time `ZONE` of the logs where they do not say it")
	f.StringVar(&s.boot, "boot", "", "`TIME` (RFC 3339) at which the instance of a console log started")
	f.StringVar(&s.svg, "svg", "", "draw the conversation of the first client in trouble, or of -mac, to `FILE`")
	f.BoolVar(&s.host, "host", false, "look at this node for known culprits: taps, qemu, dnsmasq")
	f.BoolVar(&s.follow, "follow", false, "follow the logs and tell of each change on stderr, until interrupted or -timeout")
	s.revive.flags(f)
	s.soak.flags(f)
}

// observe reads what the flags name.
func (s *settings) observe(ctx context.Context) error {
	o, err := s.options(time.Now())
	if err != nil {
		return err
	}
	inputs, err := s.inputs()
	if err == nil {
		err = s.valid()
	}
	if err != nil {
		return err
	}
	for _, read := range []func(context.Context) error{s.readInstances, s.readCloud, s.readHost} {
		if err := read(ctx); err != nil {
			return err
		}
	}
	if s.follow {
		return s.followLogs(ctx, inputs, o)
	}
	return s.read(ctx, inputs, o)
}

func (s *settings) check(context.Context) (stackmend.Result, error) {
	r := dhcp.Check(s.snapshot)
	r.Finished = time.Now()
	return r, s.draw()
}

// options begins the snapshot, too.
func (s *settings) options(now time.Time) (o dhcp.ReadOptions, err error) {
	s.snapshot = &dhcp.Snapshot{Taken: now}
	o.Now = now
	if o.Zone, err = time.LoadLocation(s.zone); err != nil {
		return o, cli.Usage("-zone: %v", err)
	}
	if s.since > 0 {
		o.Since = s.since.Before(now)
	}
	if s.until == "now" {
		s.snapshot.Until = now
	} else if s.snapshot.Until, err = instant(s.until); err != nil {
		return o, cli.Usage("-until: %v", err)
	}
	if o.Boot, err = instant(s.boot); err != nil {
		return o, cli.Usage("-boot: %v", err)
	}
	for _, text := range s.only {
		m, err := dhcp.ParseMAC(text)
		if err != nil {
			return o, cli.Usage("-mac: %v", err)
		}
		s.snapshot.Only = append(s.snapshot.Only, m)
	}
	return o, nil
}

func instant(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	return time.Parse(time.RFC3339, text)
}

func (s *settings) readInstances(ctx context.Context) error {
	for _, path := range s.instances {
		if path == "virsh" {
			list, err := s.revive.libvirt().Instances(ctx)
			if err != nil {
				return err
			}
			s.snapshot.Instances = append(s.snapshot.Instances, list...)
			continue
		}
		f, err := os.Open(path)
		if err != nil {
			return cli.Usage("-instances: %v", err)
		}
		list, err := dhcp.ReadInstances(f)
		f.Close()
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		s.snapshot.Instances = append(s.snapshot.Instances, list...)
	}
	return nil
}

func (s *settings) readHost(ctx context.Context) error {
	if !s.host {
		return nil
	}
	name, err := os.Hostname()
	if err != nil {
		name = "this host"
	}
	s.snapshot.Host, err = dhcp.ObserveHost(ctx, os.DirFS("/"), name)
	return err
}

// inputs are the files that the flags name.
func (s *settings) inputs() ([]input, error) {
	var all []input
	for _, l := range formats {
		for _, word := range *s.logs[l.format] {
			all = append(all, input{flag: l.flag, word: word, format: l.format})
		}
	}
	for _, p := range points {
		for _, word := range *s.captures[p.point] {
			all = append(all, input{flag: p.flag, word: word, point: p.point})
		}
	}
	if len(all) == 0 {
		return nil, cli.Usage("give a log or a capture: -dnsmasq, -dhclient, -server-pcap, ...")
	}
	var names []string
	for i := range all {
		if err := all[i].split(); err != nil {
			return nil, err
		}
		names = append(names, filepath.Base(all[i].path))
	}
	if s.snapshot != nil {
		s.snapshot.Subject = strings.Join(names, " ")
	}
	return all, nil
}

// shown is the conversation that is drawn: of -mac, or of the first client in
// trouble, or of the only one.
func (s *settings) shown() (found dhcp.Conversation, ok bool) {
	n := 0
	for c := range dhcp.Converse(s.snapshot) {
		n++
		bad := dhcp.JudgeOne(c).Code != dhcp.Healthy
		if !ok && bad || n == 1 && !ok {
			found, ok = c, bad || len(s.snapshot.Only) > 0
		}
	}
	return found, ok || n == 1
}

func (s *settings) draw() error {
	if s.svg == "" {
		return nil
	}
	c, ok := s.shown()
	if !ok {
		return cli.Usage("-svg: no client is in trouble: name one by -mac")
	}
	var b bytes.Buffer
	if err := dhcp.WriteDiagramSVG(&b, c); err != nil {
		return err
	}
	return os.WriteFile(s.svg, b.Bytes(), 0o644)
}

func (s *settings) pictures() ([]cli.Part, error) {
	if s.snapshot == nil {
		return nil, nil
	}
	c, ok := s.shown()
	if !ok {
		return nil, nil
	}
	var b bytes.Buffer
	err := dhcp.WriteDiagramSVG(&b, c)
	return []cli.Part{{Title: "The conversation", SVG: b.Bytes(), Caption: "what the sides saw of the client's messages"}}, err
}

// table shows what was read, and the conversation.
func (s *settings) table(w io.Writer) {
	if s.snapshot == nil { // a plan of an earlier process is carried out
		return
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, trace := range s.snapshot.Traces {
		fmt.Fprintf(t, "%s\t%s\t%d clients\t%d of %s\t%s to %s\n", cli.Clean(trace.Name), trace.Point, len(trace.Tracks), trace.Units, unit(trace),
			trace.From.UTC().Format("2006-01-02T15:04:05Z"), trace.Until.UTC().Format("2006-01-02T15:04:05Z"))
	}
	t.Flush()
	if s.since > 0 {
		fmt.Fprintf(w, "since %s\n", s.since.Before(s.snapshot.Taken).Format("2006-01-02T15:04:05Z"))
	}
	if c, ok := s.shown(); ok {
		fmt.Fprintln(w)
		_ = dhcp.WriteDiagram(w, c)
	}
}

func unit(t *dhcp.Trace) string {
	if t.Point.Capture() {
		return "frames"
	}
	return "lines that could matter"
}

// changed lists the verdicts that are not as they were, and remembers them.
func changed(verdicts []dhcp.Verdict, before map[dhcp.MAC]string) (out []dhcp.Verdict) {
	for _, v := range verdicts {
		now := v.Code + v.Status.String()
		if was, known := before[v.MAC]; was != now && (known || v.Code != dhcp.Healthy) {
			out = append(out, v)
		}
		before[v.MAC] = now
	}
	return slices.Clip(out)
}
