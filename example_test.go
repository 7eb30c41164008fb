package stackmend_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/stackmend/stackmend"
)

// lineFile is an Applier over one file: the verb "write" puts a text into it.
// A step assumes what the file held when the plan was made.
type lineFile struct{}

func (lineFile) Guards() []stackmend.Guard { return nil }

func (lineFile) Recheck(_ context.Context, s stackmend.Step) error {
	if s.Verb != "write" {
		return fmt.Errorf("%w: unknown verb %q", stackmend.ErrRefused, s.Verb)
	}
	held, err := os.ReadFile(s.Target)
	if err != nil {
		return err
	}
	return s.Holds(map[string]string{"text": string(held)})
}

// Do writes beside the file and renames, so that a crash leaves the old text
// or the new one. What the step assumes is asserted once more just before.
func (f lineFile) Do(ctx context.Context, s stackmend.Step, _ *stackmend.Work) error {
	if f.Verify(ctx, s) == nil {
		return nil // done before: idempotent
	}
	if err := f.Recheck(ctx, s); err != nil {
		return err
	}
	return replace(s.Target, s.Args["text"])
}

func (lineFile) Verify(_ context.Context, s stackmend.Step) error {
	held, err := os.ReadFile(s.Target)
	if err == nil && string(held) != s.Args["text"] {
		return stackmend.ErrNotDone
	}
	return err
}

func (f lineFile) Revert(ctx context.Context, s stackmend.Step) error {
	switch err := f.Verify(ctx, s); {
	case errors.Is(err, stackmend.ErrNotDone):
		return nil // never done: nothing to undo
	case err != nil:
		return err
	}
	return replace(s.Target, s.Assumes["text"])
}

func replace(path, text string) error {
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// planFor is what a package's Plan function does: it decides from what was
// seen what would be changed.
func planFor(path, seen string) *stackmend.Plan {
	return &stackmend.Plan{
		Check: "motd", Subject: path, Created: time.Now(), Expires: time.Now().Add(time.Hour),
		Steps: []stackmend.Step{{
			Verb: "write", Target: path, Args: map[string]string{"text": "maintenance\n"},
			Reason: "the maintenance begins", Undo: "write the old text",
			Assumes: map[string]string{"text": seen},
		}},
	}
}

func tempFile() (path string, remove func()) {
	dir, err := os.MkdirTemp("", "stackmend-example-")
	if err != nil {
		panic(err)
	}
	path = filepath.Join(dir, "motd")
	if err := os.WriteFile(path, []byte("welcome\n"), 0o600); err != nil {
		panic(err)
	}
	return path, func() { _ = os.RemoveAll(dir) }
}

// The zero Options are a dry run: it says what would become of every step.
func ExampleRun() {
	path, remove := tempFile()
	defer remove()
	plan := planFor(path, "welcome\n")

	result, err := stackmend.Run(context.Background(), plan, lineFile{}, stackmend.Options{})
	fmt.Println(result.Status, result.Mode, err)
	for _, o := range result.Outcomes {
		fmt.Println(o.Step.Verb, o.State, o.Note)
	}
	// Output:
	// ok dry-run <nil>
	// write would rechecked
}

// An applying run with what it should have: the ID that was reviewed, a
// journal, a lock, and guards.
func ExampleRun_apply() {
	path, remove := tempFile()
	defer remove()
	plan := planFor(path, "welcome\n")
	reviewed := plan.ID()

	journal, err := stackmend.OpenJournal(path + ".journal")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer journal.Close()
	result, err := stackmend.Run(context.Background(), plan, lineFile{}, stackmend.Options{
		Mode:    stackmend.Apply,
		PlanID:  reviewed,
		Journal: journal,
		Lock:    stackmend.FileLock(path + ".lock"),
		Guards:  []stackmend.Guard{stackmend.MaxSteps(10), stackmend.KillSwitch(path + ".stop")},
	})
	fmt.Println(result.Status, result.Outcomes[0].State, err)
	text, _ := os.ReadFile(path)
	fmt.Printf("%s", text)
	// Output:
	// ok done <nil>
	// maintenance
}

// A refusal for staleness says what changed, from what to what.
func ExampleStaleError() {
	path, remove := tempFile()
	defer remove()
	plan := planFor(path, "what was there yesterday\n")

	_, err := stackmend.Run(context.Background(), plan, lineFile{}, stackmend.Options{Mode: stackmend.Apply})
	var stale *stackmend.StaleError
	if errors.As(err, &stale) {
		fmt.Printf("%s: %q -> %q\n", stale.Key, stale.Want, stale.Got)
	}
	// Output: text: "what was there yesterday\n" -> "welcome\n"
}
