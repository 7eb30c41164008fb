// Package ceph starts a real Ceph cluster on loopback for tests: one monitor,
// one manager and three OSDs in three CRUSH hosts, with cephx, from the
// programs of Debian's ceph-mon, ceph-mgr, ceph-osd and ceph-common.
//
// The daemons are children of the test binary and die with it (Linux). Start
// one cluster for a package and stop it in TestMain.
package ceph
