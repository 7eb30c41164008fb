// Package imagecache cleans nova's cache of base images without ever taking
// away one that an instance still needs.
//
// nova-compute with libvirt keeps each image that instances were made of as a
// file in instances_path/_base, and the disks of the instances are qcow2
// overlays on it. Its own periodic cleaner deletes base files that it believes
// unused. On storage that several computes share it has deleted files whose
// only instances ran on a compute that was down: it forgets a host after 24
// hours of silence, looks at one disk of an instance, and at one level of its
// backing chain. The disks of those instances were lost.
//
// # Where to start
//
// Call [Observe] with a [Site], then [Check] for what is wrong. [Quarantine],
// [Restore], [Purge] and [Rescue] make the four plans; give one to
// stackmend.Run together with the Applier of [NewApplier], made with the Site
// that stands in the Snapshot.
//
// # What counts as needed
//
// A base image is kept if any file in any directory below instances_path
// refers to it, in whatever depth, whether or not a database knows the
// instance: disk, disk.eph0, disk.swap, disk.rescue, snapshots, directories
// that end in _resize, files that NFS renamed (.nfs) and downloads (.part).
// Whole backing chains count, data files, json: and file: names, and a name
// that matches a base image whatever directory stands before it. It is also
// kept if any server was made of its image, if another size of the same image
// is in use, if it is open or locked on this host, or if it is young.
//
// # Safety
//
// Nothing is taken away while one host in scope cannot be accounted for. In
// scope is every host that has registered in compute_nodes, that runs a
// nova-compute, or that a server is on; what cannot be told counts as sharing
// the filesystem. A host that is down, forced down, silent, late, ahead of
// the clock, not registered, or whose servers have no directory here is not
// accounted for. An operator who knows better says so in [Policy.Gone] or
// [Policy.Elsewhere], with a reason that stands in the plan. The same holds
// while one file cannot be read, or is of a format that is not known.
//
// A quarantine is a rename within the filesystem. Under nova's own lock on
// the image all that the plan assumed is looked at again, the manifest is
// written and synced, and the image moves without replacing anything; one
// that was touched in that moment moves back. Images are deleted by Purge
// alone, after 30 days in the quarantine unless told otherwise, and never
// without stackmend.Options.Irreversible.
//
// A restored or rescued image counts as touched just now: with its old time
// nova's cleaner would take it at its next pass. Set
// remove_unused_base_images to false before putting anything back.
//
// Rescue reads a deleted file through the process that still has it open,
// compares what it read twice and what it wrote, and never replaces a file.
// It works while a process of this host has the file. On NFS, a file that
// another client deleted is gone from the server: reading it gives ESTALE.
//
// What crosses hosts is not seen: who has a file open on another host, unless
// its lock is on the server. Directories that the operator mounts elsewhere
// are not read. That is why the fleet is asked.
//
// # Privileges
//
// Observe needs to read every directory below instances_path: on NFS with
// root_squash be the user that owns them. Seeing who has files open needs
// CAP_SYS_PTRACE, or root. Processes that stay hidden are found on local
// filesystems all the same, by asking for a lease (CAP_LEASE for files of
// others), which the kernel denies while anybody has the file open; on NFS
// nothing is planned for removal while a process is hidden. The
// fleet needs a token that may list all services and all servers; without it
// the answer is Unknown. The Applier needs to write to the base directory and
// to instances_path/locks; Rescue must be able to give files away
// (CAP_CHOWN).
//
// # Compatibility
//
// nova with the libvirt driver and qcow2 or raw disks in files
// (libvirt.images_type default, qcow2, raw, flat); with rbd and lvm the
// answer is not-applicable. File names, compute_nodes, locks and log lines are
// as in nova 26.2.2 (nova/virt/libvirt/imagecache.py,
// nova/virt/storage_users.py), locks as in oslo.concurrency 5.0.1, image
// headers as in docs/interop/qcow2.txt of qemu 9.2.0, versions 1 to 3.
// Reading works on every system, changing and seeing open files on Linux
// 3.15 or newer. NFS has no rename that refuses to replace: there a second
// name is made and the first removed.
//
// Snapshots, plans and results are plain data. Functions may be called
// concurrently; a Snapshot must not be changed while they read it.
package imagecache
