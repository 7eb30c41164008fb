package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/examples/cli"
	"github.com/stackmend/stackmend/mtu"
)

// tool is what the flags say and what was observed.
type tool struct {
	fs *flag.FlagSet

	links, features, pcaps, wires, set        cli.List
	nova, neutron, probes, from               cli.List
	networks, cloud, ovn, svg, netns, session string
	raise                                     int
	confirm                                   time.Duration
	ownLink                                   bool

	snapshot mtu.Snapshot
	paths    []mtu.Path
	kept     []stackmend.Kept
	dog      *mtu.Watchdog
}

func (t *tool) tool() cli.Tool {
	return cli.Tool{
		Name: "mtu", Brief: "finds the link where frames stop fitting, before users find it",
		Flags: t.flags, Observe: t.observe, Seen: &t.snapshot, Check: t.check, Plan: t.plan, Applier: t.applier, Options: t.options, Table: t.table, Pictures: t.pictures,
	}
}

func (t *tool) flags(fs *flag.FlagSet) {
	t.fs = fs
	fs.Var(&t.links, "links", "judge the output of `ip -d -j link` (or addr) in `[NAME=]FILE` instead of this host; repeatable")
	fs.Var(&t.features, "features", "output of `ethtool -k` for a host given by -links, as `NAME=FILE`; repeatable")
	fs.StringVar(&t.netns, "netns", "", "also judge these network namespaces, `NAMES` separated by commas, or all")
	fs.Var(&t.wires, "wire", "what a port is connected to: `[HOST/]PORT=FRAME` (largest frame in bytes with header and tags) or HOST/PORT=HOST/PORT; repeatable")
	fs.Var(&t.nova, "nova-conf", "read nova.conf or a config folder from `PATH`; repeatable")
	fs.Var(&t.neutron, "neutron-conf", "read neutron.conf, ml2_conf.ini, an agent's file from `PATH`; repeatable, later ones win")
	fs.StringVar(&t.ovn, "ovn-bridge-mappings", "", "external_ids:ovn-bridge-mappings, as `PHYSNET:BRIDGE,...`")
	fs.StringVar(&t.networks, "networks", "", "read the answer to GET /v2.0/networks from `FILE`")
	fs.StringVar(&t.cloud, "os-cloud", "", "ask the network API of cloud `NAME` of clouds.yaml, as an administrator")
	fs.Var(&t.from, "from", "judge only paths from `[HOST/]LINK`; repeatable")
	fs.Var(&t.probes, "probe", "measure the path to `ADDR`, with ICMP, or udp:ADDR:PORT, or tcp:ADDR:PORT; repeatable")
	fs.Var(&t.pcaps, "pcap", "follow pings through captures, `POINT=FILE` in the order of the path; repeatable")
	fs.StringVar(&t.svg, "svg", "", "draw the paths that are limited, or all, to `FILE`")
	fs.Var(&t.set, "set", "plan an MTU, `LINK=MTU`; repeatable")
	fs.IntVar(&t.raise, "raise", 0, "plan what the links of the path given by -from need for packets of `BYTES`")
	fs.DurationVar(&t.confirm, "confirm", 0, "set everything back unless confirmed within `this long`, also if this program dies (not over a reboot)")
	fs.StringVar(&t.session, "session", "", "the `ADDR` from which you work, whose link is not touched (default: from SSH_CONNECTION, which sudo drops)")
	fs.BoolVar(&t.ownLink, "allow-own-link", false, "with -confirm: also change links that carry this session or the default route")
}

func (t *tool) check(ctx context.Context) (stackmend.Result, error) {
	began := t.snapshot.Taken
	if t.oneByOne() {
		r, err := t.checkEach(ctx)
		r.Started, r.Finished = began, time.Now()
		return r, errors.Join(err, t.draw())
	}
	r := mtu.Check(&t.snapshot)
	r.Started, r.Finished = began, time.Now()
	paths, err := mtu.Paths(t.snapshot.Hosts, t.snapshot.Wires)
	if err != nil {
		return r, nil // Check has said so
	}
	t.paths = t.chosen(paths)
	return r, t.draw()
}

// chosen are the paths to show: those asked for, or those that are limited,
// or, if none is, all of a small host.
func (t *tool) chosen(paths []mtu.Path) []mtu.Path {
	const most = 32
	if len(t.snapshot.From) > 0 {
		paths = slices.DeleteFunc(paths, func(p mtu.Path) bool {
			return !slices.ContainsFunc(t.snapshot.From, func(f mtu.Port) bool {
				return f.Link == p.Entrance().Link && (f.Host == "" || f.Host == p.Host)
			})
		})
	} else if limited := slices.DeleteFunc(slices.Clone(paths), func(p mtu.Path) bool {
		return p.Largest >= p.Entrance().MTU
	}); len(limited) > 0 {
		paths = limited
	}
	return paths[:min(len(paths), most)]
}

