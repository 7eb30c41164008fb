//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
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

func TestWrongUsage(t *testing.T) {
	dir, _ := host(t)
	for _, args := range [][]string{
		{"-limit=128KiB"}, {"-keep=1KiB"}, {"-top=-1"}, {"-free=101"}, {"-limit=lots"}, {"-watch=soon"}, {"more"},
	} {
		if status, out, errs := tool(t, dir, args...); status != 64 || errs == "" {
			t.Errorf("%v: status %d, want 64\n%s%s", args, status, out, errs)
		}
	}
	for _, args := range [][]string{{"-instances=" + dir + "/none"}, {"-archive=" + dir + "/none"}, {"-nova-api-log=" + dir + "/none"}} {
		if status, out, errs := tool(t, dir, args...); status != 3 || !strings.Contains(errs, "no such file") {
			t.Errorf("%v: status %d, want 3\n%s%s", args, status, out, errs)
		}
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
	// A libvirt that runs on this machine may have a finding of its own.
	if status, out, errs := tool(t, dir); status > 1 || strings.Contains(out, "too-large") {
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

// TestWhoAndWhere: nova-api's log, the list of servers and RabbitMQ's answers,
// all of them recorded from the real services, tell who refreshes a console.
func TestWhoAndWhere(t *testing.T) {
	const data = "../../consolelog/testdata/"
	dir, _ := host(t)
	id := "5a2c2f0e-6a0b-4bb4-9d3c-0b1e7f1f3c11"
	if err := os.Rename(dir+"/i/a", dir+"/i/"+id); err != nil {
		t.Fatal(err)
	}
	servers := filepath.Join(dir, "servers.json")
	if err := os.WriteFile(servers, []byte(`{"servers": [{"id": "`+id+`", "name": "spewer", "tenant_id": "0f1e", "user_id": "7b0b"}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	for _, name := range []string{"nodes", "queues"} {
		mux.HandleFunc("GET /api/"+name, func(w http.ResponseWriter, r *http.Request) {
			if user, password, _ := r.BasicAuth(); user != "monitor" || password != dir { // as tool's Getenv says
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			http.ServeFile(w, r, data+"rabbitmq/"+name+".json")
		})
	}
	api := httptest.NewServer(mux)
	defer api.Close()
	args := []string{"-nova-api-log", data + "novaapi/nova-api.log", "-since", "9999d", "-servers", servers}
	with := func(user string) []string {
		return append(args, "-rabbitmq", strings.Replace(api.URL, "://", "://"+user+"@", 1))
	}
	status, out, errs := tool(t, dir, with("monitor")...)
	for _, want := range []string{"console-hammered", "14 times", `name "spewer"`, "rb@localhost", "21.1 MiB wait in 2 queues, the most in reply_5d3c"} {
		if status != 2 || !strings.Contains(out, want) {
			t.Errorf("status %d, no %q\n%s%s", status, want, out, errs)
		}
	}
	if status, out, errs := tool(t, dir, with("somebody")...); status != 3 || !strings.Contains(errs, "401") {
		t.Errorf("not permitted: status %d\n%s%s", status, out, errs)
	}
	if status, out, errs := tool(t, dir, append(args, "-rabbitmq", data+"rabbitmq/nodes.json")...); status != 2 || !strings.Contains(out, "rb@localhost") {
		t.Errorf("from a file: status %d\n%s%s", status, out, errs)
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
		{[]string{"tail", log, "-lines", "-1"}, "", 64},
		{[]string{"tail", log, "-bytes", "-1"}, "", 64},
	} {
		var o, e bytes.Buffer
		if code := run(t.Context(), c.args, cli.Streams{Out: &o, Err: &e}); code != c.code || o.String() != c.want {
			t.Errorf("%v: %d %q, want %d %q\n%s", c.args, code, o.String(), c.code, c.want, e.String())
		}
	}
}
