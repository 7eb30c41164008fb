// Package openstack starts a small OpenStack for tests: keystone, placement,
// glance, neutron, cinder and nova with three computes in two cells, the real
// programs of Debian's packages (OpenStack Zed) on a loopback address of their
// own. It takes one to two minutes of two cores, and 2 GiB.
//
// Start with [Start]. All that it writes is in a temporary folder, and every
// process ends with the test, also if that is killed.
//
// What is not real: computes run nova's fake driver, which here writes base
// images, disks and console logs as libvirt's does but runs no guest; cinder's
// volumes hold nothing; and the L2 agents of neutron are rows in its database.
package openstack
