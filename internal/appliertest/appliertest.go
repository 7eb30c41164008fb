// Package appliertest is the conformance suite that every Applier passes: a dry
// run writes nothing, what is done twice is done once, what changed since the
// plan is not touched, and a process that is killed at any moment leaves
// something that a resume completes or a revert undoes.
//
// The kills are real: the test binary starts itself anew, and that process
// sends itself SIGKILL at the chosen event of its run.
package appliertest

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
)

// A World is something real that an Applier can change, and a plan for it.
type World struct {
	Applier stackmend.Applier
	Plan    *stackmend.Plan
	Options stackmend.Options // what the plan needs beside the mode: Irreversible, MaxWait

	// Look describes all that the plan may change, without times: equal texts
	// mean that nothing was changed.
	Look func() (string, error)
	// Spoil changes something that the first step assumes.
	Spoil func() error
	// Hostile puts something in place of the first step's target that must
	// not be followed: a symbolic link, a hard link, a FIFO. It may be nil.
	Hostile func() error
}

// A Suite makes worlds.
type Suite struct {
	// New makes a fresh world in an empty directory, with a plan of at least
	// one step that can be done.
	New func(t testing.TB, dir string) World
	// Open comes back to the world that New made in dir, in another process.
	// Its plan is not looked at.
	Open func(t testing.TB, dir string) World
}

// Run runs the suite as subtests of t.
func Run(t *testing.T, s Suite) {
	if childPlace() != "" {
		s.child(t)
		return
	}
	t.Run("dry run writes nothing", s.dryRun)
	t.Run("apply is verified", s.apply)
	t.Run("not in effect before", s.notDoneBefore)
	t.Run("twice is once", s.twice)
	t.Run("unknown verb", s.unknownVerb)
	t.Run("stale", s.stale)
	t.Run("changed between recheck and do", s.changedAtLast)
	t.Run("cancelled", s.cancelled)
	t.Run("lock lost", s.lockLost)
	t.Run("hostile target", s.hostile)
	t.Run("killed", s.killed)
}

// fresh makes a world and remembers how it looks.
func (s Suite) fresh(t *testing.T) (w World, before string) {
	t.Helper()
	_, w = s.newPlace(t)
	if len(w.Plan.Steps) == 0 {
		t.Fatal("the world's plan has no steps")
	}
	return w, look(t, w)
}

// complete returns how a fresh world looks once its plan is carried out.
func (s Suite) complete(t *testing.T) string {
	t.Helper()
	w, _ := s.fresh(t)
	mustApply(t, w, w.Options)
	return look(t, w)
}

func look(t *testing.T, w World) string {
	t.Helper()
	text, err := w.Look()
	if err != nil {
		t.Fatalf("look: %v", err)
	}
	return text
}

func applying(o stackmend.Options) stackmend.Options {
	o.Mode = stackmend.Apply
	return o
}

func mustApply(t *testing.T, w World, o stackmend.Options) stackmend.Result {
	t.Helper()
	r, err := stackmend.Run(t.Context(), w.Plan, w.Applier, applying(o))
	if err != nil {
		t.Fatalf("apply: %v\n%s", err, Describe(r))
	}
	wantAll(t, r, stackmend.Done)
	return r
}

func wantAll(t *testing.T, r stackmend.Result, want stackmend.State) {
	t.Helper()
	for _, o := range r.Outcomes {
		if o.State != want {
			t.Errorf("%s is %v (%s), want %v", o.Step, o.State, o.Note, want)
		}
	}
}

func wantNone(t *testing.T, r stackmend.Result, bad ...stackmend.State) {
	t.Helper()
	for _, o := range r.Outcomes {
		for _, s := range bad {
			if o.State == s {
				t.Errorf("%s is %v (%s)", o.Step, o.State, o.Note)
			}
		}
	}
}

func wantLook(t *testing.T, w World, want, when string) {
	t.Helper()
	if got := look(t, w); got != want {
		t.Errorf("%s the world is\n%s\nwant\n%s", when, got, want)
	}
}

// Describe lists outcomes for a test's message.
func Describe(r stackmend.Result) string {
	text := ""
	for _, o := range r.Outcomes {
		text += o.Step.String() + ": " + o.State.String() + " " + o.Note + "\n"
	}
	return text
}

func (s Suite) dryRun(t *testing.T) {
	w, before := s.fresh(t)
	r, err := stackmend.Run(t.Context(), w.Plan, w.Applier, w.Options)
	if err != nil {
		t.Fatalf("dry run: %v\n%s", err, Describe(r))
	}
	wantAll(t, r, stackmend.Would)
	wantLook(t, w, before, "after a dry run")
}

func (s Suite) apply(t *testing.T) {
	w, before := s.fresh(t)
	mustApply(t, w, w.Options)
	if look(t, w) == before {
		t.Error("every step is done, and the world looks as before: Look does not see what the plan changes")
	}
	for _, step := range w.Plan.Steps[len(w.Plan.Steps)-1:] {
		if err := w.Applier.Verify(t.Context(), step); err != nil {
			t.Errorf("the last step is done, and Verify says: %v", err)
		}
	}
}

func (s Suite) notDoneBefore(t *testing.T) {
	w, before := s.fresh(t)
	step := w.Plan.Steps[0]
	if err := w.Applier.Verify(t.Context(), step); !errors.Is(err, stackmend.ErrNotDone) {
		t.Errorf("Verify of %s before it was done: %v, want ErrNotDone", step, err)
	}
	if err := w.Applier.Recheck(t.Context(), step); err != nil {
		t.Errorf("Recheck of %s in a fresh world: %v", step, err)
	}
	wantLook(t, w, before, "after Verify and Recheck")
}

