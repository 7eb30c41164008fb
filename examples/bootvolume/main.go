// Bootvolume finds where the volumes of a batch boot get lost, from the logs
// of nova, HAProxy and cinder, what the configurations on their way cost, and
// what HAProxy and Galera say of themselves. It measures on request how late
// rows are from one node of Galera to another, and edits a configuration: what
// HAProxy does not take up, or is not healthy with, is put back.
//
//	bootvolume -nova-log c01=/var/log/nova/nova-compute.log -haproxy-log haproxy.log -cinder-log ctl1=cinder-api.log -cinder-volume-log ctl1=cinder-volume.log
//	bootvolume -haproxy-cfg /etc/haproxy/haproxy.cfg -nova-conf c01=/etc/nova/nova.conf -galera-cnf db1=galera.cnf
//	bootvolume -haproxy-cfg /etc/haproxy/haproxy.cfg -haproxy-socket /run/haproxy/admin.sock -reload "systemctl reload haproxy" -set "/etc/haproxy/haproxy.cfg:listen cinder_api:balance=roundrobin" -apply
//	BOOTVOLUME_GALERA="c1=user:password@tcp(10.0.0.1:3306)/ c2=..." bootvolume -haproxy-socket h1=/run/haproxy/admin.sock -probe test -apply
package main

import (
	"os"

	"github.com/stackmend/stackmend/examples/cli"
)

func main() { os.Exit(cli.Main(tool(os.Getenv))) }
