package dhcp

// advice is what to do next, for each verdict.
var advice = map[string]string{
	ServerSilent:        "Look at the server: whether it runs and listens on the instance's network, and its log. Restarting the instance does not help.",
	ServerRefuses:       "Look why the server refuses: a lease file that was lost in a restart, two authoritative servers on one network, an address that is reserved for another MAC. A client that obeys asks anew by itself.",
	PoolExhausted:       "Give the server addresses: leases of instances that are gone, a range that is too small, a host entry that is missing for this MAC (Neutron and nova-network serve known MACs alone).",
	RepliesLost:         "Look between the server and the instance at what drops UDP to port 68: security group and nwfilter rules, the bridge's rules, the instance's own firewall. tcpdump at the tap tells on which side of it.",
	RequestsLost:        "Look between the instance and the server at what drops UDP to port 67: anti-spoofing rules (the port's MAC and address), the bridge, the tunnel. tcpdump at the tap tells on which side of it.",
	InstanceDeaf:        "The instance's network device does not receive: on the compute node compare the tap's dropped TX packets (ip -s link), the version of qemu and whether vhost-net is on. Taking the link down and up (virsh domif-setlink) often revives it; a reboot does.",
	TrafficStoppedFirst: "Do not look at DHCP: find why the instance's network stopped. Compare the tap's dropped TX packets, the version of qemu, vhost-net, and what ran before, such as a backup. Taking the link down and up often revives it. A longer lease time would hide it, not cure it.",
	DuplicateMAC:        "Find the second instance with this MAC (a clone, a snapshot, a fixed MAC in its image) and give it another one.",
	ClientDied:          "Start the client in the instance again and look why it ended: its log, the kernel's (out of memory). Until then the address is used without a lease, or gone.",
	WrongUDPChecksum:    "Have the checksums filled in: an iptables rule -t mangle ... -p udp --dport 68 -j CHECKSUM --checksum-fill where the server runs, or its card's TX checksumming off; newer clients do not need it.",
	Healthy:             "",
	Undetermined:        "",
}
