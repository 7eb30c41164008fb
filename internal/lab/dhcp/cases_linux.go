package dhcp

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/stackmend/stackmend/internal/lab"
)

// A failure is one way to lose a lease, or not to.
type failure struct {
	play     func(*scene)
	times    Times  // instead of Quick
	other    string // MAC of the other instance
	last     int    // of the pool
	hosts    string // dnsmasq's reservations
	dnsmasq  bool   // this server alone
	dhclient bool   // this client alone
}

// Cases are the names of all failures, sorted.
func Cases() []string { return slices.Sorted(maps.Keys(cases)) }

// Can reports whether the programs can play the failure.
func Can(name, server, client string) bool {
	c, ok := cases[name]
	return ok && (!c.dnsmasq || server == Dnsmasq) && (!c.dhclient || client == Dhclient)
}

// later gives the traffic of the instance time to end long before a renewal.
var later = Times{Lease: 72, Renew: 36, Rebind: 48, Watch: 45 * time.Second}

var cases = map[string]failure{
	"normal":            {play: normal},
	"replies-dropped":   {play: filtered("oifname tapcli ether type ip udp dport 68 drop")},
	"requests-dropped":  {play: filtered("iifname tapcli ether type ip udp dport 67 drop")},
	"rx-dead":           {play: filtered("oifname vmnic drop")},
	"network-cut":       {play: networkCut, times: later},
	"server-down":       {play: serverDown},
	"nak-wrong-network": {play: wrongNetwork, dhclient: true},
	"nak-address-taken": {play: addressTaken, hosts: InstanceMAC + ",10.2.0.21\n", dnsmasq: true},
	"pool-exhausted":    {play: poolExhausted, last: 10},
	"duplicate-mac":     {play: duplicateMAC, other: InstanceMAC},
	"bad-checksum":      {play: filtered("oifname tapcli ether type ip udp dport 68 udp checksum set 0x1234")},
	"client-died":       {play: clientDied},
}

func normal(s *scene) {
	s.begin()
	s.watch()
}

// filtered puts a rule in when the instance has its lease.
func filtered(rule string) func(*scene) {
	return func(s *scene) {
		s.begin()
		s.Filter(rule)
		s.fail()
		s.watch()
	}
}

// networkCut: the instance talks, then its device stops, long before the
// renewal.
func networkCut(s *scene) {
	s.begin()
	traffic := s.ping(0.5)
	await(s.t, "the instance's traffic is answered", func() bool { return strings.Count(traffic.Output(), "bytes from") > 20 })
	s.Filter("iifname vmnic drop", "oifname vmnic drop")
	s.fail()
	s.watch()
}

func serverDown(s *scene) {
	s.begin()
	s.fail()
	end(s.t, s.server.Process)
	s.watch()
}

// oldLease is of another network.
const oldLease = `lease {
  interface "eth0";
  fixed-address 10.9.9.9;
  option subnet-mask 255.255.255.0;
  option dhcp-lease-time 86400;
  option dhcp-server-identifier 10.9.9.1;
  renew 5 2036/11/21 01:00:00;
  rebind 5 2036/11/21 02:00:00;
  expire 5 2036/11/21 03:00:00;
}
`

func wrongNetwork(s *scene) {
	s.fail()
	s.client = startClient(s.t, s.Instance, s.Client, clientStart{dir: s.Dir, log: s.file(ClientLog), host: "vm-a", leases: oldLease})
	if s.Setup.Server != Kea { // whose log says nothing of it
		await(s.t, "the instance was refused", func() bool { return holds(s.file(ServerLog), "DHCPNAK") })
	}
	await(s.t, "the instance has a lease", func() bool { a := Addr(s.Instance); return a != "" && a != "10.9.9.9" })
}

func addressTaken(s *scene) {
	s.begin()
	s.server.reserve(s.t, "fa:16:3e:99:99:99,10.2.0.21\n"+InstanceMAC+",10.2.0.22\n")
	s.fail()
	await(s.t, "the instance was refused", func() bool { return holds(s.file(ServerLog), "DHCPNAK") })
	await(s.t, "the instance has its new address", func() bool { return Addr(s.Instance) == "10.2.0.22" })
}

// second starts the client of the other instance.
func (s *scene) second(host string) *lab.Process {
	s.t.Helper()
	return startClient(s.t, s.Other, s.Client, clientStart{dir: s.Dir, log: s.file("other.log"), host: host})
}

func poolExhausted(s *scene) {
	s.second("vm-b")
	await(s.t, "the other instance has the only address", func() bool { return Addr(s.Other) != "" })
	s.fail()
	s.start()
	s.watch()
}

func duplicateMAC(s *scene) {
	s.begin()
	s.second("vm-b")
	s.fail()
	s.watch()
}

func clientDied(s *scene) {
	s.begin()
	s.fail()
	s.client.Stop()
	s.watch()
}
