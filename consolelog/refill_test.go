//go:build linux

package consolelog_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/consolelog"
	"github.com/stackmend/stackmend/internal/appliertest"
)

// refilled is an Applier whose log is filled again as soon as Do is done.
type refilled struct {
	*consolelog.Applier
	fill func()
}

func (r refilled) Do(ctx context.Context, s stackmend.Step, w *stackmend.Work) error {
	err := r.Applier.Do(ctx, s, w)
	r.fill()
	return err
}

// TestFilledAgain: what a guest writes between Do and Verify is not Do's
// failure. Whoever has not seen Do must have it done again.
func TestFilledAgain(t *testing.T) {
	for name, appends := range map[string]bool{"collapse": true, "punch": false} {
		t.Run(name, func(t *testing.T) { filledAgain(t, appends) })
	}
}

func filledAgain(t *testing.T, appends bool) {
	root := t.TempDir()
	log := filepath.Join(instances(t, root, "a"), "console.log")
	writeLines(t, log, 0, 10000)
	holder(t, log, appends)
	p := small
	p.Writers = []string{"sleep"}
	s := stepOf(t, root, p)
	var all [2]*consolelog.Applier
	for i := range all {
		var err error
		if all[i], err = consolelog.NewApplier(consolelog.Site{Instances: root, Writers: p.Writers}); err != nil {
			t.Fatal(err)
		}
	}
	fill := func() { writeLines(t, log, 10000, 10000) }
	r, err := stackmend.Run(t.Context(), planOf(s), refilled{all[0], fill}, stackmend.Options{Mode: stackmend.Apply, Irreversible: true})
	if err != nil || held(t, log) <= small.Limit {
		t.Errorf("filled again to %d bytes: %v\n%s", held(t, log), err, appliertest.Describe(r))
	}
	if err := all[1].Verify(t.Context(), s); !errors.Is(err, stackmend.ErrNotDone) {
		t.Errorf("by somebody else: %v, want not done", err)
	}
	if err := os.Truncate(log, 0); err != nil {
		t.Fatal(err)
	}
	writeLines(t, log, 0, 5000) // fewer than before
	if err := all[0].Verify(t.Context(), s); !errors.Is(err, stackmend.ErrNotDone) && !appends {
		t.Errorf("truncated and filled: %v, want not done", err)
	}
}
