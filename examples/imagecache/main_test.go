package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend/examples/cli"
	"github.com/stackmend/stackmend/examples/imagecache/tree"
)

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

// onTree runs the tool on a tree, whose place the arguments name by QUARANTINE.
func onTree(t *testing.T, d tree.Tree, args ...string) (status int, text string) {
	t.Helper()
	all := []string{"-instances", d.Instances(), "-nova-conf", d.NovaConf(), "-services", d.Services(),
		"-servers", d.Servers()[0], "-servers", d.Servers()[1], "-quarantine", d.Quarantine(), "-journal", d.Path("imagecache.journal")}
	var out bytes.Buffer
	tool := &tool{proc: d.Proc()}
	status = tool.cli().Run(t.Context(), append(all, args...), cli.Streams{Out: &out, Err: &out, Getenv: func(string) string { return "" }})
	return status, out.String()
}

// TestHostDown keeps everything while a host is down, moves what is unused once
// somebody knows that it is gone, and puts it back.
func TestHostDown(t *testing.T) {
	d, err := tree.Make(t.TempDir(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	gone := []string{"-gone", "c03=burnt down, ticket 4711"}
	for _, c := range []struct {
		args   []string
		status int
		says   string
		held   bool
	}{
		{nil, 3, "c03: its nova-compute is", true},
		{[]string{"-apply"}, 4, "refused", true},
		{gone, 1, "would quarantine", true},
		{append(gone, "-apply"), 0, "done quarantine", false},
		{[]string{"-restore", tree.BaseName(tree.Unused), "-apply"}, 0, "done restore", true},
	} {
		status, text := onTree(t, d, c.args...)
		if status != c.status || !strings.Contains(text, c.says) {
			t.Fatalf("%v: status %d, want %d with %q\n%s", c.args, status, c.status, c.says, text)
		}
		for _, image := range tree.Images {
			if d.Has(image) != (image != tree.Unused || c.held) {
				t.Fatalf("%v: %s is there: %v\n%s", c.args, image, d.Has(image), text)
			}
		}
	}
}

// TestPurge takes an image of the tree into the quarantine and out of the
// world, and not before its time is over.
func TestPurge(t *testing.T) {
	d, err := tree.Make(t.TempDir(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	held := func() bool {
		files, _ := filepath.Glob(filepath.Join(d.Quarantine(), "*"))
		return len(files) > 0
	}
	for _, c := range []struct {
		args   []string
		status int
		held   bool
	}{
		{[]string{"-apply"}, 0, true},
		{[]string{"-purge", "-apply"}, 1, true}, // 30 days are not over: nothing to do, and the cleaner is still on
		{[]string{"-purge", "-retention", "1ns"}, 1, true},
		{[]string{"-purge", "-retention", "1ns", "-apply"}, 0, false},
	} {
		status, text := onTree(t, d, append([]string{"-gone", "c03=burnt down"}, c.args...)...)
		if status != c.status || held() != c.held {
			t.Fatalf("%v: status %d, want %d; in quarantine: %v\n%s", c.args, status, c.status, held(), text)
		}
	}
}
