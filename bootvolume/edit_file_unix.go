//go:build unix

package bootvolume

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// ownerOf is UID:GID, and how many names the file has.
func ownerOf(info fs.FileInfo) (owner string, names uint64) {
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return "", 0
	}
	return fmt.Sprintf("%d:%d", s.Uid, s.Gid), uint64(s.Nlink)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
