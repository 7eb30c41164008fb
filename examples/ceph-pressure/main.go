// Ceph-pressure takes pressure off a Ceph cluster whose recovery leaves no room
// for clients, and puts back what it changed. Without -apply it changes nothing.
//
//	ceph-pressure ease -plan /var/tmp/ease.json              # what would be done; keep this file
//	ceph-pressure ease -run /var/tmp/ease.json -apply        # do it
//	ceph-pressure restore -earlier /var/tmp/ease.json -apply # put back what is still ours, days later too
//	ceph-pressure flags -flag noout@host1 -flag norebalance -apply
//	ceph-pressure ease -revert -apply -journal FILE          # after the program was killed
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph"
	"github.com/stackmend/stackmend/ceph/pressure"
	"github.com/stackmend/stackmend/examples/cli"
)

var verbs = []string{"ease", "restore", "flags"}

func main() {
	verb := ""
	if len(os.Args) > 1 && slices.Contains(verbs, os.Args[1]) {
		verb = os.Args[1]
		os.Args = slices.Delete(os.Args, 1, 2)
	}
	os.Exit(cli.Main(tool(verb)))
}

// relief is one run.
type relief struct {
	verb    string
	to      ceph.CLI
	earlier string
	flags   cli.List
	seen    *ceph.Snapshot
}

func tool(verb string) cli.Tool {
	r := &relief{verb: verb}
	return cli.Tool{
		Name: "ceph-pressure", Brief: "ease|restore|flags: take pressure off a Ceph cluster, and put it back",
		Flags: r.define, Check: r.check, Plan: r.plan,
		Applier: func(context.Context, *stackmend.Plan) (stackmend.Applier, error) {
			return pressure.NewApplier(r.to, pressure.ApplierOptions{}), nil
		},
	}
}

func (r *relief) define(fs *flag.FlagSet) {
	fs.StringVar(&r.to.Conf, "conf", "", "the cluster's `ceph.conf`")
	fs.StringVar(&r.to.ID, "id", "", "the `user`, without \"client.\"")
	fs.StringVar(&r.to.Keyring, "keyring", "", "the user's keyring `FILE`")
	fs.StringVar(&r.earlier, "earlier", "", "restore: put back what the plan in `FILE` changed")
	fs.Var(&r.flags, "flag", "flags: set `NAME` or NAME@HOST; may be repeated")
}

func (r *relief) check(ctx context.Context) (stackmend.Result, error) {
	switch {
	case r.verb == "":
		return stackmend.Result{}, cli.Usage("say ease, restore or flags first")
	case (r.verb == "restore") != (r.earlier != ""):
		return stackmend.Result{}, cli.Usage("restore needs -earlier FILE, and nothing else takes it")
	case (r.verb == "flags") != (len(r.flags) > 0):
		return stackmend.Result{}, cli.Usage("flags needs -flag NAME, and nothing else takes it")
	}
	var err error
	if r.seen, err = ceph.Observe(ctx, r.to, ceph.Options{}); err != nil {
		return stackmend.Result{}, err
	}
	return ceph.Check(ceph.Observed{Cluster: r.seen}, ceph.Policy{}), nil
}

func (r *relief) plan(context.Context) (*stackmend.Plan, error) {
	switch r.verb {
	case "restore":
		b, err := os.ReadFile(r.earlier)
		if err != nil {
			return nil, err
		}
		earlier := &stackmend.Plan{}
		if err := json.Unmarshal(b, earlier); err != nil {
			return nil, fmt.Errorf("-earlier %s: %w", r.earlier, err)
		}
		return pressure.PlanRestore(earlier, r.seen, pressure.Policy{}), nil
	case "flags":
		return pressure.PlanFlags(r.flags, r.seen, pressure.Policy{}), nil
	}
	return pressure.PlanEase(r.seen, pressure.Policy{}), nil
}
