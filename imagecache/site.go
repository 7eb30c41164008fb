package imagecache

import (
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Site says where nova keeps its files on this host.
type Site struct {
	Dir        string // instances_path as this host sees it; absolute
	GuestDir   string // the same directory as image headers name it; empty: Dir
	Subdir     string // image_cache.subdirectory_name; empty: _base
	Quarantine string // absolute; on the same filesystem, outside of the base directory; empty: none
	Workers    int    // directories read at once; zero: 8
	Proc       string // where proc is mounted; empty: /proc
}

// ParseDir splits HOSTDIR=GUESTDIR, or a plain directory. Kolla keeps the
// instances of a container in a volume: HOSTDIR is the volume on the host,
// GUESTDIR what nova calls it, usually /var/lib/nova/instances.
func ParseDir(s string) (Site, error) {
	host, guest, _ := strings.Cut(s, "=")
	site := Site{Dir: host, GuestDir: guest}
	return site, site.Validate()
}

// Validate reports what is wrong with the site, without looking at the disk.
func (s Site) Validate() error {
	if s.Dir == "" {
		return errors.New("imagecache: no instances directory given")
	}
	for _, d := range []string{s.Dir, s.GuestDir, s.Quarantine} {
		if d != "" && !filepath.IsAbs(d) && !path.IsAbs(d) {
			return fmt.Errorf("imagecache: %q is not an absolute path", d)
		}
	}
	if s.Subdir != "" && !validName(s.Subdir) {
		return fmt.Errorf("imagecache: subdirectory_name %q is not one plain name", s.Subdir)
	}
	if s.Workers < 0 {
		return fmt.Errorf("imagecache: %d workers", s.Workers)
	}
	if q := path.Clean(s.Quarantine); s.Quarantine != "" && (q == s.baseDir() || strings.HasPrefix(q, s.baseDir()+"/")) {
		return fmt.Errorf("imagecache: the quarantine %s must lie outside of %s", q, s.baseDir())
	}
	return nil
}

func (s Site) subdir() string {
	if s.Subdir == "" {
		return "_base"
	}
	return s.Subdir
}

func (s Site) baseDir() string { return path.Join(s.Dir, s.subdir()) }

func (s Site) proc() string {
	if s.Proc == "" {
		return "/proc"
	}
	return s.Proc
}

// names are the names of the instances directory that the operator gave.
func (s Site) names() roots {
	r := roots{path.Clean(s.Dir)}
	if s.GuestDir != "" {
		r = append(r, path.Clean(s.GuestDir))
	}
	return r
}

// roots are all names of the instances directory, the one that symbolic links
// lead to included.
func (s Site) roots() roots {
	r := s.names()
	if real, err := filepath.EvalSymlinks(s.Dir); err == nil && real != r[0] {
		r = append(r, real)
	}
	return r
}

// validName reports whether the name is one plain path element that a plan
// can name faithfully: no slash, no control characters, valid UTF-8.
func validName(name string) bool {
	return name != "" && name != "." && name != ".." && len(name) <= 255 && utf8.ValidString(name) &&
		!strings.ContainsFunc(name, func(r rune) bool {
			return r == '/' || r == '\\' || r == utf8.RuneError || unicode.IsControl(r)
		})
}
