package pressure

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph"
)

func replay(t testing.TB, name string) *ceph.Snapshot {
	t.Helper()
	s, err := ceph.Observe(t.Context(), ceph.Recorded{FS: os.DirFS(filepath.Join("../testdata", name))}, ceph.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestPlanEaseRefuses(t *testing.T) {
	cases := []struct {
		name  string
		spoil func(*ceph.Snapshot)
		want  string
	}{
		{"no manager", func(s *ceph.Snapshot) { s.Mgr.Available = false }, "no manager"},
		{"manager not seen", func(s *ceph.Snapshot) { s.Mgr.Seen = false }, "no manager"},
		{"the map moves", func(s *ceph.Snapshot) { s.EpochEnd++ }, "moved"},
		{"an OSD is silent", func(s *ceph.Snapshot) { s.OSDs[1].Daemon = nil }, "osd.1 did not tell"},
		{"two schedulers", func(s *ceph.Snapshot) { s.OSDs[1].Daemon.Config["osd_op_queue"] = "mclock_scheduler" }, "no common way"},
		{"a foreign scheduler", func(s *ceph.Snapshot) {
			for i := range s.OSDs {
				s.OSDs[i].Daemon.Config["osd_op_queue"] = "prioritized"
			}
		}, "does not know"},
		{"one OSD for itself", func(s *ceph.Snapshot) {
			s.Config = append(s.Config, ceph.Setting{Section: "osd.2", Name: "osd_recovery_sleep", Value: "0"})
		}, "outranks"},
		{"all down", func(s *ceph.Snapshot) {
			for i := range s.OSDs {
				s.OSDs[i].Up = false
			}
		}, "no OSD is up"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := replay(t, "pacific-healthy")
			if p := PlanEase(s, Policy{}); len(p.Refusals) > 0 {
				t.Fatalf("unspoilt: %q", p.Refusals)
			}
			c.spoil(s)
			if p := PlanEase(s, Policy{}); !strings.Contains(strings.Join(p.Refusals, "; "), c.want) {
				t.Errorf("refusals %q, want %q", p.Refusals, c.want)
			}
		})
	}
}

func TestOtherReleases(t *testing.T) {
	if p := PlanEase(replay(t, "luminous-storm"), Policy{}); !strings.Contains(strings.Join(p.Refusals, ";"), "before Mimic") {
		t.Errorf("Luminous: %q", p.Refusals)
	}
	s := replay(t, "quincy-mclock")
	for i := range s.OSDs {
		s.OSDs[i].Daemon.Config["osd_mclock_profile"] = "high_recovery_ops"
	}
	p := PlanEase(s, Policy{})
	if !slices.ContainsFunc(p.Steps, func(s stackmend.Step) bool { return s.Target == "osd osd_mclock_profile" }) {
		t.Errorf("mClock: steps %v, refusals %q", p.Steps, p.Refusals)
	}
	if slices.ContainsFunc(p.Steps, func(s stackmend.Step) bool { return s.Target == "osd osd_max_backfills" }) {
		t.Error("mClock: an override that the OSDs would remove")
	}
}

func TestPlanRestoreOfAnotherCluster(t *testing.T) {
	s := replay(t, "pacific-healthy")
	for _, earlier := range [][]stackmend.Outcome{nil, {{Step: stackmend.Step{Assumes: map[string]string{"fsid": "another"}}}}} {
		if p := PlanRestore(earlier, s, Policy{}); len(p.Refusals) == 0 {
			t.Errorf("%v is not refused", earlier)
		}
	}
	if p := PlanFlags(nil, s, Policy{}); len(p.Refusals) == 0 {
		t.Error("no flag at all is not refused")
	}
	if p := PlanEase(s, Policy{}); p.Expires.Sub(p.Created) != 15*time.Minute {
		t.Errorf("expires %v after %v", p.Expires, p.Created)
	}
}

// Deciding is pure.
func TestDecideImports(t *testing.T) {
	allowed := []string{"cmp", "fmt", "maps", "math", "slices", "strconv", "strings", "time", "github.com/stackmend/stackmend", "github.com/stackmend/stackmend/ceph",
		"github.com/stackmend/stackmend/ceph/internal/flags"} // for Parse, which is pure
	for _, name := range []string{"decide.go", "config.go", "ease.go", "raise.go", "emergency.go", "trim.go", "reweight.go", "flags.go", "restore.go", "controller.go"} {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range f.Imports {
			if !slices.Contains(allowed, strings.Trim(i.Path.Value, `"`)) {
				t.Errorf("%s imports %s", name, i.Path.Value)
			}
		}
	}
}
