//go:build unix

package stackmend_test

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
)

const (
	lockOfRun   = "STACKMEND_TEST_RUN_LOCK" // of the process that runs a plan
	lockOfChild = "STACKMEND_TEST_TOOL"     // of the child that it starts
)

// TestChildKeepsLock: a run that is killed leaves a child behind; until that
// has ended, nobody else has the lock.
func TestChildKeepsLock(t *testing.T) {
	if os.Getenv(lockOfChild) != "" {
		_, _ = os.Stdin.Read(make([]byte, 1)) // until the test closes it
		os.Exit(0)
	}
	if path := os.Getenv(lockOfRun); path != "" {
		runWithChild(t, path)
	}
	path := filepath.Join(memDir(t), "lock")
	lock := stackmend.FileLock(path)
	run := exec.Command(os.Args[0], "-test.run=^TestChildKeepsLock$")
	run.Env = append(os.Environ(), lockOfRun+"="+path)
	in, out, err := pipes(run)
	if err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "child started\n" {
		t.Fatalf("%q %v", line, err)
	}
	_ = run.Process.Kill()
	_ = in.keep.Close() // the child has an end of its own
	_, _ = run.Process.Wait()
	_, _, err = lock.Acquire(t.Context(), "next")
	wantErr(t, err, stackmend.ErrLocked)
	_ = in.end.Close()
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		_, release, err := lock.Acquire(t.Context(), "next")
		if err == nil {
			_ = release()
			return
		}
		if time.Now().After(end) {
			t.Fatalf("the child has ended: %v", err)
		}
	}
}

// ends are those of a pipe to a process.
type ends struct{ end, keep *os.File }

// pipes starts a process that reads from and writes to the test.
func pipes(c *exec.Cmd) (in ends, out *os.File, err error) {
	r, w, err := os.Pipe()
	if err != nil {
		return ends{}, nil, err
	}
	or, ow, err := os.Pipe()
	if err != nil {
		return ends{}, nil, err
	}
	c.Stdin, c.Stdout, c.Stderr = r, ow, os.Stderr
	defer ow.Close()
	return ends{w, r}, or, c.Start()
}

// runWithChild runs a plan whose step starts a child with the lock, and waits
// to be killed.
func runWithChild(t *testing.T, path string) {
	a := &toy{}
	a.do = func(_ context.Context, _ stackmend.Step, w *stackmend.Work) error {
		f, err := w.LockFile()
		if err != nil {
			return err
		}
		defer f.Close()
		child := exec.Command(os.Args[0], "-test.run=^TestChildKeepsLock$")
		child.Env = append(os.Environ(), lockOfChild+"=1")
		child.Stdin, child.ExtraFiles = os.Stdin, []*os.File{f}
		if err := child.Start(); err != nil {
			return err
		}
		_, _ = os.Stdout.WriteString("child started\n")
		return child.Wait()
	}
	_, err := stackmend.Run(t.Context(), plan(step("a")), a, stackmend.Options{Mode: stackmend.Apply, Lock: stackmend.FileLock(path)})
	t.Fatalf("not killed: %v", err)
}

// TestNoLockFile: what is no lock by a file has no descriptor to give.
func TestNoLockFile(t *testing.T) {
	a := &toy{}
	a.do = func(_ context.Context, s stackmend.Step, w *stackmend.Work) error {
		_, err := w.LockFile()
		wantErr(t, err, errors.ErrUnsupported)
		a.effect(s)
		return nil
	}
	if _, err := stackmend.Run(t.Context(), plan(step("a")), a, stackmend.Options{Mode: stackmend.Apply}); err != nil {
		t.Fatal(err)
	}
	_, err := new(stackmend.Work).LockFile()
	wantErr(t, err, stackmend.ErrRefused)
}
