package cli_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/examples/cli"
)

// looks is a tool that looks at one file, and judges its text.
type looks struct {
	path string
	seen struct{ Text, URL string }
}

func (l *looks) tool(name string) cli.Tool {
	return cli.Tool{
		Name: name, Brief: "looks at a file", Seen: &l.seen,
		Observe: func(context.Context) error {
			b, err := os.ReadFile(l.path)
			l.seen.Text, l.seen.URL = string(b), "mysql://nova:hunter2@db/nova"
			return err
		},
		Check: func(context.Context) (stackmend.Result, error) {
			r := stackmend.Result{Check: name, Subject: l.path, Status: stackmend.OK}
			if l.seen.Text != "well" {
				r.Status = stackmend.Fail
			}
			return r, nil
		},
	}
}

func replays(t *testing.T, path, name string, args ...string) (status int, text string) {
	t.Helper()
	var b bytes.Buffer
	l := &looks{path: path}
	status = l.tool(name).Run(t.Context(), args, cli.Streams{Out: &b, Err: &b, Getenv: func(string) string { return "" }})
	return status, b.String()
}

// What was recorded is judged as it was, whatever has become of it.
func TestRecordReplay(t *testing.T) {
	dir := t.TempDir()
	path, kept := filepath.Join(dir, "file"), filepath.Join(dir, "kept.tar.gz")
	if err := os.WriteFile(path, []byte("ill"), 0o600); err != nil {
		t.Fatal(err)
	}
	if status, text := replays(t, path, "looks", "-record", kept); status != 2 || !strings.Contains(text, "1 secrets removed") {
		t.Fatalf("%d %s", status, text)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		args []string
		want int
		says string
	}{
		{"looks", []string{"-replay", kept}, 2, "looks: as "},
		{"looks", nil, 3, "no such file"},
		{"other", []string{"-replay", kept}, 3, "holds nothing that other looks at, but what these do: looks"},
		{"looks", []string{"-replay", kept, "-record", kept}, 64, "judges a recording"},
		{"looks", []string{"-replay", filepath.Join(dir, "absent")}, 64, "no such file"},
		{"looks", []string{"-replay", os.Args[0]}, 4, "not a recording that can be read"},
	} {
		if status, text := replays(t, path, c.name, c.args...); status != c.want || !strings.Contains(text, c.says) {
			t.Errorf("%s %q: %d, want %d\n%s", c.name, c.args, status, c.want, text)
		}
	}
	if err := os.WriteFile(path, []byte("well"), 0o600); err != nil {
		t.Fatal(err)
	}
	if status, text := replays(t, path, "looks", "-record", kept); status != 64 || !strings.Contains(text, "is there already") {
		t.Errorf("a recording was replaced: %d %s", status, text)
	}
}

// A recording is never acted on.
func TestReplayChangesNothing(t *testing.T) {
	var seen struct{}
	a := newTouch(t)
	tool := a.tool()
	tool.Seen = &seen
	for _, with := range []string{"-apply", "-plan=x", "-run=x", "-resume"} {
		var b bytes.Buffer
		if status := tool.Run(t.Context(), []string{"-replay=x", with}, cli.Streams{Out: &b, Err: &b}); status != 64 || a.exists() {
			t.Errorf("%s: %d %s", with, status, b.String())
		}
	}
}
