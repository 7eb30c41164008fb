package ceph_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph"
	"github.com/stackmend/stackmend/internal/lab"
)

// program writes a shell script that plays the ceph command: for the faults
// that the real one cannot be brought to.
func program(t *testing.T, script string) ceph.CLI {
	t.Helper()
	lab.Need(t, "sh", "sleep")
	name := filepath.Join(t.TempDir(), "ceph")
	must(t, os.WriteFile(name, []byte("#!/bin/sh\n"+script), 0o700))
	return ceph.CLI{Path: name}
}

var statusCommand = ceph.Command{To: ceph.Target{Kind: ceph.KindMon}, Prefix: "status"}

// TestLateAnswer: half an answer, then nothing: the call comes back when its
// time is over, the error says uncertain, and no child is left.
func TestLateAnswer(t *testing.T) {
	pidfile := filepath.Join(t.TempDir(), "pid")
	c := program(t, "echo '{\"fsid\":'; sleep 1000 & echo $! > "+pidfile+"; wait")
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	b, err := ceph.Ask(ctx, c, statusCommand)
	if !errors.Is(err, stackmend.ErrUncertain) || !errors.Is(err, stackmend.ErrTimeout) || !strings.HasPrefix(string(b), `{"fsid":`) {
		t.Errorf("%q, %v", b, err)
	}
	text, err := os.ReadFile(pidfile)
	must(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	must(t, err)
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
		if time.Now().After(end) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
			t.Fatalf("a child lives on: %s", stat)
		}
	}
}

func TestCommandLineFails(t *testing.T) {
	for name, c := range map[string]struct {
		script string
		code   int
		body   string
	}{
		"busy with a body": {"echo '{\"ok\":false}'; echo 'Error EBUSY: no' >&2; exit 16", 16, "{\"ok\":false}\n"},
		"its own failure":  {"echo 'Traceback' >&2; exit 1", 0, ""},
		"killed":           {"kill -9 $$", 0, ""},
	} {
		b, err := ceph.Ask(within(t, patience), program(t, c.script), statusCommand)
		var ce *ceph.CommandError
		if !errors.As(err, &ce) || ce.Code != c.code || string(b) != c.body {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
	if _, err := (ceph.CLI{Path: "/no/such/ceph"}).Command(within(t, patience), statusCommand); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no program: %v", err)
	}
	if _, err := program(t, "exit 0").Command(context.Background(), statusCommand); err == nil {
		t.Error("a command without a deadline was run")
	}
	text := ceph.Command{To: ceph.ToOSD(0), Prefix: "heap", Args: []ceph.Arg{{Name: "heapcmd", Value: "stats"}}, Text: true}
	if b, err := ceph.Ask(within(t, patience), program(t, "echo MALLOC >&2"), text); err != nil || string(b) != "MALLOC\n" {
		t.Errorf("text on stderr: %q, %v", b, err)
	}
}

// TestClosedEarly: an answer that nobody reads to its end ends its child.
func TestClosedEarly(t *testing.T) {
	r, err := program(t, "yes '{}'").Command(within(t, patience), statusCommand)
	must(t, err)
	_, err = io.ReadFull(r, make([]byte, 10))
	must(t, err)
	must(t, r.Close())
}

// answers is a Commander that gives the same answer to everything.
type answers string

func (a answers) Command(context.Context, ceph.Command) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(string(a))), nil
}

// TestSecretsAreRemoved: what a recording must not hold.
func TestSecretsAreRemoved(t *testing.T) {
	const key = "AQBf8v1gAAAAABAAmZQ1mJmUbyjBwAOXzAPpGQ=="
	long := strings.Repeat("x", 17<<20-20)
	for name, answer := range map[string]string{
		"config dump": `[{"section":"mgr","name":"mgr/dashboard/password","value":"hunter2"},{"section":"osd","name":"a","value":"` + key + `"}]`,
		"a member":    `{"rgw_keystone_admin_password":"hunter2","deep":[{"secret_key":"hunter2","key":"` + key + `"}]}`,
		"text":        "no json: key = " + key + "\n",
		"large":       `{"x":"` + long + key + `"}`,
	} {
		root, err := os.OpenRoot(t.TempDir())
		must(t, err)
		rec, err := ceph.NewRecorder(answers(answer), root, time.Unix(0, 0))
		must(t, err)
		if b, err := ceph.Ask(within(t, patience), rec, statusCommand); err != nil || string(b) != answer {
			t.Errorf("%s: the reader got something else (%v)", name, err)
		}
		b, err := root.ReadFile("status.json")
		must(t, err)
		if s := string(b); strings.Contains(s, "hunter2") || strings.Contains(s, key) || !strings.Contains(s, "(removed)") {
			t.Errorf("%s: %.300s", name, s)
		}
		if want := len(answer) - len(key) + len("(removed)"); name == "large" && len(b) != want {
			t.Errorf("large: %d bytes, want %d", len(b), want)
		}
		must(t, root.Close())
	}
}

// TestHalfARecordingIsNone: an answer that was not read to its end is replayed
// as lost, not as whole.
func TestHalfARecordingIsNone(t *testing.T) {
	root, err := os.OpenRoot(t.TempDir())
	must(t, err)
	defer root.Close()
	rec, err := ceph.NewRecorder(answers(`{"a":1}`), root, time.Unix(0, 0))
	must(t, err)
	r, err := rec.Command(within(t, patience), statusCommand)
	must(t, err)
	_, err = io.ReadFull(r, make([]byte, 3))
	must(t, err)
	must(t, r.Close())
	if _, err := ceph.Ask(within(t, patience), ceph.Recorded{FS: root.FS()}, statusCommand); !errors.Is(err, stackmend.ErrUncertain) {
		t.Errorf("got %v", err)
	}
}

// fickle answers once, and refuses from then on.
type fickle struct{ answered bool }

func (f *fickle) Command(ctx context.Context, c ceph.Command) (io.ReadCloser, error) {
	if f.answered {
		return nil, ceph.Failed(c, 13, "access denied")
	}
	f.answered = true
	return answers(`{"a":1}`).Command(ctx, c)
}

// TestRecordedTwice: of two looks the last is replayed, also where it failed.
func TestRecordedTwice(t *testing.T) {
	root, err := os.OpenRoot(t.TempDir())
	must(t, err)
	defer root.Close()
	rec, err := ceph.NewRecorder(&fickle{}, root, time.Unix(0, 0))
	must(t, err)
	for _, want := range []error{nil, fs.ErrPermission} {
		if _, err := ceph.Ask(within(t, patience), rec, statusCommand); !errors.Is(err, want) {
			t.Errorf("asked: %v, want %v", err, want)
		}
		if _, err := ceph.Ask(within(t, patience), ceph.Recorded{FS: root.FS()}, statusCommand); !errors.Is(err, want) {
			t.Errorf("replayed: %v, want %v", err, want)
		}
	}
}
