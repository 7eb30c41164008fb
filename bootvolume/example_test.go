package bootvolume_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/stackmend/stackmend/bootvolume"
)

// Where the volumes of a batch of eight instances got lost, from recorded logs.
func Example() {
	ctx, fsys := context.Background(), os.DirFS("testdata/batch")
	s := &bootvolume.Snapshot{Subject: "batch", Taken: time.Now()}
	for _, l := range []struct {
		file string
		log  bootvolume.Log
	}{
		{"nova-compute-c01.log", bootvolume.Log{Source: bootvolume.Compute, Host: "c01"}},
		{"nova-compute-c02.log", bootvolume.Log{Source: bootvolume.Compute, Host: "c02"}},
		{"nova-compute-c03.log", bootvolume.Log{Source: bootvolume.Compute, Host: "c03"}},
		{"haproxy.log", bootvolume.Log{Source: bootvolume.HAProxy, Host: "ctl1"}},
		{"cinder-api-1.log", bootvolume.Log{Source: bootvolume.API, Host: "ctl1"}},
		{"cinder-api-2.log", bootvolume.Log{Source: bootvolume.API, Host: "ctl2"}},
	} {
		l.log.Now = time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC) // when it was last written: lines may lack the year
		if err := s.Logs.ReadFiles(ctx, fsys, l.file, l.log); err != nil {
			fmt.Println(err)
			return
		}
	}
	fmt.Println(len(bootvolume.Follow(&s.Logs)), "instances")
	for _, f := range bootvolume.Check(s).Findings {
		fmt.Println(f.Status, f.Code, f.Subject)
	}
	// Output:
	// 8 instances
	// fail haproxy-timeout instance d24a04a4-c5c7-4338-b010-d5eb71e64129
	// warn orphan-volume request req-2d063198-f81b-4ea9-ad5b-4afc0e552f3b
	// fail haproxy-timeout instance d6115f52-2ac9-48e6-8d4b-3f849df7ab3f
	// warn orphan-volume request req-fa90599c-e181-48b5-9e1d-a20dc34aa7dc
	// fail haproxy-timeout instance d169109b-2866-410d-88f3-67d1d12012b1
	// warn orphan-volume request req-f0aa1c32-670b-4aa8-adcc-e918695ab4db
	// fail id-not-found instance e6c0685e-645e-4366-af46-82c4fb5d364f
}
