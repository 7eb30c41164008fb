package main

import (
	"context"
	"flag"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/dhcp"
	"github.com/stackmend/stackmend/dhcp/openstack"
	"github.com/stackmend/stackmend/examples/cli"
)

// A rescue is what the flags say of helping instances.
type rescue struct {
	macs           cli.List
	from           string
	wait, pause    time.Duration
	most           int
	virsh, restart string
	cloud          string
}

func (r *rescue) flags(f *flag.FlagSet) {
	f.Var(&r.macs, "revive", "plan the mildest remedy for the instance with this `MAC`, or for all whose verdict says that one can help; may be repeated")
	f.StringVar(&r.from, "from", "", "with -revive: leave out the remedies before this `REMEDY`, which were tried: link-down-up, guest-restart, port-down-up")
	f.DurationVar(&r.wait, "wait", 2*time.Minute, "with -revive: how long a lease or traffic is waited for")
	f.IntVar(&r.most, "instances-at-most", 1, "with -revive: touch `N` instances in one run")
	f.DurationVar(&r.pause, "pause", time.Minute, "with -revive: wait `this long` between two instances")
	f.StringVar(&r.virsh, "virsh", "virsh -c qemu:///system", "the `COMMAND` for libvirt on the instances' compute node, its words separated by spaces")
	f.StringVar(&r.cloud, "os-cloud", "", "ask the network API of cloud `NAME` of clouds.yaml which port has which MAC; with -revive, for the remedy port-down-up")
	f.StringVar(&r.restart, "restart", "", "what the guest's agent has /bin/sh do to restart networking, a `SCRIPT` (default: systemctl try-restart of what manages networks)")
}

func (r *rescue) libvirt() dhcp.Libvirt {
	l := dhcp.Libvirt{Command: strings.Fields(r.virsh)}
	if r.restart != "" {
		l.Restart = []string{"/bin/sh", "-c", r.restart}
	}
	return l
}

// options lets one instance wait for the other.
func (r *rescue) options(o *stackmend.Options) { o.MaxWait = max(o.MaxWait, r.pause+time.Second) }

// selection is what -revive names.
func (r *rescue) selection() (dhcp.Selection, error) {
	sel := dhcp.Selection{From: dhcp.Remedy(r.from)}
	for _, word := range r.macs {
		if word == "all" {
			sel.All = true
			continue
		}
		m, err := dhcp.ParseMAC(word)
		if err != nil {
			return sel, cli.Usage("-revive: %v", err)
		}
		sel.MACs = append(sel.MACs, m)
	}
	return sel, nil
}

// valid refuses what cannot be helped by, before anything is read.
func (s *settings) valid() error {
	switch {
	case len(s.revive.macs) > 0 && s.soak.all != 0:
		return cli.Usage("-revive and -soak exclude each other")
	case s.soak.all != 0:
		return s.soakable()
	case s.soak.given():
		return cli.Usage("-soak-... go with -soak")
	case len(s.revive.macs) > 0:
		return s.watchable("-revive")
	case s.revive.from != "":
		return cli.Usage("-from goes with -revive")
	}
	return nil
}

// watchable: a sign of life can be looked for, as a flag needs.
func (s *settings) watchable(flag string) error {
	inputs, err := s.inputs()
	switch {
	case err != nil:
		return err
	case s.follow:
		return cli.Usage("-follow only tells; it is not with %s", flag)
	case slices.ContainsFunc(inputs, func(in input) bool { return in.path == "-" }):
		return cli.Usage("%s reads the logs and captures again and again: not from stdin", flag)
	case s.until != "now":
		return cli.Usage("%s looks for signs of life in the logs and captures while it works: they must be being written, which -until now says", flag)
	case s.revive.wait <= 0 || s.revive.most < 1 || s.revive.pause <= 0:
		return cli.Usage("-wait, -pause and -instances-at-most must be more than nothing")
	}
	return nil
}

func (s *settings) plan(context.Context) (*stackmend.Plan, error) {
	switch {
	case s.soak.all != 0:
		return s.planSoak()
	case len(s.revive.macs) == 0:
		return nil, nil
	}
	sel, err := s.revive.selection()
	if err != nil {
		return nil, err
	}
	p, err := dhcp.Plan(s.snapshot, sel, dhcp.PlanOptions{Now: time.Now(), Wait: s.revive.wait})
	if err != nil {
		return nil, cli.Usage("%v", err)
	}
	return p, nil
}

// applier carries out a plan, also one of an earlier process.
func (s *settings) applier(ctx context.Context, p *stackmend.Plan) (stackmend.Applier, error) {
	if len(p.Steps) > 0 && p.Steps[0].Verb == dhcp.VerbSoak {
		return s.soaker(p)
	}
	if err := s.watchable("-revive"); err != nil {
		return nil, err
	}
	l := s.revive.libvirt()
	a := &dhcp.Applier{Link: l, Agent: l, Witness: dhcp.Observe(s.again), Instances: s.revive.most, Pause: s.revive.pause}
	if s.revive.cloud != "" {
		network, err := openstack.Login(ctx, s.revive.cloud, os.Getenv)
		if err != nil {
			return nil, err
		}
		a.Port = openstack.New(network)
	}
	return a, nil
}

// readCloud asks Neutron for the ports.
func (s *settings) readCloud(ctx context.Context) error {
	if s.revive.cloud == "" {
		return nil
	}
	network, err := openstack.Login(ctx, s.revive.cloud, os.Getenv)
	if err != nil {
		return err
	}
	list, err := openstack.Instances(ctx, network)
	s.snapshot.Instances = append(s.snapshot.Instances, list...)
	return err
}

// again reads the logs and captures anew.
func (s *settings) again(ctx context.Context) (*dhcp.Snapshot, error) {
	anew := *s
	o, err := anew.options(time.Now())
	if err != nil {
		return nil, err
	}
	inputs, err := anew.inputs()
	if err != nil {
		return nil, err
	}
	anew.snapshot.Only = nil
	return anew.snapshot, anew.read(ctx, inputs, o)
}
