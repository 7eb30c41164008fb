package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend/examples/cli"
)

// TestDemo holds the demo to what it tells: it looks for the images itself.
func TestDemo(t *testing.T) {
	var out bytes.Buffer
	if status := demo(t.Context(), &out); status != 0 {
		t.Fatalf("status %d\n%s", status, out.String())
	}
	for _, want := range []string{"c03: its nova-compute is", "done quarantine", "done restore", "(exit status 4)"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the demo lacks %q\n%s", want, out.String())
		}
	}
}

func run(t *testing.T, args ...string) (status int, text string) {
	t.Helper()
	var out bytes.Buffer
	args = append([]string{"-journal", filepath.Join(t.TempDir(), "journal")}, args...)
	status = (&tool{}).cli().Run(t.Context(), args, cli.Streams{Out: &out, Err: &out, Getenv: func(string) string { return "" }})
	return status, out.String()
}

func TestWrongUse(t *testing.T) {
	dir := t.TempDir()
	for name, c := range map[string]struct {
		args   []string
		status int
		says   string
	}{
		"no instances":        {nil, 64, "-instances"},
		"relative":            {[]string{"-instances", "instances"}, 64, "absolute"},
		"restore to nowhere":  {[]string{"-instances", dir, "-restore", "x"}, 64, "-quarantine"},
		"purge nothing":       {[]string{"-instances", dir, "-purge"}, 64, "-quarantine"},
		"two jobs":            {[]string{"-instances", dir, "-quarantine", dir + "/q", "-purge", "-rescue"}, 64, "exclude"},
		"half a fleet":        {[]string{"-instances", dir, "-services", "x"}, 64, "go together"},
		"two fleets":          {[]string{"-instances", dir, "-os-cloud", "a", "-services", "x", "-servers", "y"}, 64, "exclude"},
		"gone without reason": {[]string{"-instances", dir, "-gone", "c03"}, 64, "HOST"},
		"gone twice":          {[]string{"-instances", dir, "-gone", "c03=a", "-gone", "c03=b"}, 64, "twice"},
		"quarantine in _base": {[]string{"-instances", dir, "-quarantine", dir + "/_base/q"}, 64, "outside"},
		"no nova.conf":        {[]string{"-instances", dir, "-nova-conf", dir + "/absent"}, 64, "-nova-conf"},
		"apply what":          {[]string{"-instances", dir, "-apply"}, 64, "-apply"},
		"absent directory":    {[]string{"-instances", dir + "/absent"}, 3, "absent"},
		"no fleet":            {[]string{"-instances", dir}, 3, "nova was not asked"},
		"no fleet, applied":   {[]string{"-instances", dir, "-quarantine", dir + "/q", "-apply"}, 4, "nova was not asked"},
	} {
		t.Run(name, func(t *testing.T) {
			status, text := run(t, c.args...)
			if status != c.status || !strings.Contains(text, c.says) {
				t.Errorf("status %d, want %d with %q:\n%s", status, c.status, c.says, text)
			}
		})
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("the refused runs left %v", left)
	}
}

// TestPurge takes an image of the demo's tree into the quarantine and out of the
// world, and not before its time is over.
func TestPurge(t *testing.T) {
	d := &demoRun{ctx: t.Context(), w: new(bytes.Buffer), dir: t.TempDir()}
	if err := d.build(time.Now()); err != nil {
		t.Fatal(err)
	}
	gone := []string{"-gone", "c03=burnt down", "-quarantine", "QUARANTINE"}
	held := func() bool {
		files, _ := filepath.Glob(d.path("instances", "_quarantine", "*"))
		return len(files) > 0
	}
	for _, c := range []struct {
		args   []string
		status int
		held   bool
	}{
		{append(gone, "-apply"), 0, true},
		{append(gone, "-purge", "-apply"), 1, true}, // 30 days are not over: nothing to do, and the cleaner is still on
		{append(gone, "-purge", "-retention", "1ns"), 1, true},
		{append(gone, "-purge", "-retention", "1ns", "-apply"), 0, false},
	} {
		if err := d.run(c.status, c.args...); err != nil || held() != c.held {
			t.Fatalf("%v: %v, in quarantine: %v\n%s", c.args, err, held(), d.w)
		}
	}
}
