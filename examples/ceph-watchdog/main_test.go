package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend/ceph/watchdog"
	"github.com/stackmend/stackmend/examples/cli"

	"github.com/stackmend/stackmend/internal/lab"
)

func runs(t *testing.T, args ...string) (status int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	status = run(t.Context(), args, cli.Streams{Out: &o, Err: &e, Getenv: func(string) string { return "" }})
	return status, o.String(), e.String()
}

func TestWrongUsage(t *testing.T) {
	for _, args := range [][]string{
		{"-backend", "ssh"}, {"-last-resort", "maybe"}, {"-supervisor", "monit"}, {"-supervisor", "process"}, {"-supervisor", "cephadm"},
		{"-margin", "-1s"}, {"extra"}, {"-once", "-for", "1s"}, {"-once", "-apply"},
	} {
		if status, out, errs := runs(t, args...); status != 64 || errs == "" {
			t.Errorf("%v: %d %s%s", args, status, out, errs)
		}
	}
}

// TestOnceWithoutOSDs: nothing seen is not health.
func TestOnceWithoutOSDs(t *testing.T) {
	if runtime.GOOS != "linux" {
		lab.Without(t, "/proc")
	}
	status, out, errs := runs(t, "-once", "-nagios", "-for", "4s", "-match", filepath.Join(t.TempDir(), "no-such.conf"))
	if status != 3 || !strings.HasPrefix(out, "CEPH-WATCHDOG UNKNOWN") {
		t.Errorf("%d %s%s", status, out, errs)
	}
}

// TestOneWatchdog: a second one on the host is refused.
func TestOneWatchdog(t *testing.T) {
	lock := filepath.Join(t.TempDir(), "lock")
	if err := os.WriteFile(lock, []byte("somebody else's\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if status, _, errs := runs(t, "-lock", lock); status != 4 || errs == "" {
		t.Errorf("%d %s", status, errs)
	}
}

// TestFilesBesideIt: the flags in the unit and in monit's stanza exist.
func TestFilesBesideIt(t *testing.T) {
	command := regexp.MustCompile(`/usr/local/bin/ceph-watchdog((?: -[a-z-]+(?: [^\s<"'-][^\s<"']*)?)+)`)
	found := 0
	for _, name := range []string{"ceph-watchdog.service", "monit.conf"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range command.FindAllStringSubmatch(string(text), -1) {
			found++
			fs := flag.NewFlagSet(name, flag.ContinueOnError)
			s := &settings{}
			s.flags(fs)
			s.daemonFlags(fs)
			fs.Bool("nagios", false, "")
			if err := fs.Parse(strings.Fields(m[1])); err != nil || s.apply {
				t.Errorf("%s: %s: %v, apply %t", name, m[1], err, s.apply)
			}
		}
	}
	if found != 3 {
		t.Errorf("%d commands", found)
	}
}

func TestMetrics(t *testing.T) {
	var b bytes.Buffer
	metrics(&b, watchdog.Report{Time: time.Unix(1000, 0), Outlooks: []watchdog.Outlook{
		{OSDSample: watchdog.OSDSample{ID: 3, Anon: 1 << 20}, Steady: true, Slope: 10, Left: 5 * time.Second, Room: 50},
		{OSDSample: watchdog.OSDSample{ID: 4, Anon: 1 << 20}, Left: watchdog.Never, Room: watchdog.None},
	}, Verdicts: []watchdog.Verdict{{Level: watchdog.Critical}, {}}, Refused: map[int]string{3: "no"}, History: watchdog.History{{OSD: 3}}})
	for _, want := range []string{"ceph_watchdog_osd_left_seconds{osd=\"3\"} 5\n", "ceph_watchdog_osd_level{osd=\"3\"} 4\n", "ceph_watchdog_osd_refused{osd=\"3\"} 1\n",
		"ceph_watchdog_osd_restarts{osd=\"3\"} 1\n", "ceph_watchdog_pass_timestamp_seconds 1000\n"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), "left_seconds{osd=\"4\"}") || strings.Contains(b.String(), "room_bytes{osd=\"4\"}") {
		t.Errorf("what was not seen is written:\n%s", b.String())
	}
}

func TestState(t *testing.T) {
	s := &settings{state: filepath.Join(t.TempDir(), "sub", "state.json")}
	want := watchdog.History{{OSD: 1, At: time.Unix(5, 0).UTC(), Stop: time.Second, Before: 7}}
	if err := s.save(want); err != nil {
		t.Fatal(err)
	}
	got, err := s.load()
	if err != nil || len(got) != 1 || got[0] != want[0] {
		t.Errorf("%v %+v", err, got)
	}
	if err := os.WriteFile(s.state, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.load(); err == nil {
		t.Error("a damaged history was taken for none")
	}
}
