// Package dhcp makes an instance lose its lease, for tests: real servers
// (dnsmasq, Kea, ISC dhcpd) and clients (dhclient, dhcpcd, udhcpc) in network
// namespaces of their own, with a compute node's bridge and the instance's tap
// between them. [Play] plays one failure and leaves the logs of both sides and
// the captures of the server, the client and the tap.
//
// What is not real: the instance is a namespace, and what qemu does between
// the tap and the instance's device is a second bridge, whose filters stand
// for a device that has stopped.
package dhcp
