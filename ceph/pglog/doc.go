// Package pglog trims the logs of placement groups offline, one failure domain
// after the other: logs that grew while placement groups could not become
// active, fill the OSDs' memory, and do not trim by themselves, because trimming
// rides on writes. It is made from an incident in which a script did this to
// hundreds of OSDs in a day.
//
// Start with [Observe], give what it returns to [Check], which says why logs do
// not trim by themselves, and to [Plan], look at the plan, and hand it to
// [stackmend.Run] with an [Applier].
//
// # Safety
//
// OSDs are grouped by the failure domain of the pools' CRUSH rules. One OSD goes
// first; the domains follow one after the other. For each OSD: hold its
// respawn, stop it, trim its placement groups one by one, release and start it,
// wait until its placement groups are settled. noout is set before and unset
// after, unless somebody else had set it, be it for the cluster or for each of
// the OSDs (of a CRUSH bucket, a device class or an OSD: that stays as it is);
// likewise an orchestrator is paused and resumed. Whether an OSD has noout, and
// neither noup nor nodown, is asked again before it is stopped. The OSDs of one domain go side by side, Options.Parallel at most, as
// far as that is permitted.
//
// OSDs of other hosts are worked on from one, by Config.Route. Each program
// there is run by a host only if that calls itself as the OSD says (osd
// metadata), and ends with the connection. Two runs are kept apart by their lock
// on one host alone: always work on a cluster from the same.
//
// An OSD is stopped only if the manager permits it for all OSDs that are under
// way, asked in one question, and if no placement group is left with fewer than
// min_size members, nor fewer than two (erasure coded: than k + 1), nor is
// degraded already; anything else is a [Policy] that says so, and that the plan
// carries to the run. If a run stops, what was begun is undone: the OSD is
// started, or the result says that it is down. That the monitors are silent
// while an OSD is stopped is borne for five minutes.
//
// A plan may be of an older map than the run, for a map of a cluster in trouble
// grows old in seconds. What it needs of the map is in its steps (Assumes) and is
// looked at again before each; pools, flags, states and members are asked anew.
//
// Members that lag behind keep a log long while it is written to, unless the
// cluster has the flag pglog_hardlimit, which those that came from before 12.2.11
// and 13.2.5 lack until somebody sets it: [Check] says so. Trimming offline does not
// know the flag. It needs none, for no log is trimmed past its own last_complete
// or past a peer's last_update.
//
// A placement group is trimmed if its last_complete is its last_update, it is
// not being backfilled, and every peer's last_update is past the new tail;
// otherwise recovery of that peer would become backfill. Whether it was trimmed
// is read from the log itself: its head is the same, its tail is where it should
// be, and the entries that remain are those that stood there before. The
// tool's status proves nothing, and its own dry run is never called.
//
// A shard of an erasure coded pool is trimmed, beside that, no further than
// where it may still be rolled back to (rollback_info_trimmed_to, which is read
// from its store). Pools with allow_ec_optimizations (Tentacle) are left alone:
// it changes what last_complete means. Placement groups that are active are
// left alone too, unless Policy.Active says otherwise: writes trim them.
//
// # Privileges
//
// On the storage host: what reads the store (root or ceph) and what the
// supervisor asks for. In the cluster: mon 'allow rw' (flags), mgr 'allow r'
// ('allow rw' to pause an orchestrator).
//
// # Compatibility
//
// Tested with ceph-objectstore-tool 16.2.15 on BlueStore and plain processes, on
// a real cluster, with placement groups that are active and with such that are
// not, replicated and erasure coded; by ssh on a real cluster of three hosts by
// name, with real sshds and a scripted systemctl. A monitor that freezes, a
// manager that dies, an OSD that does not stop, one that may not be stopped any
// more, one that does not start and one that somebody starts meanwhile are tested
// there too; how tools fail, with scripted ones.
// Through cephadm, docker and podman it is NOT tested: see package
// ceph/supervisor. The pause of an orchestrator is tested with a scripted one
// (src/pybind/mgr/orchestrator/module.py at v16.2.15). The trim rules are those
// of src/tools/ceph_objectstore_tool.cc at v16.2.15. Dups can be trimmed offline
// from 15.2.17, 16.2.11 and 17.2.4 on (tracker 53729). When the OSD has started,
// peers whose logs are longer give it their older entries back as dups: dups stay
// low only once every member of a placement group was trimmed.
//
// # Speed
//
// A placement group that is trimmed costs four starts of the tool: the log, the
// info, the trim, and the log again (a shard of an erasure coded pool one more),
// of which a script that proves nothing makes one. One whose log turns out to be
// short costs one, for what the manager knows is its primary's log; what the
// cluster keeps costs none. An OSD costs two more, its list and the tool's
// version, of which the latter does not open the store. Each start waits less
// than by the tool's defaults (bdev_aio_poll_ms). The cluster is asked while the
// tool reads; what is outside of the tool are the looks at the map before the
// first. `make bench-pglog` tells how long the trim step of one OSD takes beside
// the runs of the tool in it (x-tool, at most 1.1 on a machine without other
// work), and beside the listing and the trims alone, by hand on another OSD
// (x-script: less than twice as long).
// That an OSD is asked for, stopped, started and waited for is not the tool's
// time, and is in neither.
//
// A whole run takes as long as the canary and the slowest OSD of each domain, if
// Options.Parallel is as many as a domain has: x-slowest compares a run with the
// sum of what a scripted tool took for those.
//
// # Not in this version
//
// Flags other than noout are not set. The markdown budget needs no look, for
// each process counts its own from nothing (osd_markdown_log in
// src/osd/OSD.h). The time left is told by the entries and dups that the first
// OSDs lost; of an OSD that is down, or of dups that the release does not count
// (16.2.15 does not), by its placement groups and for that OSD alone. A run that was killed between its record that it sets noout
// and the command takes noout for its own if somebody else sets it then; so does
// a revert in a new process.
package pglog
