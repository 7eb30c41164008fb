// Command mtu finds the link where frames stop fitting, draws the stack with
// the culprit marked, and repairs it under a rollback.
//
//	mtu                                     this host, every path
//	mtu -netns all                          and every named network namespace
//	mtu -links cmp=cmp.json -links ctl=ctl.json -wire cmp/e0=ctl/e0 -svg stack.svg
//	mtu -nova-conf /etc/nova/nova.conf -networks networks.json   # or -os-cloud admin
//	mtu -probe 192.0.2.7
//	mtu -pcap outside=o.pcap -pcap compute=c.pcap -pcap instance=i.pcap
//	mtu -set bond0=1504 -set vlan20=1504 -apply -confirm 2m
package main

import (
	"os"

	"github.com/stackmend/stackmend/examples/cli"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == watchdogArg {
		os.Exit(watchdog(os.Args[2:]))
	}
	t := &tool{}
	status := cli.Main(t.tool())
	os.Exit(t.standDown(status))
}
