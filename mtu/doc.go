// Package mtu finds the link where frames stop fitting, before users find it.
//
// The incident: one line of nova.conf, vlan_interface=vlan20 where bond0 was
// meant, put every tenant's VLAN on top of a VLAN. Frames of 1522 bytes met
// ports that take 1518. ls worked, ps aux hung the session, nothing was in any
// log. It took four captures, a pencil and a sheet of paper.
//
// Start with [Observe], or with [ReadLinks] for files of `ip -d -j link`, put
// the hosts into a [Snapshot], and give it to [Check]. It follows every path
// from the link where packets begin, through bridges, VLANs, bonds and
// tunnels, over the wires that are known, up the stack at the other side, and
// says what fits, which link limits it and which line of a configuration made
// it so. [WriteText] and [WriteSVG] draw the paths with the culprit marked.
// [Probe] measures what [Check] reckons; [ReadCapture] lets it follow a ping
// through captures of several points. [Plan] orders the changes of MTUs, and
// an [Applier] carries them out through stackmend.Run; [StartWatchdog] sets
// them back if nobody confirms, and if the program dies.
//
// What fits was measured on real stacks: a frame passes if
//
//	14 + IP length + 4 x (tags in the data) <= mtu + 14 + 4
//
// One tag is free, and a device that takes the outermost tag beside the data
// (tx-vlan-hw-insert) does not count it. Packets that begin at a link, and
// outer packets of tunnels, are bounded by its MTU as it stands. What a real
// device or switch takes beyond one tag is not known and is said so; a [Wire]
// declares it.
//
// # Safety
//
// Nothing is changed but by an Applier in stackmend.Apply. It refuses links
// that carry the operator's session or the default route, unless that was
// permitted and the plan ends in a confirmation; changes that would lower, or
// cut, a link that was not named; sizes that the device does not take; and
// waits rather than touch the only member of a bond that has carrier. The
// kernel cannot set an MTU only if it is still what it was: a change by
// somebody else in the same moment is overwritten. MTUs, and the watchdog, do
// not outlive a reboot; the persistent configuration is printed, never
// written. A probe sends at most 40 packets.
//
// # Privileges
//
// Files and the caller's own namespace need none. Another network namespace
// needs CAP_SYS_ADMIN, setting an MTU CAP_NET_ADMIN, ICMP probes CAP_NET_RAW
// or a group in net.ipv4.ping_group_range; UDP and TCP probes need none.
// Neutron shows provider:* to administrators only: networks without it are
// unknown.
//
// # Compatibility
//
// Linux; elsewhere files, captures, Check, Plan and the pictures work, and
// what needs the kernel returns an error compatible with
// errors.ErrUnsupported. Tried with Linux 6.1 and 6.18 and iproute2 6.1.
// Sources relied on: is_skb_forwardable in the kernel's
// https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/net/core/dev.c?h=v6.1,
// neutron's get_mtu in
// https://opendev.org/openstack/neutron/src/tag/21.0.0/neutron/plugins/ml2/drivers,
// RFC 1191, RFC 4821, RFC 8201 and RFC 8899.
//
// Every stack that package mtu's tests name was built in a real kernel, but for
// team devices and OVN, which were not at hand: team is judged by the rules of a
// bond, geneve by what the kernel's own geneve device does.
//
// Open vSwitch's flows are not seen from its links: such paths are unknown
// from the bridge on, and bridge mappings are judged where the bridge's ports
// are links.
package mtu
