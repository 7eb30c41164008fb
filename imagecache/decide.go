package imagecache

import (
	"fmt"
	"path"
	"strings"

	"github.com/stackmend/stackmend"
)

// Finding codes.
const (
	UnusedImage       = "unused-image"                      // nothing needs it; it only costs bytes
	MissingBase       = "missing-base"                      // disks refer to it, and it is not there
	LastCopy          = "last-copy"                         // in use, and Glance no longer has the image
	UnaccountedHost   = "unaccounted-host"                  // nobody can tell what its instances need
	Unreadable        = "unreadable"                        // could not be read or understood
	CleanerEnabled    = "cleaner-enabled-on-shared-storage" // nova will delete bases that it believes unused
	BaseRemovedByNova = "base-removed-by-nova"              // a missing base, and the log line that says who deleted it
	NotApplicable     = "not-applicable"                    // disks do not lie in instances_path
)

const check = "imagecache"

// Check says what is wrong with the image cache. The status of a Snapshot
// that saw too little is Unknown. Policy must be valid ([Policy.Validate]).
func Check(s *Snapshot, p Policy) (stackmend.Result, error) {
	p, err := s.ready(p)
	if err != nil {
		return stackmend.Result{}, err
	}
	r := stackmend.Result{Check: check, Subject: s.Site.Dir, Started: s.At, Finished: s.At}
	if f, ok := s.notApplicable(); ok {
		r.Status, r.Findings = f.Status, []stackmend.Finding{f}
		return r, nil
	}
	u := newUses(s)
	gaps := s.census().gaps(p)
	r.Findings = append(r.Findings, u.missing()...)
	r.Findings = append(r.Findings, s.removed()...)
	r.Findings = append(r.Findings, unaccounted(gaps)...)
	r.Findings = append(r.Findings, s.unreadable()...)
	r.Findings = append(r.Findings, s.cleaner()...)
	r.Findings = append(r.Findings, u.lastCopies()...)
	if len(s.blind(gaps)) == 0 {
		r.Findings = append(r.Findings, u.unusedImages(p)...)
	}
	r.Status = stackmend.OK
	for _, f := range r.Findings {
		r.Status = stackmend.Worst(r.Status, f.Status)
	}
	return r, nil
}

// ready validates before anything is decided.
func (s *Snapshot) ready(p Policy) (Policy, error) {
	if s == nil || s.At.IsZero() {
		return p, fmt.Errorf("imagecache: nothing was observed")
	}
	if err := s.Site.Validate(); err != nil {
		return p, err
	}
	return p.resolved(s.Config), p.Validate()
}

func (s *Snapshot) notApplicable() (stackmend.Finding, bool) {
	switch t := s.Config.ImagesType; t {
	case "rbd", "lvm":
		f := stackmend.Finding{Code: NotApplicable, Status: stackmend.OK, Subject: s.Site.Dir,
			Message:  "libvirt.images_type is " + t + ": disks have no backing file here",
			Evidence: []stackmend.Evidence{{Source: "nova.conf", Value: "images_type = " + t}}}
		if n := len(s.Images); n > 0 {
			f.Status = stackmend.Unknown
			f.Message = fmt.Sprintf("libvirt.images_type is %s, and yet %d images here refer to others, such as %s", t, n, s.Images[0].Path())
			f.Fix = "look where these disks come from; this package does not touch this cache"
		}
		return f, true
	}
	return stackmend.Finding{}, false
}

// blind says why no image can be said to be unused.
func (s *Snapshot) blind(gaps []gap) []string {
	var why []string
	for _, g := range gaps {
		why = append(why, g.String())
	}
	for i, p := range s.Problems {
		if i == 20 {
			why = append(why, fmt.Sprintf("and %d more files cannot be read or understood", len(s.Problems)-i))
			break
		}
		why = append(why, p.String())
	}
	if s.UsersUnseen != "" {
		why = append(why, "who has images open on this host cannot be seen: "+s.UsersUnseen)
	}
	return why
}

