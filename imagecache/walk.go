package imagecache

import (
	"encoding/json"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// A walker reads directories, one at a time. Links that it met before are
// shared, for a cloud has many disks and few bases.
type walker struct {
	tree
	roots   roots
	known   map[string][]Link // absolute names as they stand in headers
	names   map[string]string // file names: most are "disk"
	raw     []string          // directories of base images, where a raw file needs no explanation
	root    folder
	head    []byte
	dirents [maxDepth + 2][]byte

	vanished int // files that were listed and gone when they were to be read
}

func newWalker(root folder, site Site) *walker {
	w := &walker{root: root, roots: site.roots(), known: map[string][]Link{}, names: map[string]string{},
		raw: []string{site.subdir()}, head: make([]byte, headSize)}
	if q := w.roots.link("", site.Quarantine); q.Kind == Inside {
		w.raw = append(w.raw, q.Rel)
	}
	return w
}

// holdsBases reports whether raw files of any content are at home in dir: in
// the base directory, those of other hosts (_base_$my_ip), the quarantine.
func (w *walker) holdsBases(dir string) bool {
	return slices.Contains(w.raw, dir) || strings.HasPrefix(dir, "_base") && !strings.Contains(dir, "/")
}

// name returns the name as a string that equal names share.
func (w *walker) name(b []byte) string {
	s, ok := w.names[string(b)]
	if !ok {
		s = string(b)
		w.names[s] = s
	}
	return s
}

// top reads one entry of the instances directory. If something in it vanished
// while it was read, nothing is kept of it but its name, in lost.
func (w *walker) top(root folder, e entry) {
	before, vanished := w.tree, w.vanished
	if e.typ == fs.ModeIrregular {
		i, err := root.stat(e.name)
		if err != nil {
			w.unreadable(e.name, err)
		}
		e.typ = i.Mode
	}
	if w.vanished == vanished {
		if e.typ == fs.ModeDir {
			w.dirs = append(w.dirs, e.name)
		}
		w.entry(root, "", e, 0)
	}
	if w.vanished != vanished {
		before.lost = append(before.lost, e.name)
		w.tree = before
	}
}

// unreadable notes an error. What has vanished is no problem yet: all is
// listed again afterwards, and what was only renamed is read then.
func (w *walker) unreadable(path string, err error) {
	if errors.Is(err, fs.ErrNotExist) {
		w.vanished++
		return
	}
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err
	}
	w.problem(path, err.Error())
}

func (w *walker) entry(f folder, dir string, e entry, depth int) {
	switch e.typ {
	case fs.ModeDir:
		w.dir(f, dir, e.name, depth)
	case fs.ModeSymlink:
		w.symlink(f, dir, e.name)
	case fs.ModeIrregular:
		i, err := f.stat(e.name)
		if err != nil {
			w.unreadable(path.Join(dir, e.name), err)
			return
		}
		w.entry(f, dir, entry{e.name, i.Mode}, depth)
	case fs.ModeDevice:
		w.problem(path.Join(dir, e.name), "block device: what is on it cannot be told")
	case 0:
		w.file(f, dir, e.name)
	}
}

func (w *walker) dir(parent folder, dir, name string, depth int) {
	dir = path.Join(dir, name)
	if depth > maxDepth {
		w.problem(dir, "too many directories inside each other: not read")
		return
	}
	f, err := parent.sub(name)
	if err != nil {
		w.unreadable(dir, err)
		return
	}
	defer f.close()
	var few [16]entry
	es, err := w.list(f, depth, few[:0])
	if err != nil {
		w.unreadable(dir, err)
	}
	for _, e := range es {
		w.entry(f, dir, e, depth+1)
	}
}

func (w *walker) list(f folder, depth int, es []entry) ([]entry, error) {
	if w.dirents[depth] == nil {
		w.dirents[depth] = make([]byte, 8*1024)
	}
	err := f.list(w.dirents[depth], func(name []byte, typ fs.FileMode) {
		es = append(es, entry{w.name(name), typ})
	})
	return es, err
}