func (t *tool) table(w io.Writer) {
	_ = mtu.WriteText(w, t.paths...)
	for _, r := range t.snapshot.Probes {
		note(w, "%v\n", r)
	}
	for _, c := range t.snapshot.Configs {
		for _, h := range t.snapshot.Hosts {
			if d, err := mtu.NovaDiff(os.DirFS("/"), c, h); err == nil && d != "" {
				note(w, "on %s, as a patch for / :\n%s", h.Name, d)
			}
		}
	}
	for _, k := range t.kept {
		note(w, "%s: %s\n", k.Target, k.Reason)
	}
}

func (t *tool) draw() error {
	if t.svg == "" {
		return nil
	}
	f, err := os.Create(t.svg)
	if err != nil {
		return err
	}
	if err := mtu.WriteSVG(f, t.paths...); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

func (t *tool) pictures() ([]cli.Part, error) {
	if len(t.paths) == 0 {
		return nil, nil
	}
	var b bytes.Buffer
	err := mtu.WriteSVG(&b, t.paths...)
	return []cli.Part{{SVG: b.Bytes(), Caption: "the paths, and the links that limit them"}}, err
}

func (t *tool) plan(context.Context) (*stackmend.Plan, error) {
	if len(t.set) == 0 && t.raise == 0 {
		return nil, nil
	}
	if len(t.links) > 0 {
		return nil, cli.Usage("-set and -raise plan for this host, not for -links")
	}
	h := t.snapshot.Hosts[0]
	changes, err := t.changes(h)
	if err != nil {
		return nil, err
	}
	p, err := mtu.Plan(h, changes, mtu.PlanOptions{Now: time.Now(), Confirm: t.confirm > 0})
	if err == nil {
		t.kept = p.Kept // the lines that make it stay: operators want to read them
	}
	return p, err
}

func (t *tool) changes(h mtu.Host) ([]mtu.Change, error) {
	var out []mtu.Change
	for _, s := range t.set {
		link, value, _ := strings.Cut(s, "=")
		var n int
		if _, err := fmt.Sscanf(value, "%d", &n); err != nil {
			return nil, cli.Usage("-set %s: want LINK=MTU", s)
		}
		out = append(out, mtu.Change{Link: link, MTU: n})
	}
	if t.raise == 0 {
		return out, nil
	}
	if len(t.snapshot.From) != 1 || len(t.paths) == 0 {
		return nil, cli.Usage("-raise needs one -from")
	}
	more, err := mtu.Raise(h, t.paths[0], t.raise)
	return append(out, more...), err
}

func (t *tool) applier(_ context.Context, p *stackmend.Plan) (stackmend.Applier, error) {
	if t.journal() == "" {
		dir := "/var/lib/stackmend"
		if err := os.MkdirAll(dir, 0o700); err == nil {
			_ = t.fs.Set("journal", filepath.Join(dir, "mtu.journal"))
		}
	}
	n, err := mtu.ThisNamespace(p.Subject)
	if err != nil {
		return nil, err
	}
	from := t.session
	if from == "" {
		from, _, _ = strings.Cut(os.Getenv("SSH_CONNECTION"), " ")
	}
	addrs, err := session(from)
	if err != nil {
		return nil, err
	}
	o := mtu.ApplierOptions{Session: addrs, OwnLink: t.ownLink && t.confirm > 0}
	if t.confirm > 0 {
		o.Confirm = mtu.ConfirmFile(t.journal() + ".confirm")
	}
	return mtu.NewApplier(n, o), nil
}

func (t *tool) journal() string { return t.fs.Lookup("journal").Value.String() }

// options starts the watchdog of a run that is to be confirmed.
func (t *tool) options(o *stackmend.Options) {
	if o.Mode != stackmend.Apply || t.confirm == 0 {
		return
	}
	o.MaxWait = t.confirm
	const own = 2 * time.Minute // what the changes themselves, and setting them back, may take
	g := mtu.Guarded{Journal: t.journal(), Parent: os.Getpid(), Deadline: time.Now().Add(t.confirm + own)}
	cmd := exec.Command("/proc/self/exe", append([]string{watchdogArg}, g.Args()...)...)
	dog, err := mtu.StartWatchdog(cmd)
	if err != nil {
		o.Guards = append(o.Guards, stackmend.GuardFunc("watchdog", func(context.Context, stackmend.Request) (stackmend.Verdict, error) {
			return stackmend.Verdict{Reason: "no watchdog, no change"}, err
		}))
		return
	}
	t.dog = dog
	note(os.Stderr, "mtu: to keep the changes, within %v and best from a new session:\n  echo PLAN-ID > %s.confirm\n", t.confirm, t.journal())
}

func note(w io.Writer, format string, args ...any) { _ = cli.Note(w, format, args...) }

// standDown ends the watchdog after the run.
func (t *tool) standDown(status int) int {
	if t.dog == nil {
		return status
	}
	if err := t.dog.Done(); err != nil {
		note(os.Stderr, "mtu: %v\n", err)
	}
	return status
}
