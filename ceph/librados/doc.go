// Package librados reaches a Ceph cluster through librados, for [ceph.Observe]
// and whoever else takes a [ceph.Commander]. It is the only place of this
// module that needs cgo and the headers of librados (librados-dev on Debian,
// librados-devel on Fedora). Without cgo, or with the build tag nolibrados,
// [Open] returns an error that is [errors.ErrUnsupported]; the command line
// ([ceph.CLI]) does the same work.
//
// # Safety
//
// librados knows no context. A call that its caller has given up goes on in
// librados until the cluster answers; it holds one of [Options.Calls] places
// meanwhile, so that a frozen monitor does not pile them up, and Close leaves
// the connection to the last of them, for a call after the shutdown would end
// the process. Where a hang matters more than speed use [ceph.CLI], whose
// child can be killed.
//
// rados_mon_op_timeout is left alone on purpose: with it a manager command
// that times out can crash within librados (ceph pull request 57439).
//
// # Privileges
//
// Those of the user that Options names. `mon 'allow r', mgr 'allow r'` reads
// the cluster, `osd 'allow r'` is not enough for the daemons' own counters:
// those are then Unknown.
//
// # Compatibility
//
// go-ceph v0.40.0 with librados 16.2 and newer.
package librados
