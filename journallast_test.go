package stackmend_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
)

// What a run did can be read from its journal after it has ended, by another
// process, until the next run.
func TestLast(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	reopened := func() *stackmend.Journal {
		j, err := stackmend.OpenJournal(path)
		if err != nil {
			t.Fatal(err)
		}
		return j
	}
	var none *stackmend.Journal
	j := reopened()
	if none.Last() != nil || j.Last() != nil {
		t.Error("a journal that held no run knows steps")
	}
	p := plan(step("one"), step("two"), step("three"))
	p.Expires = time.Now().Add(time.Hour)
	a := &toy{}
	a.do = func(_ context.Context, s stackmend.Step, _ *stackmend.Work) error {
		if s.Target == "two" {
			return errors.New("does not")
		}
		a.effect(s)
		return nil
	}
	_, _ = stackmend.Run(t.Context(), p, a, stackmend.Options{Mode: stackmend.Apply, Journal: j})
	j.Close()
	j = reopened()
	defer j.Close()
	want := []stackmend.State{stackmend.Done, stackmend.Failed, stackmend.NotBegun}
	got := j.Last()
	if len(got) != len(want) {
		t.Fatalf("%+v", got)
	}
	for i, o := range got {
		if o.State != want[i] || o.Step.Target != p.Steps[i].Target {
			t.Errorf("step %d: %s is %v, want %v", i, o.Step, o.State, want[i])
		}
	}
}
