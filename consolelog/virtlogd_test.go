//go:build linux

package consolelog_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/consolelog"
	"github.com/stackmend/stackmend/internal/lab/virtlogd"
)

const uuid = "5a2c2f0e-6a0b-4bb4-9d3c-0b1e7f1f3c11"

// domainLog starts a domain as nova does: a pty with a log.
func domainLog(t *testing.T, l *virtlogd.Lab, root string) (log string) {
	t.Helper()
	folder := instances(t, root, uuid)
	b, err := os.ReadFile("testdata/guest/spew.img")
	if err != nil {
		t.Fatal(err)
	}
	image := filepath.Join(folder, "disk")
	if err := os.WriteFile(image, b, 0o644); err != nil {
		t.Fatal(err)
	}
	log = filepath.Join(folder, "console.log")
	l.Domain(t, "instance-00000001", uuid, image, fmt.Sprintf("<serial type='pty'><log file='%s' append='off'/><target port='0'/></serial>", log))
	return log
}

// TestVirtlogd: a real virtlogd owns the log and rotates it. It is left alone,
// its settings are told, and the tail goes over console.log.0.
func TestVirtlogd(t *testing.T) {
	l := virtlogd.Start(t, virtlogd.Config{Virtlogd: "max_size = 400000\nmax_backups = 2\n"})
	root := t.TempDir()
	log := domainLog(t, l, root)
	until(t, "rotated", func() bool { return size(log+".0") > 390000 })
	watch := newTails(t)
	watch.add(log)
	until(t, "rotated again", func() bool { return size(log+".1") > 390000 && size(log) > 200000 })
	watch.stop()

	s := observe(t, consolelog.Source{Instances: root, Domains: []string{l.Run()}})
	if len(s.Virtlogd) == 0 || s.Virtlogd[0].MaxSize != 400000 || s.Virtlogd[0].MaxBackups != 2 || s.Virtlogd[0].PID != l.Virtlogd {
		t.Errorf("virtlogd's settings: %+v", s.Virtlogd)
	}
	if len(s.Qemu) == 0 || s.Qemu[0].StdioHandler != "logd" || s.Qemu[0].PID == 0 {
		t.Errorf("qemu.conf: %+v", s.Qemu)
	}
	for _, g := range s.Logs {
		if g.Name == "console.log" && (len(g.Writers) != 1 || !g.Writers[0].Virtlogd() || !g.Writers[0].Append || !g.Writers[0].Elsewhere) {
			t.Errorf("writers of %s: %+v", g.Path, g.Writers)
		}
		if g.Owner.Project != "0f1e2d3c4b5a69788796a5b4c3d2e1f0" || g.Owner.Name != "instance-00000001-of-a-user" {
			t.Errorf("owner of %s: %+v", g.Path, g.Owner)
		}
	}
	until(t, "kept for virtlogd", func() bool { // it may have been rotated just now
		p, err := consolelog.Plan(observe(t, consolelog.Source{Instances: root}), small)
		if err != nil || len(p.Steps) > 0 || len(p.Kept) == 0 {
			t.Fatalf("steps %v, kept %v, %v", p.Steps, p.Kept, err)
		}
		return p.Kept[0].Target == log && strings.Contains(p.Kept[0].Reason, "max_size 400000")
	})
	refusedByApplier(t, root, s, log)
}

// refusedByApplier: also a plan that was made by somebody else does nothing to
// a log of virtlogd's.
func refusedByApplier(t *testing.T, root string, s *consolelog.Snapshot, log string) {
	t.Helper()
	a, err := consolelog.NewApplier(consolelog.Site{Instances: root, Writers: []string{"virtlogd"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range s.Logs {
		if g.Path != log {
			continue
		}
		st := stackmend.Step{Verb: "bound", Target: log, Args: map[string]string{"method": consolelog.Collapse, "limit": "262144", "keep": "102400"},
			Assumes: map[string]string{"file": fmt.Sprintf("device %d inode %d", g.Dev, g.Ino), "writers": g.Writers[0].String()}}
		if err := a.Recheck(t.Context(), st); !errors.Is(err, stackmend.ErrRefused) && !errors.Is(err, stackmend.ErrStale) {
			t.Errorf("recheck of virtlogd's log: %v", err)
		}
	}
}

// TestStdioHandlerFile: libvirt without virtlogd, as older deployments have it:
// qemu appends to the log itself, and nothing bounds it until we do.
func TestStdioHandlerFile(t *testing.T) {
	l := virtlogd.Start(t, virtlogd.Config{StdioHandler: "file"})
	root := t.TempDir()
	log := domainLog(t, l, root)
	until(t, "grown", func() bool { return size(log) > 300<<10 })
	r, err := consolelog.Check(observe(t, consolelog.Source{Instances: root}), small)
	if err != nil {
		t.Fatal(err)
	}
	codes := map[string]string{}
	for _, f := range r.Findings {
		codes[f.Code] = f.Subject + ": " + f.Message
	}
	if codes[consolelog.Unbounded] == "" || codes[consolelog.TooLarge] == "" || len(codes) != 2 {
		t.Errorf("findings: %v", codes)
	}
	s := observe(t, consolelog.Source{Instances: root})
	boundAll(t, root, map[string]string{log: methodHere(s)})
	wholeTail(t, log)
}

// methodHere is what fits a writer that appends on the filesystem of the
// temporary folder.
func methodHere(s *consolelog.Snapshot) string {
	if s.Filesystems[0].Collapse {
		return consolelog.Collapse
	}
	return consolelog.Punch
}
