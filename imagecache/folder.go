package imagecache

import (
	"io/fs"
	"time"
)

// fileInfo is what stat says, with the fields that fs.FileInfo hides.
type fileInfo struct {
	Dev, Ino, Links     uint64
	Size, Bytes         int64 // Bytes: on disk
	ModTime, ChangeTime time.Time
	UID, GID, Perm      uint32
	Mode                fs.FileMode // the type alone
}

func (i fileInfo) regular() bool { return i.Mode == 0 }
