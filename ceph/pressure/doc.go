// Package pressure takes pressure off a Ceph cluster whose recovery leaves no
// room for clients, raises recovery again when they have room, and puts back
// what it changed. In the incident that this is made from the settings were
// changed by hand over days, and some were never put back.
//
// Start with [PlanEase], later [PlanRaise], on what [ceph.Observe] has seen, and
// hand the plan to stackmend.Run with a [NewApplier] and a journal.
// [PlanRestore] makes of what the journal knows (stackmend.Journal's Last), days
// later too, the plan that puts back what is still as it was left. The other
// groups are [PlanFlags], [PlanTimeouts], [PlanMemory], [PlanHeap],
// [PlanSnapTrim], [PlanPause], [PlanTrim], [PlanHardLimit] and [PlanReweight].
// [HostDiff] only writes what might be changed on a host.
//
// # Safety
//
// A setting is in effect when the monitors' database has it and every OSD that
// is up says that it uses it, and a group ends in asking all of them again
// after Policy.Settle: what does not stick is put back. A plan is refused
// without a manager, while the OSD map moves, where an OSD did not tell its
// settings, where OSDs schedule differently, and where a single OSD has a value
// of its own. A step is stale once flags, or the OSDs that are up or in, are
// others than those of the plan, or the value has moved; the epoch alone moves
// by itself and says nothing. A value or flag that stood before belongs to an
// operator and comes back; one that somebody has set in the meantime is
// theirs. The monitors have no compare-and-set: a change in the same moment is
// overwritten. A flag that was unset and set again by somebody else since
// cannot be told from ours.
//
// Before Mimic the monitors keep no settings: they are injected into every OSD
// that is up, and put back on those that still use them. For that the value
// that all had must be known, and such OSDs tell it on their admin sockets
// alone: reach them by a ceph.Commander of your own, or the plan is refused.
// An OSD that starts again has what its file says.
//
// A raise puts everything back when it ends, however it ends. Only one that is
// killed leaves its level, until its journal is resumed or reverted. While a
// guard makes it wait at a Gate it does not look; to pause it use
// ApplierOptions.Hold, which lets it go down first.
//
// Placement groups are never removed. nosnaptrim pauses the trimming of
// snapshots; a concurrency of 0 is refused. pglog_hardlimit has no way back: its
// step has no Undo.
//
// # Privileges
//
// mon 'allow rw', mgr 'allow rw' for the balancer, and osd 'allow *' to ask the
// daemons.
//
// # Compatibility
//
// Tested against 16.2.15, where OSDs schedule by wpq: eased, raised through a
// real recovery, killed with it, and put back; flags, timeouts, snapshots'
// trimming, limits of logs, memory targets, balancer, autoscaler, and a
// reweight that moves data. A raise is held, falls back when an OSD starts
// again, and is gone on with after a kill. Injection is tested on the same
// daemons, as if they were older; no Luminous has been tried. Plans for mClock
// (Quincy and newer) are tested with recorded answers only, the release of a
// heap with answers written by hand (Debian's OSD has no tcmalloc), and
// pglog_hardlimit with plans only: a new cluster has it set.
// Timeouts of threads: whether a daemon heeds a new one before its next start
// depends on its release, and it does not tell.
//
// Not in this version: a recovery is judged by the OSDs' own latency of
// commits, not by that of a client; ApplierOptions.Hold is where such a measure
// goes. An OSD's room is counted by hosts, not by the failure domain of each
// rule.
//
// Sources at v16.2.15: src/mon/MonCommands.h, src/mon/ConfigMonitor.cc,
// src/common/options.cc; at v17.2.0: src/osd/OSD.cc (mClock).
package pressure
