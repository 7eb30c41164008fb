// Package dhcp says who is to blame when an instance loses its lease: the
// server, the network between, the instance's own network, or its client.
//
// The incident: an instance vanished from the network again and again, some
// hours after its nightly backup. Logs showed renewals that were answered and
// ignored, then broadcasts, then silence. DHCP was blamed for weeks; in truth
// the instance's network had stopped before, a bug of qemu under heavy traffic.
//
// Read what there is, each side or one of them, with [ReadLogFiles] (logs of
// servers and of clients) and [ReadCapture] (pcap and pcapng of any point). Each
// gives a [Trace]: what one [Point] saw of every client. Put them into a
// [Snapshot], with the [Instance]s if they are known, and call [Check]: one
// finding for each client, its code the verdict. [Judge] gives the same as
// [Verdict]s, for programs and for a plan.
//
// # How a verdict comes about
//
// A [Track] is what one point saw of one client. [Converse] joins the tracks
// of one MAC to a [Conversation]: the clocks of the sides are aligned by what
// both saw, with the doubt stated, the last good exchange and the first request
// that was not answered are found, and what each side saw since is counted.
// What a side says is kept apart from what follows from it: a side that is
// missing lowers the confidence and makes the verdict [Undetermined] where the
// others do not decide; then Verdict.Capture says what would.
//
//	verdict                what was seen
//	healthy                leases are taken and renewed
//	server-silent          requests arrive at the server, which does not answer
//	server-refuses         the server answers DHCPNAK; of Kea's log, which tells of none at its usual
//	                       level, that a client began anew at once
//	pool-exhausted         the server says that it has no address, or answers others and not
//	                       one that has none
//	replies-lost           all requests arrive and are answered; the client takes no answer
//	requests-lost          the client sends; nothing arrives at the server
//	instance-deaf          the instance's broadcasts arrive and are answered, its unicasts
//	                       never leave it: it receives nothing, not even ARP
//	traffic-stopped-first  the instance's other traffic ended before its first
//	                       unanswered request: DHCP is the victim
//	duplicate-mac          two clients speak with one MAC
//	client-died            the client stopped asking
//	bad-checksum           the answers reach the instance with a wrong UDP checksum
//	undetermined           none of these follows from what was seen
//
// A log that ends may be old, or its client dead: of a lease that ran out since
// the last line and before Snapshot.Taken nothing is said, unless
// Snapshot.Until tells until when the sides were being written.
//
// # Helping an instance
//
// [Plan] chooses for each selected instance the mildest [Remedy] that its
// verdict calls helpful, and an [Applier] carries it out: one instance at a
// time, one in a run unless told otherwise, with a pause after each. What is
// taken down is put back whatever ends the run. A step is done when a [Witness]
// has seen a lease taken, or traffic both ways where it is the traffic that had
// stopped; if not, it says which remedy is left, which is planned with
// Selection.From. It is for people to reboot an instance, and to see that a
// longer lease ([Longer]) hides the failure and does not cure it.
//
// [Libvirt] runs virsh: it needs to write to libvirt's socket on the compute
// node (group libvirt). It knows which domain has which MAC, too. A Pace or
// MaxSteps among a run's own guards counts steps, so that it could make a link
// wait while it is down; the Applier's own guard does not.
//
// What is not proven: that a link which goes down and up mends the bug of qemu,
// which was not provoked. Tried with a real libvirt 9.0, qemu 7.2 and its agent,
// by a lease that was taken: a guest whose client had died takes a lease when its
// networking is restarted, and by a link that goes down and up only if it looks
// at its carrier. The agent's default command is systemd's, and was not run: the
// guest of the tests has none. A [Port] of Neutron is in dhcp/openstack, tried with
// the API of a Neutron whose agents do nothing to ports.
//
// # Load, to provoke and to prove
//
// [PlanSoak] plans iperf3's load through an instance that is well, for days if
// need be, in steps; a [Soaker] carries it and looks at the lease meanwhile. The
// first break ends it, with its time, to a second or two, and the verdict on
// what was seen by then, which may be too early to say much: a *[BreakError].
// What was carried is told of each step ([Stretch]). A run that was killed is
// resumed by its journal, and carries what was left. Load disturbs the instance's
// neighbours; Soak.Rate bounds it. Tried with iperf3 3.12 for some seconds, with
// a link that went down and a client that died; not for days, and not with the
// bug of qemu.
//
// # Memory
//
// A track keeps the events around the break and the newest ones, at most
// [MaxEvents]; the others are counted. [ReadOptions.MaxClients] bounds the
// number of tracks, so that memory is bounded whatever a log or capture holds.
// [Events] are kept small, in memory that tracks share; List gives them as
// [Event]s.
//
// # Safety
//
// Reading, [Check] and [Plan] change nothing. [Verdict.Remedies] names what
// could help, mildest first, and none without a verdict of medium confidence; an
// [Applier] does one of them, for one instance, and refuses what it was not
// given the means for.
//
// # Privileges
//
// To judge: reading the logs and captures. To help: [Libvirt]'s, above. [ObserveHost] reads /proc, /sys and
// libvirt's logs, the latter as root; what it may not read is in Host.Unseen.
//
// # Compatibility
//
// Logs of dnsmasq 2.90, ISC dhcpd and dhclient 4.4.3, Kea 2.2.0, dhcpcd 9.4.1,
// busybox 1.35.0 and systemd 252, as of their sources at these versions and as
// recorded under testdata. Captures of Ethernet and of tcpdump -i any, tagged
// or not; frames within tunnels (VXLAN, Geneve, GRE) are not looked into.
// DHCPv6 and router advertisements are recognised and not judged. Clients that
// are known by another hardware type than Ethernet are not read.
//
// # Concurrency
//
// All functions may be used by several goroutines; a [Trace] is read only.
package dhcp
