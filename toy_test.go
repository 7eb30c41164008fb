package stackmend_test

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
)

// toy is an Applier over a map: a step is in effect if its target is in it.
// The functions replace what a method does.
type toy struct {
	mu       sync.Mutex
	in       map[string]bool
	effects  map[string]int // how often a Do changed something
	onEffect func(stackmend.Step)
	log      []string

	guards                  []stackmend.Guard
	recheck, verify, revert func(stackmend.Step) error
	do                      func(context.Context, stackmend.Step, *stackmend.Work) error
}

func (a *toy) note(what string, s stackmend.Step) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.log = append(a.log, what+" "+s.Target)
}

func (a *toy) Guards() []stackmend.Guard { return a.guards }

func (a *toy) Recheck(_ context.Context, s stackmend.Step) error {
	a.note("recheck", s)
	if a.recheck != nil {
		return a.recheck(s)
	}
	return nil
}

func (a *toy) Do(ctx context.Context, s stackmend.Step, w *stackmend.Work) error {
	a.note("do", s)
	if a.do != nil {
		return a.do(ctx, s, w)
	}
	a.effect(s)
	return nil
}

func (a *toy) effect(s stackmend.Step) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.in == nil {
		a.in, a.effects = map[string]bool{}, map[string]int{}
	}
	if !a.in[s.Target] {
		a.in[s.Target] = true
		a.effects[s.Target]++
		if a.onEffect != nil {
			a.onEffect(s)
		}
	}
}

func (a *toy) Verify(_ context.Context, s stackmend.Step) error {
	a.note("verify", s)
	if a.verify != nil {
		return a.verify(s)
	}
	return a.look(s)
}

func (a *toy) look(s stackmend.Step) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.in[s.Target] {
		return nil
	}
	return stackmend.ErrNotDone
}

func (a *toy) Revert(_ context.Context, s stackmend.Step) error {
	a.note("revert", s)
	if a.revert != nil {
		return a.revert(s)
	}
	a.undo(s)
	return nil
}

func (a *toy) undo(s stackmend.Step) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.in, s.Target)
}

// did returns the targets that were logged under what, in order.
func (a *toy) did(what string) []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []string
	for _, l := range a.log {
		if t, ok := strings.CutPrefix(l, what+" "); ok {
			out = append(out, t)
		}
	}
	return out
}

func (a *toy) holds() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Sorted(maps.Keys(a.in))
}

// noRevert hides a toy's Revert.
type noRevert struct{ stackmend.Applier }

func step(target string) stackmend.Step {
	return stackmend.Step{Verb: "set", Target: target, Undo: "unset it"}
}

func grouped(group, target string) stackmend.Step {
	s := step(target)
	s.Group = group
	return s
}

func staged(stage int, s stackmend.Step) stackmend.Step {
	s.Stage = stage
	return s
}

func plan(steps ...stackmend.Step) *stackmend.Plan {
	return &stackmend.Plan{Check: "toy", Subject: "a map", Expires: time.Now().Add(time.Hour).Truncate(time.Second), Steps: steps}
}

var apply = stackmend.Options{Mode: stackmend.Apply}

func states(r stackmend.Result) []string {
	var out []string
	for _, o := range r.Outcomes {
		out = append(out, o.State.String())
	}
	return out
}

func wantStates(t *testing.T, r stackmend.Result, want ...string) {
	t.Helper()
	if got := states(r); !slices.Equal(got, want) {
		t.Errorf("states %v, want %v", got, want)
		for _, o := range r.Outcomes {
			t.Logf("%s: %v: %s", o.Step, o.State, o.Note)
		}
	}
}

func wantList(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s %v, want %v", what, got, want)
	}
}

func wantErr(t *testing.T, err error, want ...error) {
	t.Helper()
	for _, w := range want {
		if !errors.Is(err, w) {
			t.Errorf("error %v is not %v", err, w)
		}
	}
}

func openJournal(t testing.TB, path string) *stackmend.Journal {
	t.Helper()
	j, err := stackmend.OpenJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	return j
}

// memDir is a directory in memory where there is one: these tests sync their
// files thousands of times.
func memDir(t testing.TB) string {
	dir, err := os.MkdirTemp("/dev/shm", "stackmend-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func newJournal(t testing.TB) *stackmend.Journal {
	return openJournal(t, filepath.Join(memDir(t), "journal"))
}

// crcLine writes a line of a journal around its JSON.
func crcLine(body string) string {
	return fmt.Sprintf("%08x %s\n", crc32.Checksum([]byte(body), crc32.MakeTable(crc32.Castagnoli)), body)
}
