package bootvolume

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// maxConf bounds what is read of a configuration file.
const maxConf = 16 << 20

// ReadConf reads a file for PlanEdit. It must be a regular file of one name:
// a symbolic link is not followed, for the file behind it may be another
// host's or program's. The error is compatible with errors.Is(err,
// fs.ErrNotExist), and ErrEdit for what is no such file.
func ReadConf(path string) (ConfFile, error) {
	before, err := os.Lstat(path)
	if err != nil {
		return ConfFile{}, err
	}
	if !before.Mode().IsRegular() || before.Size() > maxConf {
		return ConfFile{}, fmt.Errorf("%w: %s is no regular file of at most %d bytes", ErrEdit, path, maxConf)
	}
	f, err := os.Open(path)
	if err != nil {
		return ConfFile{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return ConfFile{}, err
	}
	owner, names := ownerOf(info)
	if !os.SameFile(before, info) || names > 1 {
		return ConfFile{}, fmt.Errorf("%w: %s has %d names, or changed as it was read", ErrEdit, path, names)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxConf+1))
	if err != nil || len(b) > maxConf {
		return ConfFile{}, errors.Join(err, fmt.Errorf("%w: %s could not be read whole", ErrEdit, path))
	}
	return ConfFile{Path: path, Text: string(b), Mode: fmt.Sprintf("%04o", info.Mode().Perm()), Owner: owner}, nil
}

// writeConf replaces a file at once: a reader sees the old one or the new one,
// also after a crash. Owner and mode are those given.
func writeConf(c ConfFile) (err error) {
	mode, err := strconv.ParseUint(c.Mode, 8, 32)
	if err != nil {
		return err
	}
	dir := filepath.Dir(c.Path)
	f, err := os.CreateTemp(dir, "."+filepath.Base(c.Path)+".")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, werr := f.WriteString(c.Text)
	err = errors.Join(werr, chown(f, c.Owner), f.Chmod(os.FileMode(mode)), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	if err = os.Rename(f.Name(), c.Path); err != nil {
		return err
	}
	return syncDir(dir)
}

// chown gives the file to UID:GID, unless it is theirs.
func chown(f *os.File, owner string) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if now, _ := ownerOf(info); now == owner {
		return nil
	}
	u, g, _ := strings.Cut(owner, ":")
	uid, err := strconv.Atoi(u)
	if err != nil {
		return err
	}
	gid, err := strconv.Atoi(g)
	if err != nil {
		return err
	}
	return f.Chown(uid, gid)
}
