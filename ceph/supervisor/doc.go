// Package supervisor stops and starts OSD daemons on this host through whatever
// keeps them running: [Systemd] (packages, ceph-ansible), [Cephadm],
// [Container] (docker, podman) and [Process] (monit, runit, supervisord, a
// script). [Rook] refuses, for its operator starts again what is stopped here.
//
// A supervisor has two methods. State looks; Do makes one [Change] and proves
// it by looking again: an exit status of 0 proves nothing.
//
// # Safety
//
// A stop is SIGTERM and nothing else. Before it the supervisor's own patience
// is read: docker and podman kill after 10 seconds unless told otherwise, and a
// kill is what corrupts a store. One that is too short is raised where that is
// possible (the -t of docker and podman), otherwise the stop is refused. What
// did not end in time is left running and said so, never killed. A unit of
// systemd that is masked has lost its own patience to the manager's default: it
// is then sent the signal without a job of the manager's, whose patience would
// end in a kill.
//
// A unit that systemd would not start again (StartLimitBurst) is not held. Its
// starts are the last and the automatic ones before it (NRestarts), of which all
// are taken to lie within the interval; starts by hand before those are not
// known.
//
// With [On], [Systemd] and [Container] work on another host, by [SSH]. A program
// there ends with its connection, and what became of it is then not known.
//
// Programs run in children that die with this process or hold the lock of the
// run: see [WithLock]. A daemon that is started never holds it.
//
// # Privileges
//
// Root, or what systemctl, docker and podman ask for; for [Process] the user
// of the OSD.
//
// # Compatibility
//
// Linux. [Process] is tested with real OSDs, [Systemd] with a real systemd 252
// (a user's manager) and services that are no OSDs, [SSH] with real sshds of
// OpenSSH 9.2. [Cephadm] and [Container]
// are tested against scripted programs that answer as docker 20.10 and podman
// 4.3 are documented to (docker container inspect, podman-update(1)), and NOT
// against the real ones: try them on one OSD first. Names of units and containers are those of src/cephadm of
// Ceph v16.2.15 and roles/ceph-osd of ceph-ansible stable-6.0.
package supervisor
