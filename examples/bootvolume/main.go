// Bootvolume finds where the volumes of a batch boot get lost, from the logs
// of nova, HAProxy and cinder, and what the configurations on their way cost.
//
//	bootvolume -nova-log c01=/var/log/nova/nova-compute.log -haproxy-log haproxy.log -cinder-log ctl1=cinder-api.log
//	bootvolume -haproxy-cfg /etc/haproxy/haproxy.cfg -nova-conf c01=/etc/nova/nova.conf -galera-cnf db1=galera.cnf
package main

import (
	"os"

	"github.com/stackmend/stackmend/examples/cli"
)

func main() { os.Exit(cli.Main(tool())) }
