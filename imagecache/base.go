package imagecache

import (
	"cmp"
	"errors"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// A Base is one entry of the base directory.
type Base struct {
	Name    string
	Size    int64 // apparent, in bytes
	Bytes   int64 // on disk
	ModTime time.Time
	Inode   uint64
	Links   uint64 // names the file has
	Odd     string // why it is none of nova's base images; empty: it is one
}

// Names that nova gives to base images (nova/virt/libvirt/imagecache.py and
// imagebackend.py, 26.2.2): the SHA-1 of the image's ID, with the legacy _sm
// or a size; swap and ephemeral disks by size.
var (
	imageName = regexp.MustCompile(`^([0-9a-f]{40})(_sm|_[0-9]+)?$`)
	blankName = regexp.MustCompile(`^(swap_[0-9]+|ephemeral_[0-9]+_[0-9A-Za-z]+)$`)
)

// imageHash returns the SHA-1 in the name of a base image made of an image.
func imageHash(name string) string {
	if m := imageName.FindStringSubmatch(name); m != nil {
		return m[1]
	}
	return ""
}

func isBaseName(name string) bool { return imageName.MatchString(name) || blankName.MatchString(name) }

// readBases lists the base directory.
func (s *Snapshot) readBases(root folder) {
	sub := s.Site.subdir()
	f, err := root.sub(sub)
	if errors.Is(err, fs.ErrNotExist) {
		return // nova makes it with the first instance
	}
	if err == nil {
		defer f.close()
		err = f.list(make([]byte, 64*1024), func(name []byte, _ fs.FileMode) { s.readBase(f, string(name)) })
	}
	if err != nil {
		s.Problems = append(s.Problems, Problem{sub, "base images cannot be listed: " + err.Error()})
	}
	slices.SortFunc(s.Bases, func(a, b Base) int { return cmp.Compare(a.Name, b.Name) })
}

func (s *Snapshot) readBase(f folder, name string) {
	i, err := f.stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err != nil {
		s.Problems = append(s.Problems, Problem{path.Join(s.Site.subdir(), name), err.Error()})
		return
	}
	s.Bases = append(s.Bases, Base{Name: name, Size: i.Size, Bytes: i.Bytes, ModTime: i.ModTime,
		Inode: i.Ino, Links: i.Links, Odd: odd(name, i)})
}

// odd says why an entry of the base directory is left alone whatever refers
// to it.
func odd(name string, i fileInfo) string {
	switch {
	case !validName(name):
		return "its name cannot be written into a plan: " + strconv.QuoteToASCII(name)
	case i.Mode == fs.ModeSymlink:
		return "symbolic link"
	case i.Mode == fs.ModeDir:
		return "directory"
	case !i.regular():
		return "no regular file"
	case path.Ext(name) == ".part" || path.Ext(name) == ".converted":
		return "being made: nova writes " + path.Ext(name) + " files"
	case len(name) > 4 && name[:4] == ".nfs":
		return "NFS keeps it for a process that has it open"
	case !isBaseName(name):
		return "no name that nova gives to a base image"
	case i.Links != 1:
		return "it has " + strconv.FormatUint(i.Links, 10) + " names (hard links)"
	case i.Size == 0:
		return "empty: being made, or cut"
	}
	return ""
}
