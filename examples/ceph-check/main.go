// Ceph-check tells why a Ceph cluster does not recover. It changes nothing.
//
//	ceph-check                                   # by the ceph command, as client.admin
//	ceph-check -id watch -keyring /etc/ceph/ceph.client.watch.keyring
//	ceph-check -backend librados -interval 30s   # two looks: what moves, and how fast
//	ceph-check -host -asok /run/ceph             # this host too, and its OSDs by their sockets
//	ceph-check -record /var/tmp/bugreport        # and keep what was seen, without secrets
//	ceph-check -replay /var/tmp/bugreport        # judge what somebody else has seen
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph"
	"github.com/stackmend/stackmend/examples/cli"
	"github.com/stackmend/stackmend/internal/recording"
)

func main() { os.Exit(cli.Main(tool())) }

// check is one run.
type check struct {
	replay, record, earlier       string
	conf, id, keyring, backend    string
	asok, clusterLog, places      string
	osdLogs                       cli.List
	host, onlyHost, noDaemons     bool
	interval, timeout, hostPeriod time.Duration

	observed ceph.Observed
}

func tool() cli.Tool {
	c := &check{}
	return cli.Tool{
		Name: "ceph-check", Brief: "why does this Ceph cluster not recover?",
		Flags: c.flags, Check: c.check, Table: c.table,
	}
}

func (c *check) flags(fs *flag.FlagSet) {
	fs.StringVar(&c.replay, "replay", "", "judge the recording in `DIR`, or that in a FILE of capture, and reach no cluster")
	fs.StringVar(&c.record, "record", "", "record what is seen into `DIR`, which must be empty; secrets are removed")
	fs.StringVar(&c.earlier, "earlier", "", "compare with an earlier recording in `DIR`: what drains, what moves")
	fs.StringVar(&c.conf, "conf", "", "the cluster's `ceph.conf`")
	fs.StringVar(&c.id, "id", "", "the `user`, without \"client.\"")
	fs.StringVar(&c.keyring, "keyring", "", "the user's keyring `FILE`")
	fs.StringVar(&c.backend, "backend", "cli", "`cli`: the ceph command in a child that can be killed, or librados")
	fs.StringVar(&c.asok, "asok", "", "ask the OSDs of this host by their admin sockets below `DIR`, such as /run/ceph")
	fs.BoolVar(&c.host, "host", false, "check this host too")
	fs.BoolVar(&c.onlyHost, "only-host", false, "check this host and reach no cluster")
	fs.DurationVar(&c.hostPeriod, "host-between", 5*time.Second, "time between the two looks at this host")
	fs.Var(&c.osdLogs, "osd-log", "read the log of an OSD in `FILE`; may be repeated")
	fs.StringVar(&c.clusterLog, "cluster-log", "", "read the cluster log in `FILE`: the monitors remember minutes only")
	fs.StringVar(&c.places, "places", "", "where storage addresses are, a `FILE` of JSON: {\"192.0.2.7\": {\"Host\": \"stor7\", \"Switch\": \"leaf2\"}}; for retransmissions")
	fs.BoolVar(&c.noDaemons, "no-daemons", false, "do not ask the OSDs themselves; what rests on them is then unknown")
	fs.DurationVar(&c.interval, "interval", 0, "look twice, `this long` apart")
	fs.DurationVar(&c.timeout, "command-timeout", 30*time.Second, "the longest time for one command")
}

func (c *check) valid() error {
	switch {
	case c.replay != "" && (c.record != "" || c.conf != "" || c.id != "" || c.keyring != "" || c.asok != "" || c.interval != 0):
		return cli.Usage("-replay reaches no cluster, so -record, -conf, -id, -keyring, -asok and -interval say nothing")
	case c.onlyHost && (c.replay != "" || c.record != "" || c.interval != 0):
		return cli.Usage("-only-host reaches no cluster")
	case c.backend != "cli" && c.backend != "librados":
		return cli.Usage("-backend is cli or librados, not %q", c.backend)
	case c.interval < 0 || c.timeout <= 0 || c.hostPeriod <= 0:
		return cli.Usage("a time that is not positive")
	}
	return nil
}

