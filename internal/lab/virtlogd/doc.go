// Package virtlogd starts libvirt's real log daemon, and a libvirtd that
// starts domains whose consoles it writes, for tests. They live in a mount
// namespace of their own, with their own /run/libvirt, /etc/libvirt and
// /var/lib/libvirt. It needs Linux and root.
package virtlogd
