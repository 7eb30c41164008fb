package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/bpdu"
	"github.com/stackmend/stackmend/examples/cli"
)

// run runs the tool as a program would be.
func run(t *testing.T, k bpdu.Kernel, args ...string) (status int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	status = toolOn(k).Run(t.Context(), args, cli.Streams{Out: &o, Err: &e, Getenv: func(string) string { return "" }})
	return status, o.String(), e.String()
}

const data = "../../bpdu/testdata/"

func TestLogs(t *testing.T) {
	status, out, errs := run(t, bpdu.Kernel{}, "-syslog", data+"switches.log", "-ports", data+"ports.json", "-servers", data+"servers.json", "-json")
	var r stackmend.Result
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v\n%s%s", err, out, errs)
	}
	if status != 2 || r.Status != stackmend.Fail {
		t.Errorf("status %d, %v", status, r.Status)
	}
	if !strings.Contains(out, "centos-1") {
		t.Error("the instance is not named")
	}
	if status, out, _ = run(t, bpdu.Kernel{}, "-syslog", data+"switches.log", "-nagios"); status != 2 || !strings.HasPrefix(out, "BPDU CRITICAL - ") {
		t.Errorf("%d %s", status, out)
	}
}

func TestUsage(t *testing.T) {
	broken := filepath.Join(t.TempDir(), "broken.json")
	if err := os.WriteFile(broken, []byte(`{"error": 403}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args   string
		status int
	}{
		{"-syslog /nonexistent/x.log", 64},
		{"-syslog " + data + "switches.log -zone Nowhere/Land", 64},
		{"-remove", 64},
		{"-os-cloud x -ports y", 64},
		{"-no-such-flag", 64},
		{"-syslog " + data + "switches.log -ports " + broken, 3},
	} {
		if status, out, errs := run(t, bpdu.Kernel{}, strings.Fields(c.args)...); status != c.status {
			t.Errorf("%s: status %d, want %d\n%s%s", c.args, status, c.status, out, errs)
		}
	}
}

func TestWithoutWatch(t *testing.T) {
	args, watch := withoutWatch([]string{"-protect", "all", "--watch", "-apply"})
	if !watch || strings.Join(args, " ") != "-protect all -apply" {
		t.Errorf("%v %q", watch, args)
	}
	if _, watch := withoutWatch([]string{"-protect", "watch"}); watch {
		t.Error("a tap called watch")
	}
}
