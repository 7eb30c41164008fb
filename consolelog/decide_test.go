package consolelog_test

import (
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/consolelog"
)

var (
	qemu    = consolelog.Writer{PID: 100, Comm: "qemu-system-x86", Append: true}
	clobber = consolelog.Writer{PID: 101, Comm: "qemu-kvm"}
	logd    = consolelog.Writer{PID: 102, Comm: "virtlogd", Append: true}
	rsync   = consolelog.Writer{PID: 103, Comm: "rsync"}
)

// host is a snapshot of one log, which is too large.
func host(change func(*consolelog.Log, *consolelog.Filesystem)) *consolelog.Snapshot {
	l := consolelog.Log{Path: "/i/a/console.log", Instance: "a", Name: "console.log", Mode: 0o600, Dev: 1, Ino: 2, Links: 1,
		Size: 5 << 30, Allocated: 5 << 30, Filesystem: "8:1", Looked: consolelog.Complete, Writers: []consolelog.Writer{qemu}}
	f := consolelog.Filesystem{ID: "8:1", Path: "/i/a", Type: "ext4", Collapse: true, Punch: true, Block: 4096, Total: 100 << 30, Free: 95 << 30}
	if change != nil {
		change(&l, &f)
	}
	return &consolelog.Snapshot{Root: "/i", At: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Logs: []consolelog.Log{l}, Filesystems: []consolelog.Filesystem{f}}
}

var hundred = consolelog.Policy{Limit: 100 << 20}

// TestPlan: which method fits, and what is left alone.
func TestPlan(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*consolelog.Log, *consolelog.Filesystem)
		method string // or
		kept   string
	}{
		"appending qemu":       {nil, consolelog.Collapse, ""},
		"qemu without append":  {func(l *consolelog.Log, _ *consolelog.Filesystem) { l.Writers = []consolelog.Writer{clobber} }, consolelog.Punch, ""},
		"one of two appends":   {func(l *consolelog.Log, _ *consolelog.Filesystem) { l.Writers = []consolelog.Writer{qemu, clobber} }, consolelog.Punch, ""},
		"btrfs":                {func(_ *consolelog.Log, f *consolelog.Filesystem) { f.Collapse = false }, consolelog.Punch, ""},
		"nobody":               {func(l *consolelog.Log, _ *consolelog.Filesystem) { l.Writers = nil }, consolelog.Collapse, ""},
		"no holes, nobody":     {func(l *consolelog.Log, f *consolelog.Filesystem) { l.Writers, f.Collapse, f.Punch = nil, false, false }, consolelog.Rename, ""},
		"no holes, a writer":   {func(_ *consolelog.Log, f *consolelog.Filesystem) { f.Collapse, f.Punch = false, false }, "", "can make no holes"},
		"virtlogd":             {func(l *consolelog.Log, _ *consolelog.Filesystem) { l.Writers = []consolelog.Writer{logd} }, "", "virtlogd owns it"},
		"virtlogd's backup":    {func(l *consolelog.Log, _ *consolelog.Filesystem) { l.Name, l.Writers = "console.log.0", nil }, "", "backup of virtlogd"},
		"unknown program":      {func(l *consolelog.Log, _ *consolelog.Filesystem) { l.Writers = []consolelog.Writer{qemu, rsync} }, "", "rsync"},
		"hidden writer":        {func(l *consolelog.Log, _ *consolelog.Filesystem) { l.Looked, l.Writers = consolelog.Hidden, nil }, "", "not seen in /proc"},
		"unreadable processes": {func(l *consolelog.Log, _ *consolelog.Filesystem) { l.Looked = consolelog.Unreadable }, "", "run this as root"},
		"nobody looked":        {func(l *consolelog.Log, _ *consolelog.Filesystem) { l.Looked = consolelog.NotLooked }, "", "nobody looked"},
		"NFS":                  {func(_ *consolelog.Log, f *consolelog.Filesystem) { f.Type, f.Remote = "nfs", true }, "", "nfs"},
		"unknown filesystem":   {func(l *consolelog.Log, _ *consolelog.Filesystem) { l.Filesystem = "9:9" }, "", "could not be seen"},
		"two names":            {func(l *consolelog.Log, _ *consolelog.Filesystem) { l.Links = 2 }, "", "2 names"},
		"small":                {func(l *consolelog.Log, _ *consolelog.Filesystem) { l.Size, l.Allocated = 1000, 4096 }, "", ""},
		"sparse":               {func(l *consolelog.Log, _ *consolelog.Filesystem) { l.Allocated = 4096 }, "", ""},
		"allocated ahead":      {func(l *consolelog.Log, _ *consolelog.Filesystem) { l.Hole = l.Size - 1<<20 }, "", ""},
		"a symbolic link":      {func(l *consolelog.Log, _ *consolelog.Filesystem) { l.Mode = fs.ModeSymlink }, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := consolelog.Plan(host(c.change), hundred)
			if err != nil {
				t.Fatal(err)
			}
			method, kept := "", ""
			if len(p.Steps) > 0 {
				method = p.Steps[0].Args["method"]
			}
			if len(p.Kept) > 0 {
				kept = p.Kept[0].Reason
			}
			if method != c.method || !strings.Contains(kept, c.kept) || c.kept == "" && kept != "" {
				t.Errorf("method %q, kept %q; want %q, %q", method, kept, c.method, c.kept)
			}
		})
	}
}

