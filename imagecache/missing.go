package imagecache

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/stackmend/stackmend"
)

func keys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// missing finds files that images refer to and that are not there: the guests
// run on as long as their qemu has it open, and will not start again.
func (u uses) missing() []stackmend.Finding {
	absent := map[string][]string{} // path: instances, or images of none
	for _, rel := range u.s.Absent {
		absent[rel] = nil
	}
	for _, i := range u.s.Images {
		for _, l := range i.Links {
			if who, ok := absent[l.Rel]; ok && l.Kind == Inside {
				absent[l.Rel] = append(who, i.Path())
			}
		}
	}
	hosts := u.s.hostOf()
	var fs []stackmend.Finding
	for _, rel := range keys(absent) {
		fs = append(fs, u.s.missingFile(rel, absent[rel], hosts))
	}
	return fs
}

// hostOf maps the IDs of servers to their hosts.
func (s *Snapshot) hostOf() map[string]string {
	m := map[string]string{}
	if s.Fleet != nil {
		for _, v := range s.Fleet.Servers {
			m[v.ID] = v.Host
		}
	}
	return m
}

const unknownHost = "no known host"

func (s *Snapshot) missingFile(rel string, images []string, hosts map[string]string) stackmend.Finding {
	per := map[string][]string{}
	for _, i := range images {
		h := hosts[instanceOf(i)]
		if h == "" {
			h = unknownHost
		}
		per[h] = append(per[h], i)
	}
	f := stackmend.Finding{Code: MissingBase, Status: stackmend.Fail, Subject: rel, Fix: s.cure(rel)}
	var counts []string
	for _, h := range keys(per) {
		counts = append(counts, fmt.Sprintf("%s: %d", h, len(per[h])))
		f.Evidence = append(f.Evidence, stackmend.Evidence{Source: h, Value: some(per[h], 50)})
	}
	f.Message = fmt.Sprintf("%d images refer to it and it is not there: their guests will not start after the next reboot (%s)",
		len(images), strings.Join(counts, ", "))
	return f
}

// some names the first n.
func some(names []string, n int) string {
	if len(names) <= n {
		return strings.Join(names, " ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:n], " "), len(names)-n)
}

// cure says where the missing file can be had from.
func (s *Snapshot) cure(rel string) string {
	name := path.Base(rel)
	if path.Dir(rel) == s.Site.subdir() {
		for _, e := range s.Entries {
			if e.Manifest.Name == name && e.Problem == "" {
				return "restore it from the quarantine: " + e.ID
			}
		}
		for _, d := range s.Deleted {
			if d.Name == name {
				return fmt.Sprintf("rescue it now, before it ends: %s (pid %d) still has the deleted file open", d.Process, d.PID)
			}
		}
	}
	return "stop no guest that uses it; rescue it on a host where a qemu still has it open, or download the same image again"
}

// removed matches missing files with the log lines that say who deleted them.
func (s *Snapshot) removed() []stackmend.Finding {
	absent := map[string]bool{}
	for _, rel := range s.Absent {
		absent[rel] = true
	}
	var fs []stackmend.Finding
	for _, r := range s.Removals {
		l := s.Site.names().link("", path.Clean(r.Path))
		rel := path.Join(s.Site.subdir(), path.Base(r.Path))
		if l.Kind == Inside {
			rel = l.Rel
		}
		if !absent[rel] {
			continue
		}
		fs = append(fs, stackmend.Finding{Code: BaseRemovedByNova, Status: stackmend.Fail, Subject: rel,
			Message:  "nova's image cache manager on " + r.Host + " deleted this file, and images refer to it",
			Fix:      "set remove_unused_base_images = false on every compute before anything is put back",
			Evidence: []stackmend.Evidence{{Source: "log of " + r.Host, Value: r.Line, At: r.At}}})
	}
	return fs
}
