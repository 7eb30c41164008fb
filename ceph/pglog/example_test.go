package pglog_test

import (
	"context"
	"fmt"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph"
	"github.com/stackmend/stackmend/ceph/pglog"
	"github.com/stackmend/stackmend/ceph/supervisor"
)

// A dry run over the OSDs of this host, of which some are down.
func Example() {
	ctx := context.Background()
	config := pglog.Config{Cluster: ceph.CLI{ID: "admin"}, Supervisor: supervisor.Systemd{}}
	policy := pglog.Policy{MaxEntries: 500}

	snapshot, err := pglog.Observe(ctx, config, pglog.Options{Host: "stor1"})
	if err != nil {
		fmt.Println(err)
		return
	}
	plan := pglog.Plan(snapshot, policy)
	result, err := stackmend.Run(ctx, plan, pglog.NewApplier(config), stackmend.Options{})
	fmt.Println(result.Status, err)
}
