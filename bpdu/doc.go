// Package bpdu keeps the spanning-tree frames of one instance from taking a
// compute node, with all of its instances, off the network.
//
// The incident: a user's instance sends BPDUs (a bridge with spanning tree on,
// a VPN appliance, a copy of a router). They reach the switch, whose BPDU guard
// disables the port. On a bond all members go, while the management card stays
// up: it looks like a dead network card. If the instance is then evacuated or
// the user starts another, the next node goes the same way.
//
// To find out what happened, read the switches' logs with [ReadLogFiles] and
// the cloud's ports with [Cloud.ReadPorts], put both into a [Snapshot] and call
// [Check]. On a node, [Kernel.Observe] reads bonds, bridges, taps and filters,
// and [Kernel.Capture] listens for who sends. To prevent it, call [Plan] and
// hand the plan to stackmend.Run with [NewApplier]; whenever [Kernel.Watch]
// tells that links changed, observe and plan once more.
//
// # What the kernel does with an instance's BPDUs
//
// Measured on Linux 6.18 with real frames; the test TestProtections sends them
// again on the kernel that it runs on. "Passes" is: to the uplink.
//
//	protection                         STP frames                PVST+
//	none, spanning tree off            pass                      pass
//	bridge port's guard on, STP off    pass                      pass
//	spanning tree on                   stopped; the host sends   pass
//	guard and spanning tree on         port disabled             pass until then
//	nft netdev ingress of the tap      stopped                   stopped
//	nft bridge prerouting or forward   stopped                   stopped
//	nft netdev egress of the uplink    stopped; other instances get them
//	ebtables FORWARD -d BGA            stopped                   pass
//	multicast flood of the uplink off  stopped                   stopped; touches other multicast
//	Open vSwitch, action NORMAL        stopped                   stopped
//	the same, forward-bpdu=true        pass                      pass
//	the same, a flow that names the
//	port to send to                    pass                      pass
//
// The last three were measured with Open vSwitch 3.1 on Linux 6.1 (the test
// TestKernelOpenVSwitch). [ReadOVS] tells which bridges have forward-bpdu on;
// flows are not read.
//
// So this package filters at the netdev ingress of each tap, in a table of its
// own ([TableName]), by the addresses of 802.1D, 802.1ad and PVST+. On a
// kernel without the netdev family the table is of the bridge family and
// stands before every bridge; with spanning tree on, the bridge itself then
// still hears the instance's STP frames. LACP, LLDP and all else pass. Sources are counted in a set; when an instance invents so
// many that the set is full, its BPDUs are dropped all the same.
//
// # Safety
//
// Nothing is changed without an applied plan. A plan is one step: the whole
// table in one transaction, filters that are in order left as they are. What
// was assumed (which device a tap is, what the table held) is looked at just
// before. After, the table is read back from the kernel, and BPDUs are sent
// through a filter of the same rules, in a network namespace that is made for
// it and goes: a step is done only if none arrives. The tables of
// others are never touched, and one of our name that is not ours is refused.
// Uplinks, bridges and unknown devices are refused as taps. Removal leaves
// nothing. An instance is never named with high confidence from a log alone:
// its source MAC is the instance's to choose.
//
// # Privileges
//
// Logs and JSON: none. Links and Watch: none. Filters: CAP_NET_ADMIN, without
// it Host.Unseen says so and the status is Unknown. Applying: CAP_NET_RAW and
// CAP_SYS_ADMIN too, for the frame that must not arrive; without them the
// filters are in place and the step is uncertain. Capture: CAP_NET_RAW. ReadOVS:
// whoever may connect to the database's socket, usually root.
//
// # Compatibility
//
// Linux with CONFIG_NF_TABLES_NETDEV, measured on 6.18, or with nftables'
// bridge family, measured on 6.1. A kernel with neither answers with an error
// compatible with errors.ErrUnsupported, and nothing is done. Not covered, and
// said so by findings: ports of Open vSwitch and OVN (what a filter does there
// was not measured: no kernel at hand has both), SR-IOV, vDPA and vhost-user
// ports, macvtap.
//
// Log formats: Arista EOS, Cisco IOS and NX-OS, Junos (eswd and l2cpd), Huawei
// VRP, HPE Aruba AOS-CX, mstpd as of its source, and of Dell OS10 the name of
// the message alone. testdata/README.md says where each was seen.
//
// BPDUs are decoded after IEEE 802.1D-2004, clause 9. The nftables interface is
// that of include/uapi/linux/netfilter/nf_tables.h at v6.12, devices that of
// include/uapi/linux/if_link.h at v6.12.
//
// # Concurrency
//
// Kernel and Applier hold no state and may be used by several goroutines. Two
// runs that apply plans on one host must share a lock.
package bpdu
