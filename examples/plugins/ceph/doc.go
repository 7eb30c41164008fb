// Package ceph holds a module of ceph-mgr, in the folder stackmend: it offers
// "ceph stackmend check" and "ceph stackmend plan", answered from what the
// programs examples/ceph-check and examples/ceph-trim-pglog said last. See its
// module.py. The package has nothing but its tests, in a real manager.
package ceph
