package consolelog

import (
	"bytes"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// kind is what a filesystem can do to a file's beginning, as measured.
type kind struct {
	name            string
	collapse, punch bool
	remote          bool
}

// kinds are the filesystems that are known, by the magic number of statfs(2).
// One that is not here is refused.
var kinds = map[int64]kind{
	unix.EXT4_SUPER_MAGIC:      {name: "ext4", collapse: true, punch: true}, // ext2 and ext3 have the same number
	unix.XFS_SUPER_MAGIC:       {name: "xfs", collapse: true, punch: true},
	unix.BTRFS_SUPER_MAGIC:     {name: "btrfs", punch: true},
	unix.TMPFS_MAGIC:           {name: "tmpfs", punch: true},
	unix.OVERLAYFS_SUPER_MAGIC: {name: "overlay"}, // what its upper layer can
	unix.RAMFS_MAGIC:           {name: "ramfs"},
	unix.NFS_SUPER_MAGIC:       {name: "nfs", remote: true},
	unix.SMB2_SUPER_MAGIC:      {name: "smb", remote: true},
	unix.CIFS_SUPER_MAGIC:      {name: "cifs", remote: true},
	unix.CEPH_SUPER_MAGIC:      {name: "ceph", remote: true},
	unix.FUSE_SUPER_MAGIC:      {name: "fuse", remote: true}, // glusterfs, ceph-fuse: it cannot be told
	unix.V9FS_MAGIC:            {name: "9p", remote: true},
	unix.AFS_SUPER_MAGIC:       {name: "afs", remote: true},
	unix.OCFS2_SUPER_MAGIC:     {name: "ocfs2", remote: true},
	0x01161970:                 {name: "gfs2", remote: true},
	0x0BD00BD0:                 {name: "lustre", remote: true},
	0x47504653:                 {name: "gpfs", remote: true},
}

// readFilesystem describes what a folder lies on.
func readFilesystem(folder string) (Filesystem, error) {
	var st unix.Stat_t
	if err := unix.Stat(folder, &st); err != nil {
		return Filesystem{}, &os.PathError{Op: "stat", Path: folder, Err: err}
	}
	var sf unix.Statfs_t
	if err := unix.Statfs(folder, &sf); err != nil {
		return Filesystem{}, &os.PathError{Op: "statfs", Path: folder, Err: err}
	}
	k := kindOf(int64(sf.Type))
	if k.name == "overlay" {
		k = upper(st.Dev)
	}
	return Filesystem{
		ID: deviceName(st.Dev), Path: folder, Type: k.name, Remote: k.remote, Collapse: k.collapse, Punch: k.punch,
		Block: int64(sf.Bsize), Total: int64(sf.Blocks) * int64(sf.Bsize), Free: int64(sf.Bavail) * int64(sf.Bsize),
	}, nil
}

func kindOf(magic int64) kind {
	k, ok := kinds[magic&0xffffffff]
	if !ok {
		k.name = fmt.Sprintf("%#x", magic)
	}
	return k
}

// upper says what an overlay can do: what the filesystem of its upper layer
// can. Where that cannot be seen, as in a container, it is holes: every
// filesystem that may be an upper layer can make them.
func upper(dev uint64) kind {
	k := kind{name: "overlay", punch: true}
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return k
	}
	folder := upperDir(b, deviceName(dev))
	var sf unix.Statfs_t
	if folder == "" || unix.Statfs(folder, &sf) != nil {
		return k
	}
	below := kindOf(int64(sf.Type))
	k.collapse, k.remote = below.collapse, below.remote
	return k
}

// upperDir finds the upperdir= of the overlay with this device in a mountinfo.
func upperDir(mountinfo []byte, device string) string {
	for line := range bytes.Lines(mountinfo) {
		fields := strings.Fields(string(line))
		if len(fields) < 5 || fields[2] != device {
			continue
		}
		for _, option := range strings.Split(fields[len(fields)-1], ",") {
			if dir, ok := strings.CutPrefix(option, "upperdir="); ok {
				return unescapeMount(dir)
			}
		}
	}
	return ""
}

// unescapeMount undoes what the kernel does to blanks in a mountinfo.
func unescapeMount(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}
