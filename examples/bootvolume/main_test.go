package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stackmend/stackmend/examples/cli"
)

const zed = "../../bootvolume/testdata/zed/"

func run(t *testing.T, args ...string) (status int, out string) {
	t.Helper()
	getenv := func(string) string { return "" }
	var o, e bytes.Buffer
	status = tool(getenv).Run(t.Context(), args, cli.Streams{Out: &o, Err: &e, Getenv: getenv})
	return status, o.String() + e.String()
}

func TestBatch(t *testing.T) {
	status, out := run(t, "-nova-log", "c01="+zed+"nova-compute-c01.log", "-haproxy-log", "ctl="+zed+"haproxy.log", "-cinder-log", "ctl="+zed+"cinder-api.log")
	if status != 2 {
		t.Errorf("status %d", status)
	}
	for _, want := range []string{"haproxy-timeout", "orphan-volume", "X 504 cinder-api-1 sH 7.04s", "X accepted too late", "202 cinder-api-1"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
}

func TestConfiguration(t *testing.T) {
	cfg := filepath.Join(t.TempDir(), "haproxy.cfg")
	text := "listen cinder\n mode http\n balance source\n server a 10.0.0.1:1\n server b 10.0.0.2:1\n"
	if err := os.WriteFile(cfg, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if status, out := run(t, "-haproxy-cfg", cfg); status != 1 || !strings.Contains(out, "balance-source") {
		t.Errorf("status %d:\n%s", status, out)
	}
	if status, out := run(t, "-haproxy-cfg", cfg+".none"); status != 3 {
		t.Errorf("a file that is not there: status %d:\n%s", status, out)
	}
	if status, out := run(t); status != 3 || !strings.Contains(out, "give the nova-compute logs") {
		t.Errorf("nothing to look at: status %d\n%s", status, out)
	}
}

// What does not answer is unknown, and wrong usage is told before anything is
// done.
func TestLive(t *testing.T) {
	if status, out := run(t, "-haproxy-socket", "h1=/nowhere/admin.sock"); status != 3 || !strings.Contains(out, "runtime API") {
		t.Errorf("status %d:\n%s", status, out)
	}
	if status, out := run(t, "-probe", "test"); status != 64 && status != 3 || !strings.Contains(out, "BOOTVOLUME_GALERA") {
		t.Errorf("status %d:\n%s", status, out)
	}
}
