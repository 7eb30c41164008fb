package imagecache

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Manifest lies beside each image in the quarantine, as ID.json. It says
// what the image was and how to put it back.
type Manifest struct {
	Schema      int               `json:"schema"`
	Name        string            `json:"name"`   // in the base directory
	Subdir      string            `json:"subdir"` // of the instances directory
	Inode       uint64            `json:"inode"`
	Size        int64             `json:"size"`
	Bytes       int64             `json:"bytes"` // on disk
	ModTime     time.Time         `json:"mtime"`
	UID         uint32            `json:"uid"`
	GID         uint32            `json:"gid"`
	Perm        uint32            `json:"perm"`
	Label       string            `json:"label,omitempty"` // security.selinux
	Quarantined time.Time         `json:"quarantined"`
	Reason      string            `json:"reason"`
	Stated      map[string]string `json:"stated,omitempty"` // what the operator said of hosts
}

const manifestSchema = 1

// An Entry is one image in the quarantine.
type Entry struct {
	ID       string // its file name there
	Manifest Manifest
	Since    time.Time // quarantined: the later of what the manifest and the file's ctime say
	Users    []string  // who has it open on this host
	Problem  string    // why it is left alone; empty: it can be restored
}

// entryID names the image in the quarantine. The inode keeps two images of
// one name apart, for it is taken as long as the image lies there.
func entryID(name string, inode uint64) string { return name + "." + strconv.FormatUint(inode, 10) }

// parseManifest reads a manifest, which is untrusted: whoever can write to
// the quarantine can write it.
func parseManifest(r io.Reader, id string) (Manifest, error) {
	b, err := io.ReadAll(io.LimitReader(r, 1<<16))
	if err != nil {
		return Manifest{}, err
	}
	var m Manifest
	if err := json.Unmarshal(b, &m); err != nil {
		return Manifest{}, fmt.Errorf("manifest is damaged: %w", err)
	}
	switch {
	case m.Schema != manifestSchema:
		return Manifest{}, fmt.Errorf("manifest has schema %d, this library reads %d", m.Schema, manifestSchema)
	case !isBaseName(m.Name) || !validName(m.Name) || id != entryID(m.Name, m.Inode):
		return Manifest{}, fmt.Errorf("manifest names %+q with inode %d", m.Name, m.Inode)
	case m.Quarantined.IsZero():
		return Manifest{}, fmt.Errorf("manifest does not say since when")
	}
	return m, nil
}

// readQuarantine lists the quarantine. What is no entry is not shown, what is
// damaged is, with its Problem.
func (s *Snapshot) readQuarantine() {
	if s.Site.Quarantine == "" {
		return
	}
	f, err := openFolder(s.Site.Quarantine)
	if errors.Is(err, fs.ErrNotExist) {
		return // made with the first quarantine
	}
	var ids []string
	if err == nil {
		defer f.close()
		ids, err = entryIDs(f)
	}
	if err != nil {
		s.Problems = append(s.Problems, Problem{s.Site.Quarantine, "quarantine cannot be listed: " + err.Error()})
	}
	for _, id := range ids {
		s.Entries = append(s.Entries, readEntry(f, id, s.Site.subdir()))
	}
}

// readEntry reads an image of the quarantine together with its manifest.
func readEntry(f folder, id, subdir string) Entry {
	e := Entry{ID: id}
	i, err := f.stat(id)
	if err == nil {
		e.Since = i.ChangeTime
		e.Manifest, err = readManifest(f, id)
	}
	switch {
	case err != nil:
		e.Problem = err.Error()
		return e
	case !i.regular() || i.Ino != e.Manifest.Inode || i.Size != e.Manifest.Size:
		e.Problem = "the file is not the one of its manifest"
	case e.Manifest.Subdir != subdir:
		e.Problem = "it comes from the base directory " + strconv.Quote(e.Manifest.Subdir)
	}
	if e.Manifest.Quarantined.After(e.Since) {
		e.Since = e.Manifest.Quarantined
	}
	return e
}

func readManifest(f folder, id string) (Manifest, error) {
	g, err := f.open(id + manifestExt)
	if err != nil {
		return Manifest{}, err
	}
	defer g.Close()
	return parseManifest(io.NewSectionReader(g, 0, 1<<16), id)
}

const manifestExt = ".json"

func isEntryID(name string) bool {
	i := strings.LastIndexByte(name, '.')
	if i < 0 || !isBaseName(name[:i]) {
		return false
	}
	n, err := strconv.ParseUint(name[i+1:], 10, 64)
	return err == nil && name == entryID(name[:i], n)
}

// entryIDs lists the images of the quarantine, sorted.
func entryIDs(f folder) ([]string, error) {
	var ids []string
	err := f.list(make([]byte, 64*1024), func(name []byte, _ fs.FileMode) {
		if isEntryID(string(name)) {
			ids = append(ids, string(name))
		}
	})
	slices.Sort(ids)
	return ids, err
}