func TestPlanWithoutArchiveIsIrreversible(t *testing.T) {
	s := host(nil)
	p, err := consolelog.Plan(s, hundred)
	if err != nil || p.Steps[0].Undo != "" {
		t.Errorf("without an archive: undo %q, %v", p.Steps[0].Undo, err)
	}
	with := hundred
	with.Archive = "/archive"
	if _, err := consolelog.Plan(s, with); err == nil {
		t.Error("an archive that was not looked at, and no error")
	}
	s.Archive = &consolelog.Filesystem{Free: 100 << 30}
	if p, err = consolelog.Plan(s, with); err != nil || p.Steps[0].Undo == "" || len(p.Refusals) > 0 {
		t.Errorf("with an archive: %+v, %v", p, err)
	}
	s.Archive.Free = 1 << 20
	if p, err = consolelog.Plan(s, with); err != nil || len(p.Refusals) != 1 {
		t.Errorf("with a full archive: %+v, %v", p, err)
	}
}

func TestPolicyIsHeldToWhatNovaReads(t *testing.T) {
	for name, p := range map[string]consolelog.Policy{
		"zero":           {},
		"keeps too much": {Limit: 1 << 20, Keep: 1 << 20},
		"keeps little":   {Limit: 100 << 20, Keep: 50 << 10},
		"negative":       {Limit: 100 << 20, Growth: -1},
		"percent":        {Limit: 100 << 20, Free: 101},
	} {
		if _, err := consolelog.Check(host(nil), p); err == nil {
			t.Errorf("%s: Check has no error", name)
		}
		if _, err := consolelog.Plan(host(nil), p); err == nil {
			t.Errorf("%s: Plan has no error", name)
		}
	}
}

