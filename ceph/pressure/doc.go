// Package pressure takes pressure off a Ceph cluster whose recovery leaves no
// room for clients, and puts back what it changed: recovery and backfill by
// scheduler, and flags of the OSD map. In the incident that this is made from
// the settings were changed by hand over days, and some were never put back.
//
// Start with [PlanEase] or [PlanFlags] on what [ceph.Observe] has seen, and hand
// the plan to stackmend.Run with a [NewApplier]. Keep the plan: [PlanRestore]
// makes of it, days later too, the plan that puts back what is still as it was
// left.
//
// # Safety
//
// A setting is in effect when every OSD that is up says that it uses it, and
// the group of an ease ends in asking all of them again after Policy.Settle. A
// plan is refused without a manager, while the OSD map moves, where an OSD did
// not tell its settings, where OSDs schedule differently, and where a single
// OSD has a value of its own. A step on settings is stale once the epoch of the
// map has moved. A flag that stood before belongs to an operator and is never
// unset; so is a value that somebody has changed since. The monitors have no
// compare-and-set: a change in the same moment is overwritten. A flag that was
// unset and set again by somebody else since cannot be told from ours.
//
// # Privileges
//
// mon 'allow rw' for the flags and the database of settings, and osd 'allow *'
// to ask the daemons.
//
// # Compatibility
//
// Tested against 16.2.15, where OSDs schedule by wpq. Plans for mClock (Quincy
// and newer) are tested with recorded answers only, and a kill of the whole
// program in the middle of a run is not tested yet, only its cancelling. Before Mimic there is no
// database of settings: refused. Not here: a run that raises pressure by
// itself (the [Controller] decides and is simulated, nothing drives it),
// timeouts, memory targets, heap release, snap trimming, balancer and
// autoscaler, limits of PG logs and pglog_hardlimit, reweighting, and sysctls.
//
// Sources at v16.2.15: src/mon/MonCommands.h, src/mon/ConfigMonitor.cc,
// src/common/options.cc; at v17.2.0: src/osd/OSD.cc (mClock).
package pressure
