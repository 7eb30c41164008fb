package imagecache

import (
	"crypto/sha1" // how nova names base images; nothing here is a secret
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// uses says what needs which base image.
type uses struct {
	s        *Snapshot
	disks    map[string][]int  // base name: indexes of the images that refer to it
	servers  map[string]Server // SHA-1 of the image that a server was made of
	families map[string]string // SHA-1 of an image of which some size is in use: that base
}

func newUses(s *Snapshot) uses {
	u := uses{s, map[string][]int{}, map[string]Server{}, map[string]string{}}
	for i, img := range s.Images {
		for _, name := range baseNames(img) {
			u.disks[name] = append(u.disks[name], i)
		}
	}
	if s.Fleet != nil {
		for _, v := range s.Fleet.Servers {
			if v.Image != "" {
				u.servers[hashOf(v.Image)] = v
			}
		}
	}
	for _, name := range slices.Backward(slices.Sorted(maps.Keys(u.disks))) {
		u.families[imageHash(name)] = name
	}
	for _, b := range s.Bases {
		if len(s.Users[b.Name]) > 0 {
			u.families[imageHash(b.Name)] = b.Name
		}
	}
	delete(u.families, "")
	return u
}

// hashOf is get_cache_fname of nova/virt/libvirt/imagecache.py.
func hashOf(imageID string) string {
	h := sha1.Sum([]byte(imageID))
	return hex.EncodeToString(h[:])
}

// baseNames are the names by which an image might refer to a base image,
// whatever directory stands before them.
func baseNames(i Image) []string {
	var names []string
	for _, l := range i.Links {
		if n := l.Base(); isBaseName(n) && !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	return names
}

// reason says why the base image stays, whatever its age; "" if nothing is
// known that needs it.
func (u uses) reason(name string) string {
	hash := imageHash(name)
	if d := u.disks[name]; len(d) > 0 {
		return fmt.Sprintf("%d images refer to it, such as %s", len(d), u.s.Images[d[0]].Path())
	}
	if v, ok := u.servers[hash]; ok {
		return fmt.Sprintf("server %s was made of image %s", v.ID, v.Image)
	}
	if h := u.s.Users[name]; len(h) > 0 {
		return "open on this host: " + strings.Join(h, ", ")
	}
	if other, ok := u.families[hash]; ok {
		return "another size of the same image is in use: " + other
	}
	return ""
}

// unused returns the base images that nothing needs, as far as was seen, and
// why all others stay.
func (u uses) unused(p Policy) (unused []Base, kept map[string]string) {
	kept = map[string]string{}
	for _, b := range u.s.Bases {
		reason := b.Odd
		if reason == "" {
			reason = u.reason(b.Name)
		}
		if reason == "" {
			reason = young(u.s.At.Sub(b.ModTime), b.ModTime, p)
		}
		if reason == "" {
			unused = append(unused, b)
			continue
		}
		kept[b.Name] = reason
	}
	return unused, kept
}

func young(age time.Duration, mtime time.Time, p Policy) string {
	switch {
	case -age > p.MaxSkew:
		return "touched in the future: clock skew"
	case age < p.MinAge:
		return fmt.Sprintf("nothing refers to it, but it was touched at %s, less than %v ago", mtime.UTC().Format(time.RFC3339), p.MinAge)
	}
	return ""
}
