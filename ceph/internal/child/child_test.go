//go:build linux

package child

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
)

func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestOutput(t *testing.T) {
	out, err := Output(within(t, time.Minute), "echo", "here")
	if err != nil || string(out) != "here\n" {
		t.Errorf("%q %v", out, err)
	}
	var exit *ExitError
	_, err = Output(within(t, time.Minute), "sh", "-c", "echo why >&2; exit 7")
	if !errors.As(err, &exit) || exit.Code != 7 || exit.Stderr != "why\n" {
		t.Errorf("a status of 7: %v", err)
	}
	if _, err = Output(t.Context(), "true"); err == nil {
		t.Error("a program without a deadline was run")
	}
	if _, err = Output(within(t, time.Minute), "/no/such/program"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a program that is not there: %v", err)
	}
}

// A program that hangs is killed with what it started.
func TestHangs(t *testing.T) {
	begun := time.Now()
	_, err := Output(within(t, 300*time.Millisecond), "sh", "-c", "sleep 600 & sleep 600")
	if !errors.Is(err, stackmend.ErrUncertain) || !errors.Is(err, stackmend.ErrTimeout) || time.Since(begun) > time.Minute {
		t.Errorf("after %v: %v", time.Since(begun), err)
	}
}

// A reader that has had enough ends the program.
func TestReaderStops(t *testing.T) {
	enough := errors.New("enough")
	_, err := Read(within(t, time.Minute), func(r io.Reader) error {
		_, err := io.ReadFull(r, make([]byte, 1))
		return errors.Join(err, enough)
	}, "yes")
	if !errors.Is(err, enough) {
		t.Error(err)
	}
}

// A child holds the lock's file, and dies with the process that started it.
func TestDiesWithItsParent(t *testing.T) {
	if path := os.Getenv("CHILD_LOCK"); path != "" {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		_, err = Output(WithLock(within(t, time.Minute), f), "sh", "-c", "readlink /proc/$$/fd/3 >&2; echo $$ >"+path+".pid; kill -9 $PPID; sleep 600")
		t.Fatal("still here: ", err)
	}
	path := t.TempDir() + "/lock"
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	parent := exec.Command(os.Args[0], "-test.run=^TestDiesWithItsParent$")
	parent.Env = append(os.Environ(), "CHILD_LOCK="+path)
	if err := parent.Run(); err == nil {
		t.Fatal("the parent was not killed")
	}
	var pid int
	b, err := os.ReadFile(path + ".pid")
	if _, scan := fmt.Sscan(strings.TrimSpace(string(b)), &pid); err != nil || scan != nil {
		t.Fatal(err, scan)
	}
	for end := time.Now().Add(time.Minute); syscall.Kill(pid, 0) == nil && !zombie(pid); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the child lives on")
		}
	}
}

func TestInheritsTheLock(t *testing.T) {
	f, err := os.Create(t.TempDir() + "/lock")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const look, at = "readlink", "/proc/self/fd/3"
	ctx := WithLock(within(t, time.Minute), f)
	if out, err := Output(ctx, look, at); err != nil || strings.TrimSpace(string(out)) != f.Name() {
		t.Errorf("%s %v", out, err)
	}
	if out, err := Output(WithoutLock(ctx), look, at); err == nil {
		t.Errorf("a daemon has the lock: %s", out)
	}
}

func zombie(pid int) bool {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return strings.Contains(string(b), ") Z ")
}
