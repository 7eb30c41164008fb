package coredumps

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/stackmend/stackmend"
)

// An Applier carries out the plans of one folder.
type Applier struct{ dir *os.Root }

// NewApplier works in dir, which stays the caller's to close.
func NewApplier(dir *os.Root) *Applier { return &Applier{dir} }

// Guards makes a step wait while a dump is being written: the crash that it is
// of may be the one that somebody wants to compare.
func (a *Applier) Guards() []stackmend.Guard {
	return []stackmend.Guard{stackmend.GuardFunc("no dump is written", a.quiet)}
}

func (a *Applier) quiet(context.Context, stackmend.Request) (stackmend.Verdict, error) {
	entries, err := fs.ReadDir(a.dir.FS(), ".")
	if err != nil {
		return stackmend.Verdict{}, err // an error denies
	}
	i := slices.IndexFunc(entries, func(e fs.DirEntry) bool { return writing(e.Name()) })
	if i >= 0 {
		return stackmend.Verdict{Decision: stackmend.Wait, Reason: entries[i].Name() + " is being written", RetryAfter: time.Second}, nil
	}
	return stackmend.Verdict{Decision: stackmend.Permit, Reason: "nobody writes a dump"}, nil
}

// Recheck looks whether the dump is as the plan saw it.
func (a *Applier) Recheck(_ context.Context, s stackmend.Step) error {
	if s.Verb != VerbMove || s.Target != filepath.Base(s.Target) {
		return fmt.Errorf("%w: coredumps: unknown step %q %q", stackmend.ErrRefused, s.Verb, s.Target)
	}
	i, err := a.dir.Lstat(s.Target) // of a link, not through it
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &stackmend.StaleError{Target: s.Target, Key: seenBytes, Want: s.Assumes[seenBytes], Got: "absent"}
	case err != nil:
		return err
	case !i.Mode().IsRegular():
		return &stackmend.StaleError{Target: s.Target, Key: seenBytes, Want: s.Assumes[seenBytes], Got: i.Mode().String()}
	}
	return s.Holds(seen(i.Size(), i.ModTime()))
}

// Do gives the dump its second name, which fails where that is taken, and takes
// the first away. What died in between is completed.
func (a *Applier) Do(ctx context.Context, s stackmend.Step, _ *stackmend.Work) error {
	if a.Verify(ctx, s) == nil {
		return nil
	}
	if err := a.Recheck(ctx, s); err != nil {
		return err
	}
	if err := a.dir.Mkdir(Old, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return a.rename(s.Target, filepath.Join(Old, s.Target))
}

// Verify looks where the dump is.
func (a *Applier) Verify(_ context.Context, s stackmend.Step) error {
	_, err := a.dir.Lstat(s.Target)
	if err == nil {
		return stackmend.ErrNotDone
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	i, err := a.dir.Lstat(filepath.Join(Old, s.Target))
	if errors.Is(err, fs.ErrNotExist) {
		return stackmend.ErrNotDone // it is in neither place: somebody removed it
	}
	if err != nil {
		return err
	}
	return s.Holds(seen(i.Size(), i.ModTime()))
}

// Revert moves the dump back.
func (a *Applier) Revert(ctx context.Context, s stackmend.Step) error {
	old := filepath.Join(Old, s.Target)
	if _, err := a.dir.Lstat(old); errors.Is(err, fs.ErrNotExist) {
		return nil // never done
	}
	if err := a.rename(old, s.Target); err != nil {
		return err
	}
	return a.Recheck(ctx, s)
}

// rename replaces nothing. It is called again after a crash between its two
// halves, when both names are of one file.
func (a *Applier) rename(from, to string) error {
	if err := a.dir.Link(from, to); err != nil && !(errors.Is(err, fs.ErrExist) && a.same(from, to)) {
		return err
	}
	return a.dir.Remove(from)
}

func (a *Applier) same(x, y string) bool {
	i, err1 := a.dir.Lstat(x)
	j, err2 := a.dir.Lstat(y)
	return err1 == nil && err2 == nil && os.SameFile(i, j)
}
