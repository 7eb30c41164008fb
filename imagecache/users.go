package imagecache

import "strings"

// Deleted is a base image that was deleted while a process of this host had
// it open. Its bytes are there until that process ends.
type Deleted struct {
	Name    string // that it had in the base directory
	PID, FD int
	Process string // the process's name
	Inode   uint64
	Size    int64
	Bytes   int64
	Written bool // it is open for writing: its content may change
}

// fileID tells files of this host apart.
type fileID struct{ dev, ino uint64 }

// holders is who has files open on this host.
type holders struct {
	by      map[fileID][]string
	deleted []Deleted
	unseen  string
}

const deletedSuffix = " (deleted)"

// deletedBase returns the name that a deleted file had in a directory of base
// images, from what /proc/PID/fd says. A container may see the directory
// under another path; its last element stays.
func deletedBase(link, subdir string) string {
	p, ok := strings.CutSuffix(link, deletedSuffix)
	if !ok {
		return ""
	}
	dir, name, ok := cutLast(p)
	if _, last, _ := cutLast(dir); !ok || last != subdir || !isBaseName(name) {
		return ""
	}
	return name
}

func cutLast(p string) (dir, name string, ok bool) {
	i := strings.LastIndexByte(p, '/')
	if i < 0 {
		return "", p, false
	}
	return p[:i], p[i+1:], true
}
