// Command dhcp says who is to blame when an instance loses its lease, from the
// logs and captures of the server, of the client and of the instance's tap.
//
//	dhcp -dnsmasq /var/log/syslog -dhclient instance.log
//	dhcp -dnsmasq dnsmasq.log -tap-pcap tap.pcap -mac fa:16:3e:24:e7:22 -svg break.svg
//	dhcp -kea kea-dhcp4.log -since 24h -instances ports.json
//	dhcp -dnsmasq /var/log/syslog -host          # and this node's taps, qemu, dnsmasq
//	dhcp -dnsmasq /var/log/syslog -follow        # tells of each change until interrupted
//
// A log may be given as MAC=FILE where it does not tell whose it is.
package main

import (
	"os"

	"github.com/stackmend/stackmend/examples/cli"
)

func main() { os.Exit(cli.Main(tool(os.Stderr))) }
