package main

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/examples/cli"
	"github.com/stackmend/stackmend/imagecache"
	"github.com/stackmend/stackmend/imagecache/openstack"
)

// tool is the example: its flags, and what it has observed.
type tool struct {
	instances, quarantine, novaConf string
	cloud, services                 string
	servers, restore, novaLogs      cli.List
	gone, elsewhere                 cli.Pairs
	minAge, retention               cli.Age
	purge, rescue                   bool

	proc string // in place of /proc
	site imagecache.Site
	seen *imagecache.Snapshot
}

func (t *tool) cli() cli.Tool {
	return cli.Tool{
		Name:  "imagecache",
		Brief: "which base images of nova's image cache does anybody still need?",
		Flags: t.flags, Observe: t.observe, Seen: &t.seen, Check: t.check, Plan: t.plan, Applier: t.applier, Options: t.options, Table: t.table,
	}
}

func (t *tool) flags(fs *flag.FlagSet) {
	fs.StringVar(&t.instances, "instances", "", "nova's instances_path, `DIR` or HOSTDIR=GUESTDIR where a container sees it elsewhere")
	fs.StringVar(&t.novaConf, "nova-conf", "", "nova.conf of this host, a `FILE` or directory")
	fs.StringVar(&t.cloud, "os-cloud", "", "ask the APIs of cloud `NAME` of clouds.yaml, as an administrator")
	fs.StringVar(&t.services, "services", "", "instead of the API: `FILE` with the JSON of GET /os-services")
	fs.Var(&t.servers, "servers", "instead of the API: `FILE` with the JSON of GET /servers/detail; repeat it for all_tenants=1 and soft_deleted=true")
	fs.Var(&t.minAge, "min-age", "keep unused images touched within this `age` (default 7d)")
	fs.StringVar(&t.quarantine, "quarantine", "", "where unused images go: `DIR` on the same filesystem, outside of _base")
	fs.Var(&t.restore, "restore", "put image `NAME` back from the quarantine; may be repeated")
	fs.BoolVar(&t.purge, "purge", false, "delete from the quarantine what lay there longer than -retention; cannot be undone")
	fs.Var(&t.retention, "retention", "how long images stay in the quarantine before -purge, an `age` (default 30d)")
	fs.BoolVar(&t.rescue, "rescue", false, "copy back deleted images that a qemu of this host still has open")
	fs.Var(&t.gone, "gone", "`HOST=REASON`: this compute will never come back; may be repeated")
	fs.Var(&t.elsewhere, "elsewhere", "`HOST=REASON`: this compute does not share the directory; may be repeated")
	fs.Var(&t.novaLogs, "nova-log", "nova log, or directory of logs with a folder for each host, `PATH`; may be repeated")
}

// valid refuses flags that do not go together.
func (t *tool) valid() error {
	jobs := 0
	for _, on := range []bool{len(t.restore) > 0, t.purge, t.rescue} {
		if on {
			jobs++
		}
	}
	switch {
	case t.instances == "":
		return cli.Usage("-instances DIR is missing")
	case jobs > 1:
		return cli.Usage("-restore, -purge and -rescue exclude each other")
	case (len(t.restore) > 0 || t.purge) && t.quarantine == "":
		return cli.Usage("-quarantine DIR is missing")
	case t.cloud != "" && (t.services != "" || len(t.servers) > 0):
		return cli.Usage("-os-cloud and -services, -servers exclude each other")
	case (t.services == "") != (len(t.servers) == 0):
		return cli.Usage("-services and -servers go together")
	}
	return nil
}

// prepare turns the flags into the site.
func (t *tool) prepare() error {
	if err := t.valid(); err != nil {
		return err
	}
	site, err := imagecache.ParseDir(t.instances)
	if err != nil {
		return cli.Usage("-instances: %v", err)
	}
	if t.quarantine != "" {
		if site.Quarantine, err = filepath.Abs(t.quarantine); err != nil {
			return err
		}
	}
	if err := site.Validate(); err != nil {
		return cli.Usage("%v", err)
	}
	site.Proc = t.proc
	t.site = site
	return nil
}

func (t *tool) policy() imagecache.Policy {
	return imagecache.Policy{MinAge: time.Duration(t.minAge), Retention: time.Duration(t.retention), Gone: t.gone, Elsewhere: t.elsewhere}
}

func (t *tool) check(context.Context) (stackmend.Result, error) {
	return imagecache.Check(t.seen, t.policy())
}

// plan makes the plan of the job that the flags name; none of them: no plan.
func (t *tool) plan(context.Context) (*stackmend.Plan, error) {
	switch {
	case len(t.restore) > 0:
		return imagecache.Restore(t.seen, t.restore, t.policy())
	case t.purge:
		return imagecache.Purge(t.seen, t.policy())
	case t.rescue:
		return imagecache.Rescue(t.seen, t.policy())
	case t.quarantine != "":
		return imagecache.Quarantine(t.seen, t.policy())
	}
	return nil, nil
}

// applier carries a plan out, also one of an earlier process.
func (t *tool) applier(ctx context.Context, _ *stackmend.Plan) (stackmend.Applier, error) {
	src, err := t.sources(ctx)
	if err != nil {
		return nil, err
	}
	return imagecache.NewApplier(t.site, src.Fleet)
}

// options permits what cannot be undone to -purge alone.
// A guard reads the whole fleet anew, which takes the API its time.
func (t *tool) options(o *stackmend.Options) {
	o.Irreversible = t.purge
	o.GuardTimeout = openstack.DefaultTimeout
}

// fleet is who answers for the computes and servers: files, the API, nobody.
func (t *tool) fleet(ctx context.Context) (imagecache.FleetReader, *imagecache.Glance, error) {
	switch {
	case t.services != "":
		return imagecache.FleetFiles(t.services, t.servers...), nil, nil
	case t.cloud == "":
		return nil, nil, nil
	}
	c, err := openstack.Login(ctx, t.cloud, os.Getenv)
	if err != nil {
		return nil, nil, err
	}
	return openstack.New(c.Compute, c.Identity), openstack.Glance(ctx, c.Image, c.Identity), nil
}