func (s Suite) twice(t *testing.T) {
	want := s.complete(t)
	w, _ := s.fresh(t)
	w.Applier = twiceApplier{wrap(w.Applier), func(step stackmend.Step, err error) {
		if err != nil {
			t.Errorf("the second Do of %s: %v", step, err)
		}
	}}
	mustApply(t, w, w.Options)
	wantLook(t, w, want, "after every Do was called twice")
}

func (s Suite) unknownVerb(t *testing.T) {
	w, before := s.fresh(t)
	plan := *w.Plan
	plan.Steps = []stackmend.Step{plan.Steps[0]}
	plan.Steps[0].Verb, plan.Steps[0].Undo, plan.Steps[0].Group = "no-such-verb", "none", ""
	r, err := stackmend.Run(t.Context(), &plan, w.Applier, applying(w.Options))
	if !errors.Is(err, stackmend.ErrRefused) {
		t.Errorf("an unknown verb: %v, want ErrRefused", err)
	}
	wantAll(t, r, stackmend.Refused)
	if err := w.Applier.Do(t.Context(), plan.Steps[0], &stackmend.Work{}); err == nil {
		t.Error("Do of an unknown verb returned no error")
	}
	if err := w.Applier.Verify(t.Context(), plan.Steps[0]); err == nil {
		t.Error("Verify of an unknown verb returned no error")
	}
	wantLook(t, w, before, "after an unknown verb")
}

func (s Suite) stale(t *testing.T) {
	w, _ := s.fresh(t)
	if err := w.Spoil(); err != nil {
		t.Fatal(err)
	}
	spoilt := look(t, w)
	r, err := stackmend.Run(t.Context(), w.Plan, w.Applier, applying(w.Options))
	var stale *stackmend.StaleError
	if !errors.As(err, &stale) {
		t.Errorf("after what was assumed changed: %v, want a StaleError\n%s", err, Describe(r))
	} else if stale.Key == "" || stale.Want == stale.Got {
		t.Errorf("the StaleError does not say what changed: %+v", stale)
	}
	wantNone(t, r, stackmend.Done, stackmend.Uncertain)
	wantLook(t, w, spoilt, "after a stale run")
}

// changedAtLast spoils the world when the recheck has passed: Do itself must
// see it.
func (s Suite) changedAtLast(t *testing.T) {
	w, _ := s.fresh(t)
	var spoilt string
	w.Applier = beforeDo{wrap(w.Applier), func() {
		if spoilt != "" {
			return
		}
		if err := w.Spoil(); err != nil {
			t.Error(err)
		}
		spoilt = look(t, w)
	}}
	r, err := stackmend.Run(t.Context(), w.Plan, w.Applier, applying(w.Options))
	if err == nil {
		t.Errorf("what was assumed changed just before Do, and the run says nothing\n%s", Describe(r))
	}
	wantNone(t, r, stackmend.Done)
	wantLook(t, w, spoilt, "after a Do that came too late")
}

func (s Suite) hostile(t *testing.T) {
	w, _ := s.fresh(t)
	if w.Hostile == nil {
		t.Skip("this applier has no target that could be hostile")
	}
	if err := w.Hostile(); err != nil {
		t.Fatal(err)
	}
	before := look(t, w)
	r, err := stackmend.Run(t.Context(), w.Plan, w.Applier, applying(w.Options))
	if err == nil {
		t.Errorf("a hostile target, and the run says nothing\n%s", Describe(r))
	}
	if len(r.Outcomes) > 0 && r.Outcomes[0].State == stackmend.Done {
		t.Errorf("the hostile target was worked on: %s", Describe(r))
	}
	wantLook(t, w, before, "after a hostile target was refused")
}

// A place is where a world lives, with its plan and journal beside it.
type place string

func (s Suite) newPlace(t *testing.T) (place, World) {
	t.Helper()
	p := place(t.TempDir())
	if err := os.Mkdir(p.world(), 0o700); err != nil {
		t.Fatal(err)
	}
	w := s.New(t, p.world())
	b, err := json.Marshal(w.Plan)
	if err == nil {
		err = os.WriteFile(filepath.Join(string(p), "plan.json"), b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return p, w
}

func (p place) world() string { return filepath.Join(string(p), "world") }

func (p place) plan(t testing.TB) *stackmend.Plan {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(string(p), "plan.json"))
	var plan stackmend.Plan
	if err == nil {
		err = json.Unmarshal(b, &plan)
	}
	if err != nil {
		t.Fatal(err)
	}
	return &plan
}

func (p place) journal(t testing.TB) *stackmend.Journal {
	t.Helper()
	j, err := stackmend.OpenJournal(filepath.Join(string(p), "journal"))
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// childPlace is set in a process that was started to be killed.
func childPlace() place { return place(os.Getenv("APPLIERTEST_PLACE")) }

// neverLost is a lock that nobody else wants, until it is lost.
type neverLost struct{ lose chan struct{} }

func (l neverLost) Acquire(ctx context.Context, _ string) (context.Context, func() error, error) {
	held, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-l.lose:
			cancel(stackmend.ErrLocked)
		case <-held.Done():
		}
	}()
	return held, func() error { cancel(nil); return nil }, nil
}

const patience = 2 * time.Minute // for a child process on a slow machine
