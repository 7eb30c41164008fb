//go:build unix

package stackmend_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stackmend/stackmend"
)

// reopen is what a new process does with the journal of a dead one.
func reopen(t *testing.T, j *stackmend.Journal, path string) *stackmend.Journal {
	t.Helper()
	_ = j.Close()
	return openJournal(t, path)
}

// A long step that is stopped at a Gate goes on from what it recorded.
func TestResumeOfAPartialStep(t *testing.T) {
	path := filepath.Join(memDir(t), "journal")
	j, a := openJournal(t, path), story()
	asked := 0
	stop := stackmend.GuardFunc("stop", func(_ context.Context, r stackmend.Request) (stackmend.Verdict, error) {
		if asked++; r.Begun && asked > 3 {
			return stackmend.Verdict{Reason: "replica lag"}, nil
		}
		return stackmend.Verdict{Decision: stackmend.Permit}, nil
	})
	o := stackmend.Options{Mode: stackmend.Apply, Journal: j, Guards: []stackmend.Guard{stop}}
	r, err := stackmend.Run(t.Context(), storyPlan(), a, o)
	wantErr(t, err, stackmend.ErrRefused)
	wantStates(t, r, "done", "partial", "not-begun", "not-begun", "not-begun")
	wantList(t, "in effect", a.holds(), "lone", "piece0", "piece1")

	j = reopen(t, j, path)
	if open := j.Open(); len(open) != 1 || open[0].Target != "long" {
		t.Errorf("open: %v", open)
	}
	// A guard that denies now does not make it "refused, nothing was done".
	r, err = stackmend.Run(t.Context(), nil, a, stackmend.Options{Mode: stackmend.Apply, Journal: j, Guards: []stackmend.Guard{stackmend.MaxSteps(1)}})
	wantErr(t, err, stackmend.ErrRefused)
	wantStates(t, r, "done", "partial", "not-begun", "not-begun", "not-begun")

	j = reopen(t, j, path)
	r, err = stackmend.Run(t.Context(), nil, a, stackmend.Options{Mode: stackmend.Apply, Journal: j})
	if err != nil {
		t.Fatal(err)
	}
	wantStates(t, r, "done", "done", "done", "done", "done")
	for target, n := range a.effects {
		if n != 1 {
			t.Errorf("%s done %d times", target, n)
		}
	}
	wantList(t, "begun", a.did("do"), "lone", "long", "long", "stop", "start", "last")
}

// uncertainAt leaves a journal of a run that cannot see its step.
func uncertainAt(t *testing.T, target string, p *stackmend.Plan) (*stackmend.Journal, *toy, string) {
	t.Helper()
	path := filepath.Join(memDir(t), "journal")
	j, a := openJournal(t, path), &toy{}
	a.verify = func(s stackmend.Step) error {
		if s.Target == target {
			return errors.New("no route to host")
		}
		return a.look(s)
	}
	a.revert = func(stackmend.Step) error { return errors.New("no route to host") }
	_, err := stackmend.Run(t.Context(), p, a, stackmend.Options{Mode: stackmend.Apply, Journal: j})
	wantErr(t, err, stackmend.ErrUncertain)
	j = reopen(t, j, path)
	a.verify, a.revert, a.log = nil, nil, nil
	return j, a, path
}

func TestUncertainStepIsVerifiedFirst(t *testing.T) {
	j, a, _ := uncertainAt(t, "b", plan(step("a"), step("b"), step("c")))
	before, _ := os.ReadFile("journal.go")
	r, err := stackmend.Run(t.Context(), nil, a, stackmend.Options{Journal: j})
	if err != nil || len(before) == 0 {
		t.Error(err)
	}
	wantStates(t, r, "done", "would", "would")
	if !strings.Contains(r.Outcomes[1].Note, "found in effect") {
		t.Error(r.Outcomes[1].Note)
	}
	a.log = nil
	r, err = stackmend.Run(t.Context(), nil, a, stackmend.Options{Mode: stackmend.Apply, Journal: j})
	if err != nil {
		t.Error(err)
	}
	wantStates(t, r, "done", "done", "done")
	wantList(t, "log", a.log, "verify b", "recheck c", "do c", "verify c")
}

