package imagecache

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"slices"

	"github.com/stackmend/stackmend"
)

// A verb is one kind of step.
type verb struct {
	assumes []string // what its steps must assume: a plan that was made to assume less is refused
	look    func(ctx context.Context, p *place, s stackmend.Step) (seen map[string]string, err error)
	do      func(ctx context.Context, p *place, s stackmend.Step, w *stackmend.Work) error
	verify  func(ctx context.Context, p *place, s stackmend.Step) error
}

// A place is the directories of one step, held open.
type place struct {
	site       Site
	root, base folder
	store      folder // the quarantine, if hasStore
	hasStore   bool
	dev        uint64
}

func (p *place) close() {
	p.root.close()
	p.base.close()
	if p.hasStore {
		p.store.close()
	}
}

// open opens the directories that the step names, if they are those of the
// site: a plan for another tree is refused.
func (a *Applier) open(s stackmend.Step, make bool) (*place, error) {
	if s.Args[argDir] != a.site.baseDir() {
		return nil, refused("the step is for %q, not for %q", s.Args[argDir], a.site.baseDir())
	}
	needs := s.Verb != VerbRescue
	if needs && (a.site.Quarantine == "" || s.Args[argQuarantine] != a.site.Quarantine) {
		return nil, refused("the step is for the quarantine %q, not for %q", s.Args[argQuarantine], a.site.Quarantine)
	}
	p := &place{site: a.site}
	root, err := openFolder(a.site.Dir)
	if err != nil {
		return nil, err
	}
	base, err := root.sub(a.site.subdir())
	if err != nil {
		root.close()
		return nil, err
	}
	p.root, p.base = root, base
	if p.dev, err = base.device(); err == nil && needs {
		err = p.openStore(make && s.Verb == VerbQuarantine)
	}
	if err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

// openStore opens the quarantine, which must lie on the same filesystem,
// outside of the base directory, and be writable by its owner alone.
func (p *place) openStore(make bool) error {
	q := p.site.Quarantine
	parent, err := openFolder(path.Dir(q))
	if err != nil {
		return err
	}
	defer parent.close()
	if make {
		if err := parent.mkdir(path.Base(q)); err != nil {
			return err
		}
	}
	store, err := parent.sub(path.Base(q))
	if errors.Is(err, fs.ErrNotExist) && !make {
		return p.fits(parent)
	}
	if err != nil {
		return err
	}
	p.store, p.hasStore = store, true
	return p.fits(store)
}

// fits checks where the quarantine, or the directory that it will be made in,
// lies.
func (p *place) fits(f folder) error {
	dev, err := f.device()
	if err != nil {
		return err
	}
	if dev != p.dev {
		return refused("the quarantine %s is on another filesystem than %s (EXDEV): an image cannot be renamed into it", p.site.Quarantine, p.site.baseDir())
	}
	if err := f.outside(p.base); err != nil {
		return err
	}
	if !p.hasStore {
		return nil
	}
	if i, err := f.self(); err != nil || i.Perm&0o022 != 0 {
		return refused("the quarantine %s can be written by others (mode %o, %v)", p.site.Quarantine, i.Perm, err)
	}
	return nil
}

// holds looks and compares.
func (p *place) holds(ctx context.Context, v verb, s stackmend.Step) error {
	seen, err := v.look(ctx, p, s)
	if err != nil {
		return err
	}
	return s.Holds(seen)
}

// needed reads the whole tree again and says what needs the base image.
func (p *place) needed(ctx context.Context, name string) (string, error) {
	var t *tree
	err := bounded(ctx, func() (err error) { t, err = scan(ctx, p.root, p.site); return err })
	if err != nil {
		return "", err
	}
	problems := append(t.problems, chainProblems(t.images)...)
	if len(problems) > 0 {
		return "", refused("%d files cannot be read or understood, such as %s", len(problems), problems[0])
	}
	if reason := newUses(&Snapshot{Images: t.images}).reason(name); reason != "" {
		return reason, nil
	}
	return none, nil
}

func listDirs(root folder) ([]string, error) {
	var dirs []string
	err := root.list(make([]byte, 64*1024), func(name []byte, typ fs.FileMode) {
		if typ == fs.ModeDir || typ == fs.ModeIrregular {
			dirs = append(dirs, string(name))
		}
	})
	slices.Sort(dirs)
	return dirs, err
}

// target says whether the name is free in the directory, as steps assume it.
func target(f folder, name string) (string, error) {
	_, err := f.stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return free, nil
	case err != nil:
		return "", err
	}
	return "taken", nil
}

func notDoneIsNil(err error) error {
	if errors.Is(err, stackmend.ErrNotDone) {
		return nil
	}
	return err
}
