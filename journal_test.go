//go:build unix

package stackmend_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/internal/lab"
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
		kept := bytes.Join(lines[:n], nil)
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
		lab.Without(t, err.Error())
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
