package imagecache

import (
	"encoding/json"
	"errors"
	"io"
	"path"
	"strings"
)

// LinkKind says where the file that an image refers to is.
type LinkKind uint8

// The kinds. Whatever the kind, a base image with the same name is kept.
const (
	Outside LinkKind = iota // in this filesystem tree, but not under the instances directory
	Inside                  // under the instances directory: Rel says where
	Remote                  // behind a network protocol that serves no file of this tree
	Hint                    // a word of a json: name that may be a file's name
)

// A Link is one reference from an image to a file.
type Link struct {
	Kind LinkKind
	Name string // as it stands in the image
	Rel  string // of an Inside link: the path under the instances directory
}

// Base returns the last element of the name: what a base image is matched by.
func (l Link) Base() string {
	if l.Rel != "" {
		return path.Base(l.Rel)
	}
	return path.Base(l.Name)
}

// remote are protocols that cannot serve a file of the instances directory.
// nbd is not among them: qemu-nbd may well export a base image.
var remote = []string{"rbd", "iscsi", "http", "https", "ftp", "ftps", "ssh", "sheepdog"}

func isRemote(protocol string) bool {
	for _, r := range remote {
		if r == protocol {
			return true
		}
	}
	return false
}

// roots are the names under which the instances directory is known: as this
// host sees it and as the guest of a container does.
type roots []string

// links says what the name in the header of an image in dir (a path under the
// instances directory) refers to. Relative names resolve against dir as
// given, as in qemu, and not against where a symbolic link leads.
func (r roots) links(dir, name string) ([]Link, error) {
	if doc, ok := strings.CutPrefix(name, "json:"); ok {
		return r.jsonLinks(doc)
	}
	protocol, rest := splitProtocol(name)
	switch {
	case protocol == "" || protocol == "file":
		return []Link{r.link(dir, rest)}, nil
	case isRemote(protocol):
		return []Link{{Kind: Remote, Name: name}}, nil
	}
	return nil, bad("refers to %q: what the protocol %q serves cannot be seen", name, protocol)
}

// splitProtocol follows path_has_protocol of qemu: a colon before any slash.
func splitProtocol(name string) (protocol, rest string) {
	i := strings.IndexAny(name, ":/")
	if i <= 0 || name[i] != ':' {
		return "", name
	}
	return name[:i], name[i+1:]
}

func (r roots) link(dir, name string) Link {
	l := Link{Name: name}
	if !path.IsAbs(name) {
		l.setRel(path.Join(dir, name))
		return l
	}
	clean := path.Clean(name)
	for _, root := range r {
		if rel, ok := strings.CutPrefix(clean, root); ok && strings.HasPrefix(rel, "/") {
			l.setRel(rel[1:])
			return l
		}
	}
	return l
}

func (l *Link) setRel(rel string) {
	if rel != ".." && rel != "." && !strings.HasPrefix(rel, "../") {
		l.Kind, l.Rel = Inside, rel
	}
}

// words are the strings of a json: name, in order.
type words struct{ files, drivers, others []string }

// jsonLinks reads every string of a json: name, also those of repeated keys:
// values of "filename" are files, all others are hints.
func (r roots) jsonLinks(doc string) ([]Link, error) {
	w, err := scanJSON(doc)
	if err != nil {
		return nil, bad("json: name %q: %v", doc, err)
	}
	var ls []Link
	known := len(w.files) > 0
	for _, d := range w.drivers {
		known = known || isRemote(d)
		if d == "nbd" {
			return nil, bad("json: name %q: what nbd serves cannot be seen", doc)
		}
	}
	if !known {
		return nil, bad("json: name %q names no file", doc)
	}
	for _, f := range w.files {
		if !path.IsAbs(f) && !strings.Contains(f, ":") {
			return nil, bad("json: name %q: a relative name resolves against the working directory of qemu", doc)
		}
		more, err := r.links("", f)
		if err != nil {
			return nil, err
		}
		ls = append(ls, more...)
	}
	for _, h := range w.others {
		ls = append(ls, Link{Kind: Hint, Name: h})
	}
	return ls, nil
}

// scanJSON walks the tokens, for a decoder into a map would hide the first of
// two equal keys.
func scanJSON(doc string) (words, error) {
	var w words
	d := json.NewDecoder(strings.NewReader(doc))
	var objects []bool // per open bracket: is it an object
	var key string
	isKey := false
	for {
		t, err := d.Token()
		if errors.Is(err, io.EOF) && len(objects) == 0 {
			return w, nil
		}
		if err != nil {
			return w, err
		}
		switch t := t.(type) {
		case json.Delim:
			if t == '{' || t == '[' {
				objects = append(objects, t == '{')
			} else {
				objects = objects[:len(objects)-1]
			}
			isKey = len(objects) > 0 && objects[len(objects)-1]
			continue
		case string:
			if isKey {
				key, isKey = t, false
				continue
			}
			w.add(key, t)
		}
		isKey = len(objects) > 0 && objects[len(objects)-1]
	}
}

func (w *words) add(key, value string) {
	switch key[strings.LastIndexByte(key, '.')+1:] {
	case "filename":
		w.files = append(w.files, value)
	case "driver":
		w.drivers = append(w.drivers, value)
	default:
		w.others = append(w.others, value)
	}
}
