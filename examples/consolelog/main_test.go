//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/examples/cli"
)

// host is a folder of instances with one large log.
func host(t *testing.T) (dir, log string) {
	t.Helper()
	dir = t.TempDir()
	for _, d := range []string{"i/a", "archive"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	log = filepath.Join(dir, "i/a/console.log")
	if err := os.WriteFile(log, bytes.Repeat([]byte("the quick brown fox\n"), 100000), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir, log
}

func tool(t *testing.T, dir string, args ...string) (status int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	args = append([]string{"-instances=" + dir + "/i", "-limit=1MiB", "-keep=128KiB", "-between=0", "-journal=" + dir + "/journal", "-free=0"}, args...)
	status = run(t.Context(), args, cli.Streams{Out: &o, Err: &e, Getenv: func(string) string { return dir }})
	return status, o.String(), e.String()
}

func size(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

func TestDryByDefault(t *testing.T) {
	dir, log := host(t)
	status, out, errs := tool(t, dir)
	if status != 2 || size(t, log) != 2000000 || !strings.Contains(out, "too-large") || !strings.Contains(out, "quick brown") {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}
}

func TestNothingIsRemovedForGoodUnlessSaid(t *testing.T) {
	dir, log := host(t)
	if status, out, errs := tool(t, dir, "-apply"); status != 4 || size(t, log) != 2000000 {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}
	if status, out, errs := tool(t, dir, "-apply", "-discard"); status != 0 {
		t.Errorf("-discard: status %d\n%s%s", status, out, errs)
	}
	if status, out, errs := tool(t, dir); status != 0 {
		t.Errorf("afterwards: status %d\n%s%s", status, out, errs)
	}
}

func TestArchive(t *testing.T) {
	dir, _ := host(t)
	status, out, errs := tool(t, dir, "-archive", dir+"/archive", "-apply", "-json", "-textfile", dir+"/console.prom")
	var r stackmend.Result
	if err := json.Unmarshal([]byte(out), &r); status != 0 || err != nil || len(r.Outcomes) != 1 || r.Outcomes[0].State != stackmend.Done {
		t.Errorf("status %d, %v\n%s%s", status, err, out, errs)
	}
	if files, _ := filepath.Glob(dir + "/archive/a/*.zst"); len(files) != 1 || size(t, dir+"/console.prom") == 0 {
		t.Errorf("archive: %v", files)
	}
}

func TestWatch(t *testing.T) {
	dir, log := host(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var o, e bytes.Buffer
	go func() {
		for ctx.Err() == nil {
			if info, err := os.Stat(dir + "/console.prom"); err == nil && info.Size() > 0 {
				if held, err := os.ReadFile(dir + "/console.prom"); err == nil && strings.Contains(string(held), `held_bytes{instance="a",file="console.log"} 1`) && !strings.Contains(string(held), `} 2e+06`) {
					cancel()
				}
			}
			time.Sleep(10 * time.Millisecond)
		}
	}()
	args := []string{"-instances=" + dir + "/i", "-limit=1MiB", "-keep=128KiB", "-between=0", "-free=0", "-journal=" + dir + "/journal",
		"-textfile=" + dir + "/console.prom", "-apply", "-discard", "-watch", "20ms"}
	run(ctx, args, cli.Streams{Out: &o, Err: &e, Getenv: func(string) string { return dir }})
	if b, err := os.ReadFile(log); err != nil || bytes.Count(bytes.TrimLeft(b, "\x00"), []byte("\n")) > 50000 {
		t.Errorf("the log was not bounded: %v\n%s%s", err, o.String(), e.String())
	}
	for _, flag := range []string{"-plan=x", "--run", "-resume"} {
		if status, _, _ := tool(t, dir, "-watch=1s", flag); status != 64 {
			t.Errorf("-watch with %s: status %d", flag, status)
		}
	}
}

func TestTail(t *testing.T) {
	_, log := host(t)
	for _, c := range []struct {
		args []string
		want string
		code int
	}{
		{[]string{"tail", log, "-lines", "1"}, "the quick brown fox\n", 0},
		{[]string{"tail", "-bytes", "4", log}, "fox\n", 0},
		{[]string{"tail", log + "-none"}, "", 3},
		{[]string{"tail"}, "", 64},
		{[]string{"tail", log, "more"}, "", 64},
		{[]string{"tail", log, "-lines", "x"}, "", 64},
	} {
		var o, e bytes.Buffer
		if code := run(t.Context(), c.args, cli.Streams{Out: &o, Err: &e}); code != c.code || o.String() != c.want {
			t.Errorf("%v: %d %q, want %d %q\n%s", c.args, code, o.String(), c.code, c.want, e.String())
		}
	}
}
