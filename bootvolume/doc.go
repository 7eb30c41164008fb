// Package bootvolume finds where the volumes of a batch boot get lost: in
// nova, before or at HAProxy, in cinder-api, at the quota, in the database, or
// because nova waited too short.
//
// Give the logs to [Logs.Read] or [Logs.ReadFiles], the configurations to
// [ReadHAProxy], [ReadNovaConf], [ReadGaleraConf] and [ReadServiceConf] (or, of
// several files and --config-dir, [ReadNovaConfFiles] and its like), of
// nova before 20 also [ReadConsoleConf] and [ReadComputeServices], and
// ask what runs with [ReadRuntime] and [ReadNode], whose error log
// [ReadNodeLog] reads; then [Check] says of each
// instance where its request ended, and of the rest what it costs. [Follow]
// gives the instances themselves, for a table. [PlanProbe] and a [Prober]
// measure how late rows of one Galera node are on the others. [PlanEdit] and
// an [Editor] change configurations.
//
// # Safety
//
// Check and what it reads change nothing. A probe writes into a table of its
// own name, which it knows again by its comment and drops at the end; a table
// of somebody else is never touched. It writes only while all nodes are
// Synced. A probe that saw nothing late proves nothing, and is Unknown.
//
// An edit is one group: back up, edit, validate with the program's own
// checker, reload through the caller's [Service], healthy; if one of them
// fails, the files are put back and the service takes them up again. A file
// that a tool writes anew (kolla, Puppet, "Ansible managed") is left alone,
// with the difference for it. Symbolic and hard links are refused. What the
// checker warns of though it accepts the files is in [Editor.Warnings].
//
// # What can be relied on
//
// The absence of a line counts only where a file of that log covers the time,
// from its first line to its last (of cinder-api for each server; that of a
// second HAProxy, if it is not given at all, is not missed); otherwise the
// verdict is [CodeUndetermined], with the log that is missing. Where services
// set mysql_wsrep_sync_wait themselves, that is believed of those whose
// configuration was given: give those of all.
//
// Lines are put together by the global request ID (since Pike), which HAProxy
// must log: capture request header X-OpenStack-Request-ID.
// Where it does not, or instances share one, or the release has none, project,
// outcome and time tell which POST is whose: see [Pairing]. The finding is then
// of medium confidence where nothing else fits, of low confidence where order
// alone decides, and [CodeUndetermined] where what fits differs. Lines of one
// cinder-api process whose POST and outcome have different IDs, as in releases
// of 2016, are put together by order, project and size; of these no real log was
// at hand. Times are then compared as if clocks were at most two seconds
// apart. testdata has a recording without any such ID, of a newer release.
//
// A volume that was made for a caller who had gone is seen in cinder-volume's
// log alone, unless cinder-api itself was late: without, [CodeOrphanVolume] is
// not told. Whether somebody has deleted it meanwhile is told by cinder-api's
// log, up to its end.
//
// Where clocks differ, [Clocks] tells from requests that are tied by their IDs
// how far, and times are corrected by it: [CodeClocksDiffer]. The doubt stands
// there. Differences below half a second are not told, for HAProxy's own timers
// are not better on a machine that stalls. A clock that was set meanwhile, or
// that is bounded on one side alone, is said and not corrected; without IDs
// nothing is known of it.
//
// How many requests a batch brings at once is what the logs show, or what
// Snapshot.Batch tells. maxconn is compared as global, the sections and the
// servers have it; one on a bind line, maxqueue and minconn are not read. Of
// pools, each configuration that was given counts as one process, for how many
// workers run is not in it.
//
// cinder-api tells a conflict that it tried again at level DEBUG of oslo_db.api
// alone, and one that it gave up always. A volume that it has created though its
// quota was not written is not lost.
//
// In a node's error log are conflicts only with wsrep_log_conflicts, and flow
// control never: of it [ReadNode] alone tells. Counters of a node are counted
// while it is looked at; what it has counted since it began may be old, and is
// of low confidence.
//
// A HAProxy that runs is compared with the file that was given as if it were
// its own: give that of one host alone if they differ. Timeouts and checks are
// not compared, for its runtime API does not show them.
//
// # What it does not do
//
// An edit keeps owner and mode of a file, not its extended attributes: restore an
// SELinux context with restorecon. Whether a line that sets the same again makes
// it vain is looked for in the files that it is planned with, not in what MariaDB
// includes, and not in server lines of HAProxy.
//
// # Memory
//
// Kept are the requests that create volumes and what nova and cinder say of
// them, and which volumes were deleted: about two kilobytes for an instance.
// Of all else the time that the logs cover is kept. make bench-bootvolume reads beside grep.
//
// # Privileges
//
// Reading the files; HAProxy's runtime socket at level user, or operator to be
// told how requests are spread; its master's socket for [Runtime.ReadMaster];
// any account of
// MariaDB for its variables and its status. A probe needs CREATE, DROP,
// INSERT, DELETE and SELECT on the one database that it is given.
//
// # Compatibility
//
// The lines are in oslo.log's own format, with colours or without, or in its
// JSON (use_json), as in nova 26.2.2 (nova/api/openstack/requestlog.py,
// nova/compute/claims.py, nova/virt/block_device.py, nova/compute/manager.py,
// nova/exception.py) and cinder 21.3.1 (cinder/api/openstack/wsgi.py,
// cinder/quota_utils.py, cinder/scheduler/flows/create_volume.py,
// cinder/volume/flows/manager/create_volume.py, cinder/api/middleware/fault.py,
// cinder/quota.py), of oslo.db 12.1.0 (oslo_db/api.py), HAProxy's as in its
// 2.6 configuration manual, chapter 8.2, its runtime API as in its 2.6
// management guide, chapter 9.3, and Galera as in MariaDB 10.11 with galera-4
// 26.4; tests talk to these, and internal/live boots a batch in a real cloud.
// The logs in testdata are of these. Not seen in a real log, but taken from the
// sources: that nova-consoleauth keeps tokens in the memory of its process unless [cache] is
// enabled (nova 18.0.0, nova/consoleauth/manager.py, nova/cache_utils.py; nova
// 20.0.0 has it no more).
//
// # Concurrency
//
// Functions may be called from several goroutines; Logs belong to one.
package bootvolume
