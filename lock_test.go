//go:build unix

package stackmend_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
)

// Of two runs on one lock one wins, and the other says who it is.
func TestTwoRunsOnOneLock(t *testing.T) {
	path := filepath.Join(memDir(t), "lock")
	a := &toy{}
	a.do = func(_ context.Context, s stackmend.Step, _ *stackmend.Work) error {
		b := &toy{}
		_, err := stackmend.Run(t.Context(), plan(step("b")), b, stackmend.Options{Mode: stackmend.Apply, Lock: stackmend.FileLock(path)})
		wantErr(t, err, stackmend.ErrLocked)
		var locked *stackmend.LockError
		if !errors.As(err, &locked) || !strings.Contains(locked.Holder, fmt.Sprint("pid ", os.Getpid(), ",")) || !strings.Contains(locked.Holder, "toy on ") {
			t.Errorf("%+v", locked)
		}
		if len(b.log) > 0 {
			t.Error(b.log)
		}
		a.effect(s)
		return nil
	}
	if _, err := stackmend.Run(t.Context(), plan(step("a")), a, stackmend.Options{Mode: stackmend.Apply, Lock: stackmend.FileLock(path)}); err != nil {
		t.Fatal(err)
	}
	_, release, err := stackmend.FileLock(path).Acquire(t.Context(), "next")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(release(), release()); err != nil {
		t.Errorf("released twice: %v", err)
	}
}

func TestTwoProcessesOnOneLock(t *testing.T) {
	if path := os.Getenv("STACKMEND_TEST_LOCK"); path != "" {
		_, _, err := stackmend.FileLock(path).Acquire(t.Context(), "the child")
		fmt.Println("child:", err)
		if err == nil { // hold it until the parent closes the pipe, and die with it
			_, _ = os.Stdin.Read(make([]byte, 1))
		}
		os.Exit(0)
	}
	path := filepath.Join(memDir(t), "lock")
	_, release, err := stackmend.FileLock(path).Acquire(t.Context(), "the \x1b[31mparent")
	if err != nil {
		t.Fatal(err)
	}
	child := func() *exec.Cmd {
		c := exec.Command(os.Args[0], "-test.run=^TestTwoProcessesOnOneLock$")
		c.Env = append(os.Environ(), "STACKMEND_TEST_LOCK="+path)
		return c
	}
	out, err := child().Output()
	if err != nil || !strings.Contains(string(out), "locked by the [31mparent") {
		t.Errorf("%v: %q", err, out)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	c := child()
	in, _ := c.StdinPipe()
	pipe, _ := c.StdoutPipe()
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 64)
	n, _ := pipe.Read(line)
	if got := string(line[:n]); got != "child: <nil>\n" {
		t.Errorf("child says %q", got)
	}
	_, _, err = stackmend.FileLock(path).Acquire(t.Context(), "me")
	var locked *stackmend.LockError
	if !errors.As(err, &locked) || locked.Holder != "the child" {
		t.Errorf("%v", err)
	}
	_ = in.Close()
	_ = c.Wait()
	_, release, err = stackmend.FileLock(path).Acquire(t.Context(), "me")
	if err != nil {
		t.Fatalf("its holder is dead: %v", err)
	}
	_ = release()
}

// A lock file that is removed or replaced is a lock that is lost.
func TestLockFileRemoved(t *testing.T) {
	for _, replace := range []bool{false, true} {
		path := filepath.Join(memDir(t), "lock")
		gates, a := 0, &toy{}
		a.do = func(c context.Context, s stackmend.Step, w *stackmend.Work) error {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			if replace {
				if err := os.WriteFile(path, nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			for limit := time.Now().Add(time.Minute); time.Now().Before(limit); gates++ {
				if err := w.Gate(c); err != nil {
					return err
				}
				time.Sleep(10 * time.Millisecond)
			}
			return nil
		}
		r, err := stackmend.Run(t.Context(), plan(step("a"), step("b")), a, stackmend.Options{Mode: stackmend.Apply, Lock: stackmend.FileLock(path)})
		wantErr(t, err, stackmend.ErrLocked)
		wantStates(t, r, "partial", "not-begun")
		if err == nil || !strings.Contains(err.Error(), "was removed or replaced") {
			t.Error(err)
		}
	}
}

func TestLockFilesOfOthers(t *testing.T) {
	dir := memDir(t)
	pid, link := filepath.Join(dir, "pid"), filepath.Join(dir, "link")
	if err := errors.Join(os.WriteFile(pid, []byte("4711\n"), 0o600), os.Symlink(filepath.Join(dir, "x"), link)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{pid, link, os.DevNull} {
		_, _, err := stackmend.FileLock(path).Acquire(t.Context(), "me")
		wantErr(t, err, stackmend.ErrRefused)
	}
	if b, _ := os.ReadFile(pid); string(b) != "4711\n" {
		t.Errorf("was overwritten: %q", b)
	}
	for _, path := range []string{dir, filepath.Join(dir, "gone", "lock"), ""} {
		if _, _, err := stackmend.FileLock(path).Acquire(t.Context(), "me"); err == nil {
			t.Errorf("locked %q", path)
		}
	}
	stale := filepath.Join(dir, "stale") // of a holder that was killed
	if err := os.WriteFile(stale, []byte("held by somebody long and dead\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, release, err := stackmend.FileLock(stale).Acquire(t.Context(), "me")
	if err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(stale); string(b) != "held by me\n" {
		t.Errorf("%q", b)
	}
	_ = release()
}