// A dry run on an interrupted journal writes nothing to it.
func TestDryRunLeavesTheJournal(t *testing.T) {
	j, a, path := uncertainAt(t, "b", plan(step("a"), step("b"), step("c")))
	before, _ := os.ReadFile(path)
	for _, verify := range []error{nil, stackmend.ErrNotDone, errors.New("no route")} {
		a.verify = func(stackmend.Step) error { return verify }
		r, _ := stackmend.Run(t.Context(), nil, a, stackmend.Options{Journal: j})
		if s := r.Outcomes[1].State; (s == stackmend.Uncertain) != (verify != nil && verify != stackmend.ErrNotDone) {
			t.Errorf("%v: %v", verify, s)
		}
	}
	wantList(t, "done", a.did("do"))
	if after, _ := os.ReadFile(path); string(after) != string(before) {
		t.Errorf("written:\n%s", after[len(before):])
	}
}

// A resume that is stopped before it comes to a step says that it was begun.
func TestResumeStoppedEarly(t *testing.T) {
	j, a, _ := uncertainAt(t, "b", plan(step("a"), step("b"), step("c")))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r, err := stackmend.Run(ctx, nil, a, stackmend.Options{Mode: stackmend.Apply, Journal: j})
	wantErr(t, err, context.Canceled)
	wantStates(t, r, "done", "uncertain", "not-begun")
	if r.Outcomes[1].Started.IsZero() {
		t.Error("lost when it began")
	}
}

func TestOpenGroupIsResumed(t *testing.T) {
	j, a, _ := uncertainAt(t, "stop", plan(grouped("g", "mask"), grouped("g", "stop"), grouped("g", "start")))
	if open := j.Open(); len(open) != 2 {
		t.Errorf("open: %v", open)
	}
	r, err := stackmend.Run(t.Context(), nil, a, stackmend.Options{Mode: stackmend.Apply, Journal: j})
	if err != nil {
		t.Error(err)
	}
	wantStates(t, r, "done", "done", "done")
	wantList(t, "done", a.did("do"), "start")
}

// An open group that cannot go on is reverted with what the dead run did.
func TestOpenGroupIsRevertedByTheResume(t *testing.T) {
	j, a, _ := uncertainAt(t, "stop", plan(grouped("g", "mask"), grouped("g", "stop"), grouped("g", "start")))
	a.recheck = func(stackmend.Step) error { return stackmend.ErrStale }
	r, err := stackmend.Run(t.Context(), nil, a, stackmend.Options{Mode: stackmend.Apply, Journal: j})
	wantErr(t, err, stackmend.ErrStale)
	wantStates(t, r, "reverted", "reverted", "stale")
	wantList(t, "reverted", a.did("revert"), "stop", "mask")
	if len(j.Open()) != 0 {
		t.Error(j.Open())
	}
}

// Killed while it reverted: what was undone is not undone again.
func TestRevertIsResumed(t *testing.T) {
	j, a, path := uncertainAt(t, "start", plan(grouped("g", "mask"), grouped("g", "stop"), grouped("g", "start")))
	ctx, cancel := context.WithCancel(t.Context())
	a.revert = func(s stackmend.Step) error {
		if a.undo(s); s.Target == "stop" {
			cancel()
		}
		return nil
	}
	r, err := stackmend.Run(ctx, nil, a, stackmend.Options{Mode: stackmend.Revert, Journal: j})
	wantErr(t, err, context.Canceled)
	wantStates(t, r, "done", "reverted", "reverted")
	j = reopen(t, j, path)
	a.log = nil
	r, err = stackmend.Run(t.Context(), nil, a, stackmend.Options{Mode: stackmend.Revert, Journal: j})
	if err != nil {
		t.Error(err)
	}
	wantStates(t, r, "reverted", "not-begun", "not-begun")
	wantList(t, "log", a.log, "revert mask")
	if j.Plan() != nil {
		t.Error("the journal was not closed")
	}
}

