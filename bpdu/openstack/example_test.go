package openstack_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/stackmend/stackmend/bpdu"
	"github.com/stackmend/stackmend/bpdu/openstack"
)

// Whose MAC is it that the switch's log names?
func ExampleRead() {
	ctx := context.Background()
	c, err := openstack.Login(ctx, "prod", os.Getenv)
	if err != nil {
		fmt.Println("cannot log in:", err)
		return
	}
	log, err := bpdu.ReadLogFiles(ctx, os.DirFS("/var/log"), "switches.log", bpdu.LogOptions{Now: time.Now(), Zone: time.UTC})
	if err != nil {
		fmt.Println("cannot read:", err)
		return
	}
	cloud, err := openstack.Read(ctx, c)
	if err != nil {
		fmt.Println("cannot see:", err)
		return
	}
	for _, f := range bpdu.Check(&bpdu.Snapshot{Taken: time.Now(), Log: &log, Cloud: cloud}).Findings {
		fmt.Println(f.Status, f.Code, f.Subject, f.Message)
	}
}
