package imagecache

import (
	"context"
	"fmt"
	"time"
)

// A Snapshot is all that was seen of one image cache and of those who may use
// it. It is plain data; Check and the plans decide from it alone.
type Snapshot struct {
	At       time.Time
	Site     Site
	Config   Config
	Registry Registry
	Fleet    *Fleet  // nil: not asked
	Glance   *Glance // nil: not asked

	Bases    []Base    // what lies in the base directory, sorted
	Images   []Image   // every image under the instances directory that refers to a file, sorted
	Dirs     []string  // the directories right under the instances directory, sorted
	Files    int       // how many files were looked at
	Absent   []string  // paths under the instances directory that images refer to and that are not there
	Problems []Problem // what could not be read or understood, sorted

	Users       map[string][]string // base image: who has it open on this host
	UsersUnseen string              // why that could not be seen; empty: it was
	Hidden      string              // processes whose open files cannot be seen, if any
	Deleted     []Deleted           // deleted base images that a process still holds
	Entries     []Entry             // what lies in the quarantine
	Removals    []Removal           // lines of nova logs, when given
}

// A Problem is something that could not be read or understood. While there is
// one, no image can be said to be unused.
type Problem struct{ Path, Reason string }

func (p Problem) String() string { return p.Path + ": " + p.Reason }

// Glance is what the image service has.
type Glance struct {
	IDs        []string // of every image that still can be downloaded
	Incomplete []string // why the list may not be whole
}

// Sources is what Observe reads besides the files of the site. All are
// optional; what is missing is said in the plan, and without a Fleet nothing
// is ever planned for removal.
type Sources struct {
	Config   Config // of this host's nova.conf
	Fleet    FleetReader
	Glance   *Glance
	Removals []Removal
}

// Observe reads the image cache of the site. It changes nothing. What it
// cannot read or understand stands in Snapshot.Problems; an error means that
// there is no picture at all: the directory cannot be listed, or ctx ended.
// The base directory is the one of nova.conf if the site does not name one;
// Snapshot.Site is what an Applier must be made with.
// Directories are read in parallel; on a hanging filesystem Observe returns
// when ctx ends, although the reads in the kernel may outlast it.
func Observe(ctx context.Context, site Site, src Sources) (*Snapshot, error) {
	if err := site.Validate(); err != nil {
		return nil, err
	}
	if site.Subdir == "" {
		site.Subdir = src.Config.Subdir
	}
	s := &Snapshot{At: time.Now(), Site: site, Config: src.Config, Glance: src.Glance, Removals: src.Removals}
	if src.Fleet != nil {
		s.Fleet = askFleet(ctx, src.Fleet)
	}
	if err := bounded(ctx, func() error { return s.readTree(ctx) }); err != nil {
		return nil, err
	}
	s.At = time.Now() // ages count from when the last was seen
	return s, ctx.Err()
}

// askFleet turns an error into a list that is known to be incomplete: what
// the files alone tell is still worth a Check.
func askFleet(ctx context.Context, r FleetReader) *Fleet {
	f, err := r.Fleet(ctx)
	if err != nil {
		f.Incomplete = append(f.Incomplete, err.Error())
	}
	return &f
}

// bounded returns when ctx ends even if f hangs in the kernel.
func bounded(ctx context.Context, f func() error) error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("imagecache: reading the files: %w", context.Cause(ctx))
	}
}

// readTree reads all that lies on disk. The users come last, when the bases
// are known.
func (s *Snapshot) readTree(ctx context.Context) error {
	root, err := openFolder(s.Site.Dir)
	if err != nil {
		return err
	}
	defer root.close()
	t, err := scan(ctx, root, s.Site)
	if err != nil {
		return err
	}
	s.Images, s.Dirs, s.Files, s.Problems = t.images, t.dirs, t.files, t.problems
	s.Registry = readRegistry(ctx, root)
	s.readBases(root)
	s.readQuarantine()
	s.Absent = t.absent(root, s)
	s.Problems = append(s.Problems, chainProblems(s.Images)...)
	s.readUsers()
	sortProblems(s.Problems)
	return ctx.Err()
}