// A stage that ended is not opened again: what failed in it stays as it was,
// for steps that were to come after it have begun.
func TestResumeDoesNotGoBackAStage(t *testing.T) {
	p := plan(step("bad"), grouped("g", "badgroup"), grouped("g", "x"), staged(1, step("cannot")), staged(1, step("after")))
	path := filepath.Join(memDir(t), "journal")
	j, a := openJournal(t, path), failing("bad", "badgroup", "cannot")
	r, err := stackmend.Run(t.Context(), p, a, stackmend.Options{Mode: stackmend.Apply, Journal: j, FailureBudget: 2})
	if err == nil {
		t.Error("no error")
	}
	wantStates(t, r, "failed", "reverted", "not-begun", "failed", "not-begun")
	j = reopen(t, j, path)
	b := &toy{}
	r, err = stackmend.Run(t.Context(), nil, b, stackmend.Options{Mode: stackmend.Apply, Journal: j})
	if err == nil || !strings.Contains(err.Error(), "passed over by the interrupted run") {
		t.Errorf("error %v", err)
	}
	wantStates(t, r, "failed", "reverted", "not-begun", "done", "done")
	wantList(t, "done", b.did("do"), "cannot", "after")
}

// The flags of a group that spans the stages were put back when the run
// stopped: a resume sets them again before anything that needs them.
func TestResumeSetsTheFlagsAgain(t *testing.T) {
	p := plan(grouped("flags", "set"), staged(1, step("one")), staged(2, step("two")), staged(3, grouped("flags", "unset")))
	path := filepath.Join(memDir(t), "journal")
	j, a := openJournal(t, path), failing("two")
	r, _ := stackmend.Run(t.Context(), p, a, stackmend.Options{Mode: stackmend.Apply, Journal: j})
	wantStates(t, r, "reverted", "done", "failed", "not-begun")
	j = reopen(t, j, path)
	b := &toy{}
	b.effect(step("one"))
	if _, err := stackmend.Run(t.Context(), nil, b, stackmend.Options{Mode: stackmend.Apply, Journal: j}); err != nil {
		t.Error(err)
	}
	wantList(t, "done", b.did("do"), "set", "two", "unset")
}

// What an interrupted run began counts for the guards of the resume.
func TestGuardsCountOverResumes(t *testing.T) {
	j, a, _ := uncertainAt(t, "b", plan(step("a"), step("b"), step("c"), step("d")))
	r, err := stackmend.Run(t.Context(), nil, a, stackmend.Options{Mode: stackmend.Apply, Journal: j, Guards: []stackmend.Guard{stackmend.MaxSteps(3)}})
	wantErr(t, err, stackmend.ErrRefused)
	wantStates(t, r, "done", "done", "done", "refused")
}

func TestExpiredResumeSaysWhatToDo(t *testing.T) {
	p := plan(grouped("g", "a"), grouped("g", "b"))
	j, a, _ := uncertainAt(t, "b", p)
	p = j.Plan()
	q := *p
	q.Expires = q.Created
	_, err := stackmend.Run(t.Context(), &q, a, stackmend.Options{Mode: stackmend.Apply, Journal: j})
	wantErr(t, err, stackmend.ErrExpired)
	if !strings.Contains(err.Error(), "2 steps open: revert it") {
		t.Error(err)
	}
}

func TestRecordRefusesWhatJSONWouldChange(t *testing.T) {
	a := &toy{}
	a.do = func(_ context.Context, s stackmend.Step, w *stackmend.Work) error {
		wantErr(t, w.Record("k", "\xff"), stackmend.ErrRefused)
		wantErr(t, w.Record("\xff", "v"), stackmend.ErrRefused)
		if err := w.Record("k", "v"); err != nil {
			t.Error(err)
		}
		if v, ok := w.Recorded("k"); v != "v" || !ok {
			t.Error(v, ok)
		}
		a.effect(s)
		return nil
	}
	if _, err := stackmend.Run(t.Context(), plan(step("a")), a, apply); err != nil {
		t.Error(err)
	}
}

// What a dead run began and what cannot be seen now is not done once more.
func TestUncertainStepThatStaysUnseen(t *testing.T) {
	j, a, _ := uncertainAt(t, "b", plan(step("a"), step("b"), step("c")))
	a.verify = func(stackmend.Step) error { return errors.New("no route to host") }
	for _, m := range []stackmend.Mode{stackmend.Apply, stackmend.Revert} {
		r, err := stackmend.Run(t.Context(), nil, a, stackmend.Options{Mode: m, Journal: j, FailureBudget: 3})
		wantErr(t, err, stackmend.ErrUncertain)
		wantStates(t, r, "done", "uncertain", "not-begun")
	}
	wantList(t, "done", a.did("do"))
	if len(j.Open()) != 1 {
		t.Error("the journal forgot it")
	}
}