// check observes what the flags name, and judges it.
func (c *check) check(ctx context.Context) (stackmend.Result, error) {
	if err := c.valid(); err != nil {
		return stackmend.Result{}, err
	}
	policy, err := c.policy()
	if err != nil {
		return stackmend.Result{}, err
	}
	for _, look := range c.looks() {
		if err := look(ctx); err != nil {
			return stackmend.Result{}, err
		}
	}
	return ceph.Check(c.observed, policy), nil
}

// looks are where to look: at what was captured, or at what the flags name.
func (c *check) looks() []func(context.Context) error {
	if i, err := os.Stat(c.replay); err == nil && i.Mode().IsRegular() {
		return []func(context.Context) error{c.captured}
	}
	return []func(context.Context) error{c.logs, c.thisHost, c.cluster}
}

// captured reads what examples/capture has observed.
func (c *check) captured(context.Context) error {
	a, err := recording.Open(c.replay)
	if err != nil {
		return err
	}
	defer a.Close()
	return a.Snapshot("ceph-check", &c.observed)
}

// policy is the default one, with the map of the network if there is one.
func (c *check) policy() (p ceph.Policy, err error) {
	if c.places == "" {
		return p, nil
	}
	b, err := os.ReadFile(c.places)
	if err != nil {
		return p, cli.Usage("-places: %v", err)
	}
	if err := json.Unmarshal(b, &p.Places); err != nil {
		return p, cli.Usage("-places %s: %v", c.places, err)
	}
	return p, nil
}

func (c *check) logs(context.Context) error {
	for _, name := range c.osdLogs {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		log, err := ceph.ReadOSDLog(name, f)
		f.Close()
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		c.observed.OSDLogs = append(c.observed.OSDLogs, log)
	}
	if c.clusterLog == "" {
		return nil
	}
	f, err := os.Open(c.clusterLog)
	if err != nil {
		return err
	}
	defer f.Close()
	if c.observed.ClusterLog, err = ceph.ReadClusterLog(f); err != nil {
		return fmt.Errorf("%s: %w", c.clusterLog, err)
	}
	return nil
}

func (c *check) thisHost(ctx context.Context) (err error) {
	if c.host || c.onlyHost {
		c.observed.Host, err = ceph.ObserveHost(ctx, ceph.HostOptions{Between: c.hostPeriod})
	}
	return err
}

func (c *check) cluster(ctx context.Context) (err error) {
	if c.onlyHost {
		return nil
	}
	o := ceph.Options{Timeout: c.timeout, NoDaemons: c.noDaemons}
	if c.earlier != "" {
		if c.observed.Earlier, err = ceph.Observe(ctx, ceph.Recorded{FS: os.DirFS(c.earlier)}, o); err != nil {
			return fmt.Errorf("-earlier: %w", err)
		}
	}
	to, done, err := c.commander(ctx)
	if err != nil {
		return err
	}
	defer done()
	if c.interval > 0 {
		quick := o
		quick.NoDaemons = true
		if c.observed.Earlier, err = ceph.Observe(ctx, to, quick); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(c.interval):
		}
	}
	to, stop, err := c.recorder(to)
	if err != nil {
		return err
	}
	defer stop()
	c.observed.Cluster, err = ceph.Observe(ctx, to, o)
	return err
}

// table prints the cluster in a few lines.
func (c *check) table(w io.Writer) {
	s := c.observed.Cluster
	if s == nil {
		return
	}
	up, in := 0, 0
	for _, o := range s.OSDs {
		if o.Up {
			up++
		}
		if o.In {
			in++
		}
	}
	fmt.Fprintf(w, "  map     epoch %d, lowest OSD %s, flags %v\n", s.Epoch, s.Lowest(), s.Flags)
	fmt.Fprintf(w, "  osds    %d, %d up, %d in\n", len(s.OSDs), up, in)
	fmt.Fprintf(w, "  pgs     %d, log entries %d, snapshots to trim %d\n", s.PGs.Total, s.PGs.LogEntries, s.PGs.SnapQueue)
	fmt.Fprintf(w, "  objects %d, copies missing %d, misplaced %d, %.1f/s\n", s.Recovery.Objects, s.Recovery.Degraded, s.Recovery.Misplaced, s.Recovery.ObjectsPerSecond)
	if len(s.Unseen) > 0 {
		fmt.Fprintf(w, "  unseen  %d sources\n", len(s.Unseen))
	}
}
