package ceph_test

import (
	"context"
	"fmt"
	"os"

	"github.com/stackmend/stackmend/ceph"
)

// A recording is judged where the cluster cannot be reached.
func ExampleCheck() {
	recording := ceph.Recorded{FS: os.DirFS("testdata/quincy-mclock")}
	s, err := ceph.Observe(context.Background(), recording, ceph.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, f := range ceph.Check(ceph.Observed{Cluster: s}, ceph.Policy{}).Findings {
		fmt.Println(f.Status, f.Code, f.Subject)
	}
	// Output:
	// fail pg-log-dups PG logs
	// warn recovery-settings osd_max_backfills
	// warn recovery-settings osd_mclock_max_capacity_iops
	// warn emergency-settings-left settings
}
