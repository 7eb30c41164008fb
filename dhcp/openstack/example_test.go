package openstack_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/stackmend/stackmend/dhcp"
	"github.com/stackmend/stackmend/dhcp/openstack"
)

// What would be done to the instances without a network?
func Example() {
	ctx := context.Background()
	network, err := openstack.Login(ctx, "prod", os.Getenv)
	if err != nil {
		fmt.Println("cannot log in:", err)
		return
	}
	log, err := dhcp.ReadLogFiles(ctx, os.DirFS("/var/log"), "syslog", dhcp.Dnsmasq, dhcp.ReadOptions{Now: time.Now()})
	if err != nil {
		fmt.Println("cannot read:", err)
		return
	}
	s := &dhcp.Snapshot{Taken: time.Now(), Traces: []*dhcp.Trace{log}}
	if s.Instances, err = openstack.Instances(ctx, network); err != nil {
		fmt.Println("cannot see:", err)
		return
	}
	p, err := dhcp.Plan(s, dhcp.Selection{All: true, From: dhcp.PortDownUp}, dhcp.PlanOptions{Now: time.Now()})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, step := range p.Steps { // carried out by a dhcp.Applier{Port: openstack.New(network), Witness: ...}
		fmt.Println(step.Verb, step.Target, step.Reason)
	}
}
