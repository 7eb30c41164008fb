//go:build unix

package stackmend_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
)

// storyPlan has a lone step, a long step that records, a group, and a stage.
func storyPlan() *stackmend.Plan {
	p := plan(step("lone"), step("long"), grouped("g", "stop"), grouped("g", "start"), staged(1, step("last")))
	p.Expires = time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)
	return p
}

// story does "long" in three pieces, each recorded, and counts each piece's
// effect.
func story() *toy {
	a := &toy{}
	a.do = func(c context.Context, s stackmend.Step, w *stackmend.Work) error {
		if s.Target != "long" {
			a.effect(s)
			return nil
		}
		for i := range 3 {
			piece := stackmend.Step{Target: fmt.Sprint("piece", i)}
			if _, ok := w.Recorded(piece.Target); ok {
				continue
			}
			a.effect(piece)
			if err := w.Record(piece.Target, "done"); err != nil {
				return err
			}
			if err := w.Gate(c); err != nil {
				return err
			}
		}
		a.effect(s)
		return nil
	}
	return a
}

// A run may die at any byte of its journal. What is resumed from what is left
// ends with every step done, and nothing done twice. The world at that moment
// is as far as the journal says, or one effect further: both are tried.
func TestTruncationAtEveryByte(t *testing.T) {
	dir := memDir(t)
	path := filepath.Join(dir, "journal")
	a, j := story(), openJournal(t, path)
	at := map[string]int{} // how long the journal was when something came into effect
	a.onEffect = func(s stackmend.Step) {
		b, _ := os.ReadFile(path)
		at[s.Target] = len(b)
	}
	if _, err := stackmend.Run(t.Context(), storyPlan(), a, stackmend.Options{Mode: stackmend.Apply, Journal: j}); err != nil {
		t.Fatal(err)
	}
	_ = j.Close()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for part := range 4 {
		t.Run(fmt.Sprint(part), func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(memDir(t), "journal")
			for n := part; n <= len(whole); n += 4 {
				cutAt(t, path, whole, n, at)
			}
		})
	}
}

