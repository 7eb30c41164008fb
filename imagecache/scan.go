package imagecache

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

const (
	maxDepth  = 8  // directories below an instance's
	maxRounds = 20 // readings of a directory that keeps changing
)

// An Image is a file that refers to other files.
type Image struct {
	Dir   string // under the instances directory; "" for a file right there
	File  string
	Links []Link // shared between images: read only
}

// Path returns the path under the instances directory.
func (i Image) Path() string { return path.Join(i.Dir, i.File) }

// Instance returns the ID of the instance whose directory it is, if the
// directory is named as nova names it.
func (i Image) Instance() string { return instanceOf(i.Dir) }

func instanceOf(dir string) string {
	top, _, _ := strings.Cut(dir, "/")
	top = strings.TrimSuffix(strings.TrimSuffix(top, "_resize"), "_del")
	return top
}

// tree is what a scan found.
type tree struct {
	dirs     []string
	images   []Image
	files    int
	problems []Problem
	lost     []string // entries that changed while they were read
}

func (t *tree) problem(path, reason string) {
	t.problems = append(t.problems, Problem{path, reason})
}

// scan reads every file in every directory below root, those of no known
// instance too. The base directory itself is read for what its images refer
// to like any other.
//
// The directory is listed again after it was read, until nothing is new: nova
// renames directories (a resize), and one that moved while others were read
// must not be missed.
func scan(ctx context.Context, root folder, site Site) (*tree, error) {
	all := &tree{}
	seen := map[string]bool{}
	for round := range maxRounds {
		entries, err := newEntries(root, seen)
		if err != nil {
			return nil, err
		}
		if len(entries) == 0 {
			all.sort()
			return all, nil
		}
		if err := all.readAll(ctx, root, site, entries); err != nil {
			return nil, err
		}
		for _, name := range all.lost {
			delete(seen, name)
		}
		if round < maxRounds-1 {
			all.lost = nil
		}
	}
	all.problem(".", fmt.Sprintf("changed each of the %d times it was read: %s", maxRounds, some(all.lost, 5)))
	all.sort()
	return all, nil
}

type entry struct {
	name string
	typ  fs.FileMode
}

// newEntries lists the entries that are not in seen, and adds them.
func newEntries(f folder, seen map[string]bool) ([]entry, error) {
	var es []entry
	err := f.list(make([]byte, 64*1024), func(name []byte, typ fs.FileMode) {
		if !seen[string(name)] {
			s := string(name)
			seen[s] = true
			es = append(es, entry{s, typ})
		}
	})
	return es, err
}

// readAll reads the entries in parallel and adds what was found.
func (t *tree) readAll(ctx context.Context, root folder, site Site, entries []entry) error {
	n := site.Workers
	if n == 0 {
		n = 8
	}
	g, ctx := errgroup.WithContext(ctx)
	parts := make([]*walker, min(n, len(entries)))
	var next atomic.Int64
	for i := range parts {
		w := newWalker(root, site)
		parts[i] = w
		g.Go(func() error {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(entries) || ctx.Err() != nil {
					return ctx.Err()
				}
				w.top(root, entries[i])
			}
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for _, w := range parts {
		t.dirs = append(t.dirs, w.dirs...)
		t.images = append(t.images, w.images...)
		t.problems = append(t.problems, w.problems...)
		t.files += w.files
		t.lost = append(t.lost, w.lost...)
	}
	return nil
}

func (t *tree) sort() {
	slices.Sort(t.dirs)
	slices.SortFunc(t.images, func(a, b Image) int {
		return cmp.Or(cmp.Compare(a.Dir, b.Dir), cmp.Compare(a.File, b.File))
	})
	sortProblems(t.problems)
}

func sortProblems(p []Problem) {
	slices.SortFunc(p, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Reason, b.Reason))
	})
}

// absent returns the paths that images refer to and that do not exist.
func (t *tree) absent(root folder, s *Snapshot) []string {
	asked := map[string]bool{}
	var out []string
	for _, i := range t.images {
		for _, l := range i.Links {
			if l.Kind != Inside || asked[l.Rel] {
				continue
			}
			asked[l.Rel] = true
			switch err := lookup(root, l.Rel); {
			case errors.Is(err, fs.ErrNotExist):
				out = append(out, l.Rel)
			case err != nil:
				s.Problems = append(s.Problems, Problem{l.Rel, "referred to by " + i.Path() + ": " + err.Error()})
			}
		}
	}
	slices.Sort(out)
	return out
}

// lookup stats the path without following symbolic links on the way.
func lookup(root folder, rel string) error {
	return within(root, rel, func(f folder, name string) error {
		_, err := f.stat(name)
		return err
	})
}

// within calls do with the directory of the path, reached without following
// symbolic links.
func within(root folder, rel string, do func(f folder, name string) error) error {
	dir, rest, deeper := strings.Cut(rel, "/")
	if !deeper {
		return do(root, dir)
	}
	sub, err := root.sub(dir)
	if err != nil {
		return err
	}
	defer sub.close()
	return within(sub, rest, do)
}
