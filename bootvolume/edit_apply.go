package bootvolume

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"github.com/stackmend/stackmend"
)

// A Service is what runs with the files: the caller's supervisor, and the
// program's own checker.
type Service interface {
	// Check has the program check its files ("haproxy -c -f ..."), and returns
	// what it warns of though it accepts them ([CheckerWarnings]).
	Check(ctx context.Context, files []string) (warnings []string, err error)
	// Generation is another text after each reload: the PID of the worker, and
	// when it began (Runtime.Worker). It is never empty.
	Generation(ctx context.Context) (string, error)
	Reload(ctx context.Context) error
	// Healthy is nil if the service does its work.
	Healthy(ctx context.Context) error
}

// An Editor carries out the steps of PlanEdit.
type Editor struct {
	services map[string]Service
	patience time.Duration
	asked    sync.Map // services whose reload was begun, and is to be undone

	mu     sync.Mutex
	warned []stackmend.Finding
}

var (
	_ stackmend.Applier  = (*Editor)(nil)
	_ stackmend.Reverter = (*Editor)(nil)
)

// NewEditor returns an Editor for services by their names. One that does not
// run with its files and is healthy within the patience, such as a minute,
// gets its old configuration back. It needs to write the folders of the files, and to give
// files away where they are another user's.
func NewEditor(services map[string]Service, patience time.Duration) *Editor {
	return &Editor{services: services, patience: patience}
}

// Guards implements stackmend.Applier: a file is checked again at each step.
func (e *Editor) Guards() []stackmend.Guard { return nil }

func (e *Editor) service(name string) (Service, error) {
	if s := e.services[name]; s != nil {
		return s, nil
	}
	return nil, fmt.Errorf("bootvolume: service %q: nobody said how it is reloaded: %w", name, stackmend.ErrRefused)
}

func known(s stackmend.Step) error {
	switch s.Verb {
	case VerbBackUp, VerbEdit, VerbValidate, VerbReload, VerbHealthy:
		return nil
	}
	return fmt.Errorf("bootvolume: verb %q is not known: %w", s.Verb, stackmend.ErrRefused)
}

// copyOf is where the file is kept as it was.
func copyOf(s stackmend.Step) string {
	return fmt.Sprintf("%s.stackmend-%.12s", s.Target, s.Assumes["sha256"])
}

// holds compares a file with what a step assumes of it.
func holds(s stackmend.Step, f ConfFile) error {
	for _, k := range []struct{ key, got string }{{"sha256", sum(f.Text)}, {"mode", f.Mode}, {"owner", f.Owner}} {
		if s.Assumes[k.key] != k.got {
			return &stackmend.StaleError{Target: s.Target, Key: k.key, Want: s.Assumes[k.key], Got: k.got}
		}
	}
	return nil
}

// Recheck implements stackmend.Applier.
func (e *Editor) Recheck(ctx context.Context, s stackmend.Step) error {
	if err := known(s); err != nil {
		return err
	}
	if s.Verb == VerbBackUp || s.Verb == VerbEdit {
		f, err := ReadConf(s.Target)
		if err != nil {
			return err
		}
		return errors.Join(holds(s, f), besideHolds(s))
	}
	service, err := e.service(s.Target)
	if err != nil || s.Verb != VerbReload {
		return err
	}
	now, err := service.Generation(ctx)
	if err == nil && now != s.Assumes["generation"] {
		err = &stackmend.StaleError{Target: s.Target, Key: "generation", Want: s.Assumes["generation"], Got: now}
	}
	return err
}

// Do implements stackmend.Applier.
func (e *Editor) Do(ctx context.Context, s stackmend.Step, _ *stackmend.Work) error {
	if err := known(s); err != nil {
		return err
	}
	switch s.Verb {
	case VerbBackUp:
		return backUp(s)
	case VerbEdit:
		return change(s)
	}
	service, err := e.service(s.Target)
	if err != nil {
		return err
	}
	switch s.Verb {
	case VerbValidate:
		return e.check(ctx, service, s)
	case VerbReload:
		return e.reload(ctx, service, s.Assumes["generation"])
	}
	return healthy(ctx, e.patience, service, s.Assumes["generation"])
}

func backUp(s stackmend.Step) error {
	f, err := ReadConf(s.Target)
	if err != nil {
		return err
	}
	if err := holds(s, f); err != nil {
		return err
	}
	if old, err := ReadConf(copyOf(s)); err == nil && holds(s, old) == nil {
		return nil
	}
	return writeConf(ConfFile{Path: copyOf(s), Text: f.Text, Mode: f.Mode, Owner: f.Owner})
}

// change edits the file as it is now, which must be what the plan has seen.
func change(s stackmend.Step) error {
	f, err := ReadConf(s.Target)
	if err != nil {
		return err
	}
	if sum(f.Text) == s.Args["after"] {
		return nil // done before
	}
	if err := holds(s, f); err != nil {
		return err
	}
	var settings []Setting
	if err := json.Unmarshal([]byte(s.Args["settings"]), &settings); err != nil {
		return fmt.Errorf("bootvolume: settings: %w", err)
	}
	if f.Text, err = edit(f.Text, Format(s.Args["format"]), settings); err != nil {
		return err
	}
	if sum(f.Text) != s.Args["after"] {
		return fmt.Errorf("%w: %s would not become what was planned", stackmend.ErrRefused, s.Target)
	}
	return writeConf(f)
}

// Verify implements stackmend.Applier.
func (e *Editor) Verify(ctx context.Context, s stackmend.Step) error {
	if err := known(s); err != nil {
		return err
	}
	switch s.Verb {
	case VerbBackUp:
		f, err := ReadConf(copyOf(s))
		if errors.Is(err, fs.ErrNotExist) || err == nil && holds(s, f) != nil {
			return fmt.Errorf("no copy of %s: %w", s.Target, stackmend.ErrNotDone)
		}
		return err
	case VerbEdit:
		f, err := ReadConf(s.Target)
		if err == nil && (sum(f.Text) != s.Args["after"] || f.Mode != s.Assumes["mode"] || f.Owner != s.Assumes["owner"]) {
			return fmt.Errorf("%s is not as planned: %w", s.Target, stackmend.ErrNotDone)
		}
		return err
	}
	service, err := e.service(s.Target)
	if err != nil {
		return err
	}
	return e.proven(ctx, service, s)
}

// Revert implements stackmend.Reverter. The steps of a group are undone last
// first: the files come back, and with the copies' removal at the end the
// service takes them up.
func (e *Editor) Revert(ctx context.Context, s stackmend.Step) error {
	switch s.Verb {
	case VerbEdit:
		return putBack(s)
	case VerbReload:
		e.asked.Store(s.Target, true)
	case VerbBackUp:
		return e.takeUp(ctx, s)
	}
	return known(s)
}

// putBack puts the copy back, unless the file was never edited. One that is
// neither as it was nor as it was planned is somebody else's work.
func putBack(s stackmend.Step) error {
	f, err := ReadConf(s.Target)
	if err != nil {
		return err
	}
	switch sum(f.Text) {
	case s.Assumes["sha256"]:
		return nil
	case s.Args["after"]:
	default:
		return &stackmend.StaleError{Target: s.Target, Key: "sha256", Want: s.Args["after"], Got: sum(f.Text)}
	}
	was, err := ReadConf(copyOf(s))
	if err != nil {
		return err
	}
	if err := holds(s, was); err != nil {
		return err
	}
	was.Path = s.Target
	return writeConf(was)
}
