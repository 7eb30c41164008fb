// Package ceph tells why a Ceph cluster does not recover: what placement
// groups wait for, which OSDs flap and why, where memory goes, whether long PG
// logs will trim, what was left over from the last emergency, and what the
// network and the kernel of a storage host add to it. It is made from an
// incident in which a cluster re-mirrored 100 TB, OSDs grew until the kernel
// killed them, and their flapping kept the recovery from coming to an end.
//
// Start with [Observe], which asks the cluster through a [Commander], and give
// what it returns to [Check]:
//
//	s, err := ceph.Observe(ctx, ceph.CLI{ID: "watch"}, ceph.Options{})
//	result := ceph.Check(ceph.Observed{Cluster: s}, ceph.Policy{})
//
// There are four Commanders: [CLI] runs the ceph command in a child that can
// be killed; package ceph/librados is librados by cgo; [Recorded] answers from
// a folder that a [Recorder] wrote, so that a cluster can be judged where it
// cannot be reached; [AdminSocket] and [Local] speak to the OSDs of a host
// without keys or monitors. [ObserveHost] looks at a storage host itself.
//
// # Safety
//
// This package asks and changes nothing. Observe has at most [MaxParallel]
// questions under way, each with a deadline that holds even if the daemon is
// frozen. `pg dump`, the one dear question, is put only after the manager has
// answered a cheap one. What could not be seen stands in Snapshot.Unseen, and
// what rests on it is [stackmend.Unknown], never OK. A snapshot of 100,000 PGs
// and 5,000 OSDs is decoded in a stream and kept as sums and the worst of each
// kind; through librados the whole answer is in memory first, because librados
// gives it so.
//
// # Privileges
//
// `ceph auth get-or-create client.watch mon 'allow r' mgr 'allow r'` sees the
// cluster. The OSDs' own counters (memory, settings in effect) need `osd 'allow
// *'`, or the admin sockets and root on the hosts; without them the findings
// that rest on them are Unknown. ObserveHost reads /dev/kmsg and
// /proc/net/nf_conntrack, which need root, and tells what it could not read.
// A recording holds addresses and names of hosts and pools, but no keys.
//
// # Compatibility
//
// Tested against 16.2.15. Forms of Luminous (12.2), Octopus (15.2) and Quincy
// (17.2) are read as their sources write them: src/mon/PGMap.cc,
// src/osd/osd_types.cc, src/osd/OSDMap.cc, src/common/mempool.cc at the tags
// v12.2.13, v15.2.17, v16.2.15, v17.2.0. A Luminous or Mimic OSD answers
// dump_mempools only on its admin socket. ObserveHost needs Linux; elsewhere
// it is [errors.ErrUnsupported].
//
// Two things that releases do with memory are named beside memory-fragmented, by
// version, as the release notes of 14.2.0, 14.2.17 and 15.2.9 and the pull
// requests themselves tell: tracker 46027 (buffers that move to buffer_anon), and
// the append buffer of each bufferlist, which pull request 25077 dropped for
// 14.2.0. How many bytes either costs was not measured.
package ceph