// symlink reads the file that the link leads to, with the names in it
// resolved where the link is, as qemu does. A link that leads out, to another
// link or to a directory is not followed.
func (w *walker) symlink(f folder, dir, name string) {
	at := path.Join(dir, name)
	to, err := f.readlink(name)
	if err != nil {
		w.unreadable(at, err)
		return
	}
	l := w.roots.link(dir, to)
	if l.Kind != Inside {
		w.problem(at, "symbolic link to "+to+", out of the instances directory")
		return
	}
	err = within(w.root, l.Rel, func(g folder, target string) error {
		i, err := g.stat(target)
		if err == nil && !i.regular() {
			err = errors.New("no regular file")
		}
		if err == nil {
			w.read(g, target, dir, name)
		}
		return err
	})
	if err != nil {
		w.problem(at, "symbolic link to "+to+": "+err.Error())
	}
}

func (w *walker) file(f folder, dir, name string) { w.read(f, name, dir, name) }

// read notes what the file in f refers to, under the path by which it is
// known: they differ for a symbolic link.
func (w *walker) read(f folder, file, dir, name string) {
	g, err := f.open(file)
	if err != nil {
		w.unreadable(path.Join(dir, name), err)
		return
	}
	defer g.Close()
	w.files++
	n, err := g.head(w.head)
	if err != nil {
		w.unreadable(path.Join(dir, name), err)
		return
	}
	h, err := parseHeader(w.head[:n], g)
	if err != nil {
		w.unreadable(path.Join(dir, name), err)
		return
	}
	if reason := doubt(f, dir, name, h); reason != "" && !w.holdsBases(dir) {
		w.problem(path.Join(dir, name), reason)
	}
	w.refer(dir, name, h)
}

// refer notes what the header refers to.
func (w *walker) refer(dir, name string, h Header) {
	var links []Link
	for _, to := range [...]string{h.Backing, h.DataFile} {
		if to == "" {
			continue
		}
		ls, err := w.links(dir, to)
		if err != nil {
			w.problem(path.Join(dir, name), err.Error())
			continue
		}
		if links == nil {
			links = ls
			continue
		}
		links = append(links[:len(links):len(links)], ls...)
	}
	if links == nil {
		return
	}
	w.images = append(w.images, Image{dir, name, links})
	for _, l := range links {
		if l.Kind == Outside {
			w.problem(path.Join(dir, name), "refers to "+l.Name+", outside of the instances directory: what that refers to cannot be seen")
		}
	}
}

func (w *walker) links(dir, to string) ([]Link, error) {
	if ls, ok := w.known[to]; ok {
		return ls, nil
	}
	ls, err := w.roots.links(dir, to)
	if err == nil && (path.IsAbs(to) || strings.HasPrefix(to, "json:")) {
		w.known[to] = ls
	}
	return ls, err
}

// doubt says why a file that is no image might still be one: it has no magic
// and is nothing that is known to refer to no other file.
func doubt(f folder, dir, name string, h Header) string {
	switch {
	case h.Format == "empty" && isDisk(name):
		return "empty: a disk was cut, or is being made"
	case h.Format == "text" && !isDisk(name), h.Format != "" && h.Format != "text", !isDisk(name) && noDisk(name):
		return ""
	case rawByInfo(f, dir, name):
		return ""
	}
	return "unknown format: neither an image nor anything that surely refers to no other file"
}

func isDisk(name string) bool {
	return name == "disk" || strings.HasPrefix(name, "disk.") && name != "disk.info" && !strings.HasPrefix(name, "disk.config")
}

// noDisk are the names of what else nova and libvirt keep with an instance.
func noDisk(name string) bool {
	for _, p := range []string{"console.log", "disk.config", "disk.info", "kernel", "ramdisk"} {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	return false
}

// rawByInfo reports whether nova noted in disk.info that it made this file as
// a raw disk.
func rawByInfo(f folder, dir, name string) bool {
	g, err := f.open("disk.info")
	if err != nil {
		return false
	}
	defer g.Close()
	b := make([]byte, 64*1024)
	n, _ := g.ReadAt(b, 0)
	var formats map[string]string
	if json.Unmarshal(b[:n], &formats) != nil {
		return false
	}
	for p, format := range formats {
		if path.Base(p) == name && path.Base(path.Dir(p)) == path.Base(dir) {
			return format == "raw"
		}
	}
	return false
}
