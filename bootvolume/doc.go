// Package bootvolume finds where the volumes of a batch boot get lost: in
// nova, before or at HAProxy, in cinder-api, at the quota, in the database, or
// because nova waited too short.
//
// Give the logs to [Logs.Read] or [Logs.ReadFiles] and the configurations to
// [ReadHAProxy], [ReadNovaConf] and [ReadGaleraConf]; then [Check] says of each
// instance where its request ended, and of the configurations what they cost.
// [Follow] gives the instances themselves, for a table. The package changes
// nothing and talks to nothing.
//
// # What can be relied on
//
// The absence of a line counts only where the log of that kind covers the
// time; otherwise the verdict is [CodeUndetermined], with the log that is
// missing. Lines are put together by the global request ID, which HAProxy must
// log: capture request header X-OpenStack-Request-ID. Where instances share
// one, they and the requests are paired in order of time, and the finding is
// of lower confidence.
//
// # What it does not do
//
// Requests of releases without a global request ID (before Pike) are not
// followed. Logs of nova-api, cinder-scheduler and cinder-volume, oslo.log's
// JSON and HAProxy's runtime socket are not read, clocks that differ between
// hosts are not corrected, and of Galera only files are read, not what the
// nodes have in effect. nova-consoleauth is not looked at. Nothing is planned
// or applied.
//
// # Privileges
//
// Reading the files.
//
// # Compatibility
//
// The lines are as in nova 26.2.2 (nova/virt/block_device.py,
// nova/compute/manager.py, nova/exception.py) and cinder 21.3.1
// (cinder/api/openstack/wsgi.py, cinder/quota_utils.py), HAProxy's as in its
// 2.6 configuration manual, chapter 8.2. The logs in testdata are of these. Not
// seen in a real log, but taken from the sources: nova giving up waiting, a
// volume not found, a quota exceeded.
//
// # Concurrency
//
// Functions may be called from several goroutines; Logs belong to one.
package bootvolume
