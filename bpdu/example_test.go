package bpdu_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/bpdu"
)

// Who took the ports of a node? The switch's log has the source MAC, the
// cloud's ports tell whose it is.
func Example() {
	line := "Feb 15 01:40:18 SW-1 Stp: %SPANTREE-4-BLOCK_BPDUGUARD: Received BPDU packet on Port-Channel35 " +
		"with BPDU guard enabled. Disabling interface. (source mac fa:16:3e:24:e7:22)\n"
	log, err := bpdu.ReadLog(context.Background(), strings.NewReader(line), "switches.log",
		bpdu.LogOptions{Now: time.Date(2024, 3, 1, 0, 0, 0, 0, time.UTC)})
	if err != nil {
		fmt.Println(err)
		return
	}
	cloud := &bpdu.Cloud{}
	if err := cloud.ReadPorts(strings.NewReader(`{"ports": [{"id": "11111111-1111", "mac_address": "fa:16:3e:24:e7:22",
		"project_id": "p1", "device_id": "s1", "binding:host_id": "node1"}]}`)); err != nil {
		fmt.Println(err)
		return
	}
	r := bpdu.Check(&bpdu.Snapshot{Subject: "site", Log: &log, Cloud: cloud})
	fmt.Println(r.Status)
	for _, f := range r.Findings {
		fmt.Println(f.Code, f.Subject)
	}
	// Output:
	// fail
	// port-disabled-by-bpdu SW-1 Port-Channel35
	// bpdu-source SW-1 Port-Channel35 at 2024-02-15T01:40:18Z
}

// Filter all taps of this host, as a dry run: the zero Options change nothing.
func ExamplePlan() {
	ctx := context.Background()
	var kernel bpdu.Kernel
	host, err := kernel.Observe(ctx)
	if err != nil {
		return // not Linux
	}
	plan, err := bpdu.Plan(&bpdu.Snapshot{Subject: host.Name, Host: host}, bpdu.Selection{All: true}, bpdu.PlanOptions{Now: time.Now()})
	if err != nil {
		return
	}
	result, err := stackmend.Run(ctx, plan, bpdu.NewApplier(kernel), stackmend.Options{})
	_, _ = result, err
}