// TestCheck: each code, and that nothing else is found.
func TestCheck(t *testing.T) {
	quiet := func(change func(*consolelog.Snapshot)) *consolelog.Snapshot {
		s := host(func(l *consolelog.Log, _ *consolelog.Filesystem) {
			l.Size, l.Allocated, l.Writers = 1000, 4096, []consolelog.Writer{logd}
		})
		s.Virtlogd = []consolelog.Virtlogd{{Where: consolelog.Where{Path: "/etc/libvirt/virtlogd.conf"}, MaxSize: 2 << 20, MaxBackups: 3}}
		s.Qemu = []consolelog.QemuConf{{StdioHandler: "logd"}}
		change(s)
		return s
	}
	p := hundred
	p.Growth = 1 << 20
	for name, c := range map[string]struct {
		s      *consolelog.Snapshot
		status stackmend.Status
		codes  []string
	}{
		"quiet":     {quiet(func(*consolelog.Snapshot) {}), stackmend.OK, nil},
		"too large": {quiet(func(s *consolelog.Snapshot) { s.Logs[0].Size, s.Logs[0].Allocated = 1<<30, 1<<30 }), stackmend.Fail, []string{consolelog.TooLarge}},
		"growing": {quiet(func(s *consolelog.Snapshot) {
			s.Logs[0].Growth = consolelog.Growth{Bytes: 1 << 20, Over: time.Second}
		}), stackmend.Warn, []string{consolelog.Growing}},
		"qemu writes":     {quiet(func(s *consolelog.Snapshot) { s.Logs[0].Writers = []consolelog.Writer{qemu} }), stackmend.Warn, []string{consolelog.Unbounded}},
		"handler is file": {quiet(func(s *consolelog.Snapshot) { s.Qemu[0].StdioHandler = "file" }), stackmend.Warn, []string{consolelog.Unbounded}},
		"max_size 0":      {quiet(func(s *consolelog.Snapshot) { s.Virtlogd[0].MaxSize = 0 }), stackmend.Warn, []string{consolelog.Unbounded}},
		"disk full":       {quiet(func(s *consolelog.Snapshot) { s.Filesystems[0].Free = 1 << 30 }), stackmend.Fail, []string{consolelog.FilesystemFilling}},
		"a burst": {quiet(func(s *consolelog.Snapshot) {
			s.Filesystems[0].Growth = consolelog.Growth{Bytes: 500 << 20, Over: time.Second}
		}), stackmend.OK, nil},
		"logs fill the disk": {quiet(func(s *consolelog.Snapshot) {
			s.Logs[0].Growth = consolelog.Growth{Bytes: 500 << 20, Over: time.Second}
		}), stackmend.Fail, []string{consolelog.Growing, consolelog.FilesystemFilling}},
		"disk filling": {quiet(func(s *consolelog.Snapshot) {
			s.Filesystems[0].Growth = consolelog.Growth{Bytes: 500 << 30, Over: 2 * time.Minute}
		}), stackmend.Fail, []string{consolelog.FilesystemFilling}},
		"hidden writer": {quiet(func(s *consolelog.Snapshot) {
			s.Logs[0].Size, s.Logs[0].Allocated, s.Logs[0].Looked, s.Logs[0].Writers = 1<<30, 1<<30, consolelog.Hidden, nil
		}), stackmend.Fail, []string{consolelog.TooLarge, consolelog.UnknownWriter}},
		"unseen": {quiet(func(s *consolelog.Snapshot) { s.Unseen = []string{"x"} }), stackmend.Unknown, []string{consolelog.Unseen}},
		"hammered": {quiet(func(s *consolelog.Snapshot) {
			for range 20 {
				s.Requests = append(s.Requests, consolelog.Request{Instance: "a", User: "u", Bytes: 5 << 20, At: s.At})
			}
		}), stackmend.Warn, []string{consolelog.Hammered}},
		"asked for once": {quiet(func(s *consolelog.Snapshot) {
			s.Requests = append(s.Requests, consolelog.Request{Instance: "a", User: "u", Bytes: 100 << 10, At: s.At})
		}), stackmend.OK, nil},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := consolelog.Check(c.s, p)
			if err != nil {
				t.Fatal(err)
			}
			var codes []string
			for _, f := range r.Findings {
				codes = append(codes, f.Code)
				if f.Fix == "" || f.Message == "" || f.Subject == "" || len(f.Evidence) == 0 {
					t.Errorf("a finding says too little: %+v", f)
				}
			}
			if diff := cmp.Diff(c.codes, codes); diff != "" || r.Status != c.status {
				t.Errorf("status %v, want %v; %s", r.Status, c.status, diff)
			}
		})
	}
}
