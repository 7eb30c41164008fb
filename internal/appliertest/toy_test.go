package appliertest_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/internal/appliertest"
)

func TestLong(t *testing.T)   { appliertest.Run(t, suiteOf(newLong)) }
func TestGroups(t *testing.T) { appliertest.Run(t, suiteOf(newGroups)) }

// suiteOf makes a suite of a function that makes a toy over a directory.
func suiteOf(toy func(dir string, fresh bool) appliertest.World) appliertest.Suite {
	return appliertest.Suite{
		New:  func(_ testing.TB, dir string) appliertest.World { return toy(dir, true) },
		Open: func(_ testing.TB, dir string) appliertest.World { return toy(dir, false) },
	}
}

func plan(steps ...stackmend.Step) *stackmend.Plan {
	now := time.Now()
	return &stackmend.Plan{Check: "toy", Subject: "toy", Created: now, Expires: now.Add(time.Hour), Steps: steps}
}

// files is a directory with small files: the world of both toys.
type files string

func (f files) get(name string) string {
	b, err := os.ReadFile(filepath.Join(string(f), name))
	if errors.Is(err, os.ErrNotExist) {
		return "absent"
	}
	if err != nil {
		return "unreadable: " + err.Error()
	}
	return string(b)
}

// set replaces a file at once, as a real Applier would.
func (f files) set(name, value string) error {
	path := filepath.Join(string(f), name)
	if err := os.WriteFile(path+".new", []byte(value), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

func (f files) look(names ...string) func() (string, error) {
	return func() (string, error) {
		text := ""
		for _, n := range names {
			text += n + "=" + f.get(n) + "\n"
		}
		return text, nil
	}
}

func unknownVerb(s stackmend.Step) error {
	return fmt.Errorf("%w: unknown verb %q", stackmend.ErrRefused, s.Verb)
}

// long counts a file up to a number, with a Gate at each.
type long struct{ files }

func newLong(dir string, fresh bool) appliertest.World {
	l := long{files(dir)}
	var steps []stackmend.Step
	for _, name := range []string{"a", "b"} {
		steps = append(steps, stackmend.Step{Verb: "count", Target: name, Args: map[string]string{"to": "3"},
			Reason: "a toy", Undo: "count back", Assumes: map[string]string{"label": "mine"}})
	}
	if fresh {
		_ = errors.Join(l.set("a", "0"), l.set("b", "0"), l.set("label", "mine"))
	}
	return appliertest.World{Applier: l, Plan: plan(steps...), Look: l.look("a", "b", "label"),
		Spoil: func() error { return l.set("label", "somebody's") }}
}

func (l long) Guards() []stackmend.Guard { return nil }

func (l long) Recheck(_ context.Context, s stackmend.Step) error {
	if s.Verb != "count" {
		return unknownVerb(s)
	}
	return s.Holds(map[string]string{"label": l.get("label")})
}

func (l long) Do(ctx context.Context, s stackmend.Step, w *stackmend.Work) error {
	if err := l.Recheck(ctx, s); err != nil {
		return err
	}
	to, _ := strconv.Atoi(s.Args["to"])
	for {
		n, err := strconv.Atoi(l.get(s.Target))
		if err != nil || n >= to {
			return err
		}
		if err := w.Gate(ctx); err != nil {
			return err
		}
		if err := l.set(s.Target, strconv.Itoa(n+1)); err != nil {
			return err
		}
		w.Progress(int64(n+1), int64(to), "numbers")
		if err := w.Record("at", strconv.Itoa(n+1)); err != nil {
			return err
		}
	}
}

func (l long) Verify(_ context.Context, s stackmend.Step) error {
	if s.Verb != "count" {
		return unknownVerb(s)
	}
	if l.get(s.Target) != s.Args["to"] {
		return stackmend.ErrNotDone
	}
	return nil
}

// groups stops a service, edits its configuration and starts it again.
type groups struct{ files }

func newGroups(dir string, fresh bool) appliertest.World {
	g := groups{files(dir)}
	if fresh {
		_ = errors.Join(g.set("running", "yes"), g.set("config", "old"))
	}
	step := func(verb string, assumes ...string) stackmend.Step {
		return stackmend.Step{Verb: verb, Target: "service", Reason: "a toy", Undo: "the opposite", Group: "service",
			Assumes: map[string]string{assumes[0]: assumes[1]}}
	}
	return appliertest.World{Applier: g, Look: g.look("running", "config"),
		Plan:    plan(step("stop", "config", "old"), step("edit", "running", "no"), step("start", "config", "new")),
		Spoil:   func() error { return g.set("config", "somebody's") },
		Hostile: func() error { return os.Symlink("/etc/hostname", filepath.Join(dir, "running.new")) },
	}
}

// change is what a verb does: a file and its values before and after.
func (g groups) change(verb string) (name, from, to string, ok bool) {
	all := map[string]string{"stop": "running yes no", "edit": "config old new", "start": "running no yes"}
	f := strings.Fields(all[verb])
	if len(f) != 3 {
		return "", "", "", false
	}
	return f[0], f[1], f[2], true
}

func (g groups) Guards() []stackmend.Guard { return nil }

func (g groups) Recheck(_ context.Context, s stackmend.Step) error {
	if _, _, _, ok := g.change(s.Verb); !ok {
		return unknownVerb(s)
	}
	if _, err := os.Lstat(filepath.Join(string(g.files), "running.new")); err == nil {
		return fmt.Errorf("%w: running.new is in the way", stackmend.ErrRefused)
	}
	return s.Holds(map[string]string{"running": g.get("running"), "config": g.get("config")})
}

func (g groups) Do(ctx context.Context, s stackmend.Step, _ *stackmend.Work) error {
	if err := g.Recheck(ctx, s); err != nil {
		return err
	}
	name, _, to, _ := g.change(s.Verb)
	return g.set(name, to)
}

func (g groups) Verify(_ context.Context, s stackmend.Step) error {
	name, _, to, ok := g.change(s.Verb)
	if !ok {
		return unknownVerb(s)
	}
	if g.get(name) != to {
		return stackmend.ErrNotDone
	}
	return nil
}

func (g groups) Revert(_ context.Context, s stackmend.Step) error {
	name, from, to, ok := g.change(s.Verb)
	if !ok {
		return unknownVerb(s)
	}
	if g.get(name) == to {
		return g.set(name, from)
	}
	return nil
}