// cutAt resumes from the first n bytes. at says how long the journal was when
// something came into effect.
func cutAt(t *testing.T, cut string, whole []byte, n int, at map[string]int) {
	for _, after := range []bool{false, true} {
		b, both := story(), false
		for target, m := range at {
			if both = both || m == n; m < n || m == n && after {
				b.effect(stackmend.Step{Target: target})
			}
		}
		if after && !both {
			continue
		}
		if err := os.WriteFile(cut, whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		j, err := stackmend.OpenJournal(cut)
		if err != nil {
			t.Fatalf("cut at %d: %v", n, err)
		}
		r, err := stackmend.Run(t.Context(), storyPlan(), b, stackmend.Options{Mode: stackmend.Apply, Journal: j})
		if err != nil {
			t.Fatalf("cut at %d of %d: %v", n, len(whole), err)
		}
		for _, o := range r.Outcomes {
			if o.State != stackmend.Done {
				t.Fatalf("cut at %d: %s is %v", n, o.Step, o.State)
			}
		}
		for target, times := range b.effects {
			if times != 1 {
				t.Fatalf("cut at %d: %s done %d times", n, target, times)
			}
		}
		if len(b.effects) != 8 || j.Plan() != nil || len(j.Open()) != 0 {
			t.Fatalf("cut at %d: %v, open %v", n, b.effects, j.Open())
		}
		_ = j.Close()
	}
}

// Revert from whatever is left undoes the group if it is open.
func TestRevertAtEveryLine(t *testing.T) {
	path := filepath.Join(memDir(t), "journal")
	j := openJournal(t, path)
	if _, err := stackmend.Run(t.Context(), storyPlan(), story(), stackmend.Options{Mode: stackmend.Apply, Journal: j}); err != nil {
		t.Fatal(err)
	}
	_ = j.Close()
	whole, _ := os.ReadFile(path)
	lines := bytes.SplitAfter(whole, []byte("\n"))
	for n := range lines {
		var kept []byte
		kept = bytes.Join(lines[:n], nil)
		if err := os.WriteFile(path, kept, 0o600); err != nil {
			t.Fatal(err)
		}
		b, j := story(), openJournal(t, path)
		begun := func(i int) bool { return bytes.Contains(kept, []byte(fmt.Sprintf(`"begin","step":%d`, i))) }
		ended := bytes.Contains(kept, []byte(`"end","step":3`))
		b.effect(step("stop"))
		b.effect(step("start"))
		interrupted := j.Plan() != nil
		_, err := stackmend.Run(t.Context(), nil, b, stackmend.Options{Mode: stackmend.Revert, Journal: j})
		if !interrupted {
			wantErr(t, err, stackmend.ErrRefused)
			_ = j.Close()
			continue
		}
		var want []string
		if begun(3) && !ended {
			want = append(want, "start")
		}
		if begun(2) && !ended {
			want = append(want, "stop")
		}
		if err != nil || j.Plan() != nil {
			t.Errorf("line %d: %v", n, err)
		}
		wantList(t, fmt.Sprintf("line %d: reverted", n), b.did("revert"), want...)
		wantList(t, "done", b.did("do"))
		_ = j.Close()
	}
}

func TestDamageOfEveryByte(t *testing.T) {
	path := filepath.Join(memDir(t), "journal")
	j := openJournal(t, path)
	if _, err := stackmend.Run(t.Context(), storyPlan(), story(), stackmend.Options{Mode: stackmend.Apply, Journal: j}); err != nil {
		t.Fatal(err)
	}
	_ = j.Close()
	whole, _ := os.ReadFile(path)
	last := bytes.LastIndexByte(whole[:len(whole)-1], '\n') + 1
	for i := range whole {
		bad := bytes.Clone(whole)
		bad[i] ^= 1 << (i % 8)
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		j, err := stackmend.OpenJournal(path)
		if err == nil {
			_ = j.Close()
		}
		if i == len(whole)-1 {
			if err != nil {
				t.Errorf("a torn last line: %v", err)
			}
			continue
		}
		if !errors.Is(err, stackmend.ErrJournal) {
			t.Errorf("byte %d of %d (last line from %d): error %v", i, len(whole), last, err)
		}
		if now, _ := os.ReadFile(path); !bytes.Equal(now, bad) {
			t.Fatalf("byte %d: the damaged file was changed", i)
		}
	}
}

// Whatever else is at the path stays as it is.
func TestJournalLeavesOtherFilesAlone(t *testing.T) {
	dir := memDir(t)
	for name, content := range map[string]string{
		"text": "a letter\n", "no newline": "a letter", "zeros": strings.Repeat("\x00", 9000), "long": strings.Repeat("x", 1<<20),
		"near": `00000000 {"kind":"stackmend journal","schema":1}`, "newline": "\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := stackmend.OpenJournal(path)
		wantErr(t, err, stackmend.ErrJournal)
		info, _ := os.Stat(path)
		if now, _ := os.ReadFile(path); string(now) != content || info.Mode().Perm() != 0o644 {
			t.Errorf("%s: was changed", name)
		}
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(filepath.Join(dir, "new"), link); err != nil {
		t.Skip(err)
	}
	_, err := stackmend.OpenJournal(link)
	wantErr(t, err, stackmend.ErrRefused)
	if _, err := os.Lstat(filepath.Join(dir, "new")); err == nil {
		t.Error("followed a symbolic link")
	}
	for _, path := range []string{dir, filepath.Join(dir, "gone", "journal"), ""} {
		if _, err := stackmend.OpenJournal(path); err == nil {
			t.Errorf("opened %q", path)
		}
	}
}

func TestJournalIsPrivate(t *testing.T) {
	path := filepath.Join(memDir(t), "journal")
	j := openJournal(t, path)
	_, err := stackmend.OpenJournal(path)
	wantErr(t, err, stackmend.ErrLocked)
	_ = j.Close()
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	openJournal(t, path)
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Error(info.Mode())
	}
}

func TestJournalOfAnotherVersion(t *testing.T) {
	path := filepath.Join(memDir(t), "journal")
	_ = openJournal(t, path).Close()
	b, _ := os.ReadFile(path)
	_, body, _ := strings.Cut(strings.TrimSpace(strings.Replace(string(b), `"schema":1`, `"schema":2`, 1)), " ")
	if err := os.WriteFile(path, []byte(crcLine(body)), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := stackmend.OpenJournal(path)
	wantErr(t, err, stackmend.ErrSchema)
}

// Many runs through one journal: it keeps a line of each and does not grow
// with their steps.
func TestCompaction(t *testing.T) {
	path := filepath.Join(memDir(t), "journal")
	j := openJournal(t, path)
	for range 120 {
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
