// Command dhcp says who is to blame when an instance loses its lease, from the
// logs and captures of the server, of the client and of the instance's tap.
//
//	dhcp -dnsmasq /var/log/syslog -dhclient instance.log
//	dhcp -dnsmasq dnsmasq.log -tap-pcap tap.pcap -mac fa:16:3e:24:e7:22 -svg break.svg
//	dhcp -kea kea-dhcp4.log -since 24h -instances ports.json
//	dhcp -dnsmasq /var/log/syslog -host          # and this node's taps, qemu, dnsmasq
//	dhcp -dnsmasq /var/log/syslog -follow        # tells of each change until interrupted
//	dhcp -dnsmasq /var/log/syslog -tap-pcap tap.pcap -until now -instances virsh -revive fa:16:3e:24:e7:22   # the plan; -apply carries it out
//	dhcp ... -revive fa:16:3e:24:e7:22 -from guest-restart -apply   # the next remedy, where that one did not help
//	dhcp -dnsmasq /var/log/syslog -until now -mac fa:16:3e:24:e7:22 -soak 48h -soak-rate 50MiB -soak-book book   # the plan of a load; -apply carries it out
//
// With -revive it plans the mildest remedy that the verdict calls helpful, and
// changes nothing. With -apply it does that on the compute node where it runs,
// one instance in a run, and looks for a lease or traffic in the logs and
// captures, which must be being written (-until now).
//
// With -soak it plans load by iperf3, whose server must listen in the instance;
// with -apply it sends it, until its end or the first break.
//
// A log may be given as MAC=FILE where it does not tell whose it is.
package main

import (
	"os"

	"github.com/stackmend/stackmend/examples/cli"
)

func main() { os.Exit(cli.Main(tool(os.Stderr))) }
