// Package consolelog keeps the console logs of guests from taking a control
// plane down. A guest that prints without end fills its console.log; its owner
// refreshes the dashboard, and the whole file crosses RabbitMQ again and again
// until the brokers' memory is gone. Meanwhile the disk of the hypervisor
// fills.
//
// Start with [Observe]; then [Check] says what is wrong, [Plan] which logs
// would be bounded and how, and an [Applier] bounds them in stackmend.Run.
// [Watch] does all of it in rounds. Programs that serve consoles read them with
// [Tail].
//
// # How a log is bounded
//
// qemu, virtlogd and others hold a console's log open for as long as the guest
// lives, and few can be told to open it anew. What is right depends on whether
// the writer has O_APPEND and on the filesystem:
//
//	                         every writer appends   one does not
//	ext4, xfs, overlay       collapse               punch
//	btrfs, tmpfs             punch                  punch
//	others, nobody writes    rename                 -
//
// Collapse: the head becomes a hole (FALLOC_FL_PUNCH_HOLE), and the hole is
// taken out of the file (FALLOC_FL_COLLAPSE_RANGE). Punch: the head becomes a
// hole; the apparent size goes on growing, the disk is free. Neither loses a
// byte that is written meanwhile, and a reader finds the end of the log right
// at any moment; the writer waits for milliseconds at a time. Rename: a copy of the end takes the log's place, while a lease
// shows that nobody has the log open. A rename under a writer, copytruncate
// and truncation lose lines or leave NULs, and are never used.
//
// Where virtlogd writes, it rotates by itself (max_size, max_backups in
// virtlogd.conf); its files are reported and left alone.
//
// # Safety
//
// A step assumes the file (device, inode) and its writers, not its size. They
// are looked up again before each stretch, through the descriptors of all
// processes; where /proc does not show every process, the kernel is asked by a
// lease whether somebody writes. It is refused: an unknown or unseen writer, a
// filesystem that other hosts may write, a symbolic link, FIFO or device, a
// file with several names, an archive without room.
//
// With an archive only bytes are removed that are in it: compressed with
// zstd, synced, read back, with a manifest of mode 0600 that tells the range
// and knows the text again by hashes of parts of it. If others truncate the
// log in between, nothing is removed. Files of the archive are never named
// console.log.N, which nova would return as part of the console. The bytes are
// those of a log: `zstd -dc` of an instance's files whose manifest says
// "removed", in order, followed by the log without its leading hole, is what
// the guest printed.
//
// A run that is killed at any point is continued by the next one, with its
// journal or without: an archived range that is still in the log is removed
// and not archived again, and a hole is collapsed.
//
// What cannot be excluded: a program that opens the log for writing in the
// instant between the last look and the change. Punch and collapse are right
// for one that appends or begins at the end; with one that does not append, a
// collapse would leave a hole before its text. With rename, one that has looked
// up the name and not yet opened the file writes to a file without a name.
//
// # Privileges
//
// CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH to see the descriptors of other users'
// processes, CAP_LEASE to ask for writers, CAP_DAC_OVERRIDE to bound a log:
// root, in the host's PID namespace. Anybody else gets sizes and filesystems,
// and Unknown for the writers. Mount namespaces do not matter: files are told
// apart by device and inode.
//
// # Compatibility
//
// Linux 4.11 or newer (statx). Elsewhere [Check], [Plan] and [Tail] work, and
// the rest gives an error compatible with errors.Is(err,
// errors.ErrUnsupported). Tested with qemu 7.2, libvirt 9.0 and the logs of
// nova 26.2.2, on ext4, xfs, btrfs, tmpfs and overlay on ext4. NFS and other
// remote filesystems are recognised by their number and refused, which was not
// tested on a real one.
//
// xfs may keep space that it has allocated ahead of a growing log until the
// log is closed or a few minutes pass. An ext4 without a journal that is mounted
// with the option discard gives the space back to its disk before the call
// returns, which takes most of the time there; elsewhere that comes later.
//
// [Watch] looks in rounds and asks for no notice of writes (inotify): whoever
// prints 500 MB a second would send one for each.
//
// Sources relied on:
// https://opendev.org/openstack/nova/src/tag/26.2.2/nova/virt/libvirt/driver.py (_get_console_output_file),
// https://opendev.org/openstack/nova/src/tag/26.2.2/nova/privsep/path.py (last_bytes),
// https://gitlab.com/libvirt/libvirt/-/blob/v9.0.0/src/util/virrotatingfile.c,
// https://gitlab.com/qemu-project/qemu/-/blob/v7.2.0/chardev/char-file.c,
// fallocate(2), fcntl(2), proc_pid_fdinfo(5).
//
// # Concurrency
//
// Functions may be called from several goroutines; a Snapshot and a Plan must
// not be changed while they are in use.
package consolelog
