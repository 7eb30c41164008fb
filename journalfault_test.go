//go:build unix

package stackmend_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stackmend/stackmend"
)

// A journal that was closed under a run stops it at once: nothing is begun of
// which it does not know, and what is open is said to be.
func TestJournalClosedUnderARun(t *testing.T) {
	j, a := newJournal(t), &toy{}
	a.do = func(_ context.Context, s stackmend.Step, w *stackmend.Work) error {
		if a.effect(s); s.Target == "b" {
			_ = j.Close()
			wantErr(t, w.Record("k", "v"), stackmend.ErrJournal)
		}
		return nil
	}
	r, err := stackmend.Run(t.Context(), plan(grouped("g", "a"), grouped("g", "b"), grouped("g", "c"), step("d")), a, stackmend.Options{Mode: stackmend.Apply, Journal: j})
	wantErr(t, err, stackmend.ErrJournal)
	wantStates(t, r, "done", "done", "not-begun", "not-begun")
	wantList(t, "reverted", a.did("revert"))
	if !strings.Contains(err.Error(), "group g stays open") {
		t.Errorf("does not say that the group is open: %v", err)
	}
}

// A disk that is full, by RLIMIT_FSIZE in a child process: whatever the byte at
// which it fills up, the run stops, and a resume finds its way.
func TestJournalOnAFullDisk(t *testing.T) {
	if path := os.Getenv("STACKMEND_TEST_JOURNAL"); path != "" {
		fullDiskChild(t, path)
		return
	}
	for _, limit := range []int{0, 10, 44, 500, 1100, 1200, 1300, 1400, 1700} {
		path := filepath.Join(memDir(t), "journal")
		c := exec.Command(os.Args[0], "-test.run=^TestJournalOnAFullDisk$", "-test.count=1")
		c.Env = append(os.Environ(), "STACKMEND_TEST_JOURNAL="+path, fmt.Sprint("STACKMEND_TEST_LIMIT=", limit), "GORACE=atexit_sleep_ms=0")
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("limit %d: %v\n%s", limit, err, out)
		}
		j := openJournal(t, path)
		if r, err := stackmend.Run(t.Context(), storyPlan(), story(), stackmend.Options{Mode: stackmend.Apply, Journal: j}); err != nil {
			t.Errorf("limit %d: %v %v", limit, err, states(r))
		}
	}
}

func fullDiskChild(t *testing.T, path string) {
	var limit uint64
	_, _ = fmt.Sscan(os.Getenv("STACKMEND_TEST_LIMIT"), &limit)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: limit, Max: limit}); err != nil {
		t.Fatal(err)
	}
	j, err := stackmend.OpenJournal(path)
	if err != nil {
		wantErr(t, err, stackmend.ErrJournal)
		return
	}
	a := story()
	r, err := stackmend.Run(t.Context(), storyPlan(), a, stackmend.Options{Mode: stackmend.Apply, Journal: j})
	wantErr(t, err, stackmend.ErrJournal)
	if len(a.did("do")) > 0 && r.Outcomes[4].State == stackmend.Done {
		t.Error("went on to the end")
	}
	if len(a.did("revert")) > 0 {
		t.Error("reverted without a journal")
	}
}

// A journal may be damaged or made up: it is refused, or it can be looked at
// and run in every mode without a panic.
func FuzzJournal(f *testing.F) {
	path := filepath.Join(memDir(f), "journal")
	j := openJournal(f, path)
	if _, err := stackmend.Run(f.Context(), storyPlan(), story(), stackmend.Options{Mode: stackmend.Apply, Journal: j}); err != nil {
		f.Fatal(err)
	}
	_ = j.Close()
	whole, _ := os.ReadFile(path)
	var bodies []string // without the checksums, which the fuzzer would not find
	for line := range strings.Lines(string(whole)) {
		_, body, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		bodies = append(bodies, body)
		f.Add(strings.Join(bodies, "\n"), false)
	}
	f.Add(string(whole), true)
	f.Fuzz(func(t *testing.T, text string, raw bool) {
		if !raw {
			var b strings.Builder
			for line := range strings.SplitSeq(text, "\n") {
				b.WriteString(crcLine(line))
			}
			text = b.String()
		}
		path := filepath.Join(memDir(t), "journal")
		for _, m := range []stackmend.Mode{stackmend.DryRun, stackmend.Revert, stackmend.Apply} {
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			j, err := stackmend.OpenJournal(path)
			if err != nil {
				return
			}
			j.Open()
			if r, err := stackmend.Run(t.Context(), nil, story(), stackmend.Options{Mode: m, Journal: j, Irreversible: true}); err == nil && r.Plan == nil {
				t.Error("ran without a plan")
			}
			_ = j.Close()
		}
	})
}
