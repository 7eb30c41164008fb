package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/examples/cli"
)

const recordings = "../../ceph/testdata/"

// run runs the tool and returns its exit status and what it printed.
func run(t *testing.T, args ...string) (status int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	status = tool().Run(t.Context(), args, cli.Streams{Out: &o, Err: &e, Getenv: func(string) string { return "" }})
	return status, o.String(), e.String()
}

func TestReplay(t *testing.T) {
	for _, c := range []struct {
		dir    string
		status int
		words  string
	}{
		{"pacific-healthy", 3, "memory-fragmented"}, // the size of its processes is not in the recording
		{"luminous-storm", 2, "rebalance-in-recovery"},
		{"quincy-mclock", 2, "pg-log-dups"},
		{"octopus-fragmented", 1, "heap release"},
	} {
		status, out, errs := run(t, "-replay", recordings+c.dir)
		if status != c.status || !strings.Contains(out, c.words) || errs != "" {
			t.Errorf("%s: %d, %s%s", c.dir, status, out, errs)
		}
	}
}

func TestReplayJSON(t *testing.T) {
	_, out, _ := run(t, "-json", "-replay", recordings+"quincy-mclock")
	var r stackmend.Result
	if err := json.Unmarshal([]byte(out), &r); err != nil || r.Status != stackmend.Fail || len(r.Findings) == 0 {
		t.Errorf("%v %s", err, out)
	}
}

func TestWrongUsage(t *testing.T) {
	log := filepath.Join(t.TempDir(), "empty.log")
	if err := os.WriteFile(log, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		status int
		args   []string
	}{
		{64, []string{"-backend", "ssh"}},
		{64, []string{"-replay", recordings, "-conf", "x"}},
		{4, []string{"-replay", recordings + "README.md"}}, // a file, but none of capture
		{3, []string{"-replay", "/no/such/folder"}},
		{3, []string{"-replay", t.TempDir()}},
		{3, []string{"-replay", recordings + "pacific-healthy", "-osd-log", "/no/such.log"}},
		{3, []string{"-replay", recordings + "pacific-healthy", "-cluster-log", log}},
		{64, []string{"-replay", recordings + "pacific-healthy", "-apply"}},
		{64, []string{"-replay", recordings + "pacific-healthy", "-places", "/no/such.json"}},
		{64, []string{"-replay", recordings + "pacific-healthy", "-places", log}},
	} {
		if status, out, errs := run(t, c.args...); status != c.status || errs == "" {
			t.Errorf("%v: %d %s%s", c.args, status, out, errs)
		}
	}
}

// TestPlaces: the map of the network is read.
func TestPlaces(t *testing.T) {
	path := filepath.Join(t.TempDir(), "places.json")
	if err := os.WriteFile(path, []byte(`{"192.0.2.7": {"Host": "stor7", "Switch": "leaf2"}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	c := &check{places: path}
	if p, err := c.policy(); err != nil || p.Places["192.0.2.7"].Switch != "leaf2" {
		t.Errorf("%+v %v", p, err)
	}
}

// TestLogs: the logs of an incident, beside a recording.
func TestLogs(t *testing.T) {
	log := filepath.Join(t.TempDir(), "ceph-osd.3.log")
	line := "2026-11-22T08:20:00.000+0000 7f00 -1 rocksdb: submit_common error: Corruption: block checksum mismatch: stored = 0x0, computed = 0x1 in db/000123.sst offset 1 size 2 code = 2\n"
	if err := os.WriteFile(log, []byte(strings.Repeat(line, 3)), 0o600); err != nil {
		t.Fatal(err)
	}
	status, out, _ := run(t, "-replay", recordings+"pacific-healthy", "-osd-log", log)
	if status != 2 || !strings.Contains(out, "rocksdb-corrupt") || !strings.Contains(out, "3 times") || !strings.Contains(out, "read again") {
		t.Errorf("%d %s", status, out)
	}
}