func unaccounted(gaps []gap) []stackmend.Finding {
	var fs []stackmend.Finding
	for _, g := range gaps {
		f := stackmend.Finding{Code: UnaccountedHost, Status: stackmend.Unknown, Subject: g.host,
			Message: g.reason + "; no image can be said to be unused",
			Fix:     "bring the host back, or state that it is gone for good and why"}
		if g.host == "" {
			f.Subject, f.Fix = "all hosts", "make the lists and compute_nodes complete; until then everything is kept"
		}
		fs = append(fs, f)
	}
	return fs
}

func (s *Snapshot) unreadable() []stackmend.Finding {
	var fs []stackmend.Finding
	for _, p := range s.Problems {
		fs = append(fs, stackmend.Finding{Code: Unreadable, Status: stackmend.Unknown, Subject: p.Path, Message: p.Reason,
			Fix: "make it readable, or move what is no image out of the instances directory"})
	}
	if s.UsersUnseen != "" {
		fs = append(fs, stackmend.Finding{Code: Unreadable, Status: stackmend.Unknown, Subject: "open files",
			Message: s.UsersUnseen, Fix: "run as root on a compute"})
	}
	return fs
}

// cleaner warns of nova's own cleaner where several hosts share the cache.
func (s *Snapshot) cleaner() []stackmend.Finding {
	c := s.Config
	if !c.Read || !c.RemoveUnused || c.Interval < 0 || len(s.Registry.Hosts) < 2 {
		return nil
	}
	return []stackmend.Finding{{Code: CleanerEnabled, Status: stackmend.Warn, Subject: s.Site.Dir,
		Message: fmt.Sprintf("nova deletes base images that it believes unused, on storage that %d hosts share: it forgets a host after 24 hours of silence, and sees one backing level of one disk", len(s.Registry.Hosts)),
		Fix:     "set remove_unused_base_images = false in [image_cache] on every compute; leave manager_interval, so that hosts still register",
		Evidence: []stackmend.Evidence{
			{Source: "nova.conf", Value: "remove_unused_base_images = true, manager_interval = " + c.Interval.String()},
			{Source: "compute_nodes", Value: strings.Join(keys(s.Registry.Hosts), " ")},
		}}}
}

// lastCopies finds images in use that could not be downloaded again.
func (u uses) lastCopies() []stackmend.Finding {
	g := u.s.Glance
	if g == nil || len(g.Incomplete) > 0 {
		return nil
	}
	has := map[string]bool{}
	for _, id := range g.IDs {
		has[hashOf(id)] = true
	}
	var fs []stackmend.Finding
	for _, b := range u.s.Bases {
		hash := imageHash(b.Name)
		reason := u.reason(b.Name)
		if hash == "" || has[hash] || reason == "" {
			continue
		}
		f := stackmend.Finding{Code: LastCopy, Status: stackmend.Warn, Subject: b.Name,
			Message: "in use, and Glance no longer has its image: if this file is lost it cannot be downloaded again",
			Fix:     "back it up, or upload it to Glance again", Evidence: []stackmend.Evidence{{Source: "use", Value: reason}}}
		if v, ok := u.servers[hash]; ok {
			f.Evidence = append(f.Evidence, stackmend.Evidence{Source: "server " + v.ID, Value: "image " + v.Image})
		}
		fs = append(fs, f)
	}
	return fs
}

func (u uses) unusedImages(p Policy) []stackmend.Finding {
	unused, _ := u.unused(p)
	var fs []stackmend.Finding
	for _, b := range unused {
		fs = append(fs, stackmend.Finding{Code: UnusedImage, Status: stackmend.Warn, Subject: b.Name,
			Message: fmt.Sprintf("nothing refers to it; it takes %d bytes", b.Bytes),
			Fix:     "quarantine it",
			Evidence: []stackmend.Evidence{{Source: path.Join(u.s.Site.baseDir(), b.Name),
				Value: fmt.Sprintf("last touched %s", b.ModTime.UTC().Format("2006-01-02T15:04:05Z")), At: b.ModTime}}})
	}
	return fs
}
