package pressure_test

import (
	"context"
	"fmt"
	"os"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph"
	"github.com/stackmend/stackmend/ceph/pressure"
)

// What would take pressure off a cluster, here a recorded one.
func ExamplePlanEase() {
	to := ceph.Recorded{FS: os.DirFS("../testdata/pacific-healthy")}
	s, err := ceph.Observe(context.Background(), to, ceph.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	plan := pressure.PlanEase(s, pressure.Policy{})
	for _, step := range plan.Steps {
		fmt.Println(step)
	}
	for _, why := range plan.Refusals {
		fmt.Println("refused:", why)
	}
	// Output:
	// set-config osd osd_recovery_max_active
	// set-config osd osd_recovery_op_priority
	// set-config osd osd_recovery_sleep
	// confirm 8a1b7f1e-0c57-4e0b-9a35-c3f0c3f00001
}

// Recovery is eased with a journal, and put back from what the journal knows,
// days later and by another process.
func ExamplePlanRestore() {
	ctx := context.Background()
	j, err := stackmend.OpenJournal("/var/lib/stackmend/ceph-pressure-ease")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer j.Close()
	to := ceph.CLI{ID: "admin"}
	s, err := ceph.Observe(ctx, to, ceph.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	plan := pressure.PlanRestore(j.Last(), s, pressure.Policy{})
	result, err := stackmend.Run(ctx, plan, pressure.NewApplier(to, pressure.ApplierOptions{}), stackmend.Options{Mode: stackmend.Apply})
	fmt.Println(result.Status, err)
}
