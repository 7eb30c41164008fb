//go:build unix

package stackmend_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stackmend/stackmend"
)

// Many runs through one journal: it keeps a line of each and does not grow
// with their steps.
func TestCompaction(t *testing.T) {
	path := filepath.Join(memDir(t), "journal")
	j := openJournal(t, path)
	for range 101 {
		if _, err := stackmend.Run(t.Context(), plan(step("a"), step("b")), &toy{}, stackmend.Options{Mode: stackmend.Apply, Journal: j}); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(path+".new", []byte("left by a crash"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := stackmend.Run(t.Context(), plan(step("z")), &toy{}, stackmend.Options{Mode: stackmend.Apply, Journal: j}); err != nil {
		t.Fatal(err)
	}
	_ = j.Close()
	b, _ := os.ReadFile(path)
	if past, begun := bytes.Count(b, []byte(`"kind":"past"`)), bytes.Count(b, []byte(`"kind":"begin"`)); past != 100 || begun != 1 {
		t.Errorf("%d past runs, %d steps", past, begun)
	}
	if !bytes.Contains(b, []byte(`"states":{"done":2}`)) {
		t.Errorf("does not say what became of the past runs:\n%.600s", b)
	}
	if _, err := os.Stat(path + ".new"); err == nil {
		t.Error("left a file")
	}
	if j = openJournal(t, path); j.Plan() != nil {
		t.Error("a closed run is resumed")
	}
}

func TestAnotherPlanIsRefusedWhileOneIsOpen(t *testing.T) {
	j, a := newJournal(t), &toy{verify: func(stackmend.Step) error { return errors.New("cannot see") }}
	_, err := stackmend.Run(t.Context(), plan(step("a")), a, stackmend.Options{Mode: stackmend.Apply, Journal: j})
	wantErr(t, err, stackmend.ErrUncertain)
	for _, m := range []stackmend.Mode{stackmend.DryRun, stackmend.Apply, stackmend.Revert} {
		b := &toy{}
		_, err = stackmend.Run(t.Context(), plan(step("b")), b, stackmend.Options{Mode: m, Journal: j})
		wantErr(t, err, stackmend.ErrJournal)
		if len(b.log) > 0 {
			t.Errorf("%v: %v", m, b.log)
		}
	}
	a.verify = nil
	r, err := stackmend.Run(t.Context(), nil, a, stackmend.Options{Mode: stackmend.Revert, Journal: j})
	if err != nil {
		t.Error(err)
	}
	wantStates(t, r, "done") // looked again
	if _, err = stackmend.Run(t.Context(), plan(step("b")), a, stackmend.Options{Mode: stackmend.Apply, Journal: j}); err != nil {
		t.Error(err)
	}
}
