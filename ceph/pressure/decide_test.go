package pressure

import (
	"errors"
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
	if p := PlanEase(replay(t, "luminous-storm"), Policy{}); !strings.Contains(strings.Join(p.Refusals, ";"), "did not tell its settings") {
		t.Errorf("Luminous, whose OSDs tell their settings on their sockets alone: %q", p.Refusals)
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

// What two runs changed, one after the other, is put back to what was before
// both; where they do not meet, somebody else was in between.
func TestPlanRestoreOfTwoRuns(t *testing.T) {
	s := replay(t, "pacific-healthy")
	s.OSD(0).Reweight = 0.8
	run := func(was, value string) stackmend.Outcome {
		return stackmend.Outcome{State: stackmend.Done, Step: stackmend.Step{Verb: VerbReweight, Target: "osd.0",
			Args: map[string]string{"was": was, "value": value}, Assumes: map[string]string{"fsid": s.FSID}}}
	}
	for _, c := range []struct{ first, want string }{{"0.9", "1"}, {"0.7", "0.9"}} {
		p := PlanRestore([]stackmend.Outcome{run("1", c.first), run("0.9", "0.8")}, s, Policy{})
		if len(p.Steps) == 0 || p.Steps[0].Args["value"] != c.want || p.Steps[0].Assumes["value"] != p.Steps[0].Args["was"] || p.Steps[0].Args["left"] != "0.8" {
			t.Errorf("after %s: %+v, kept %v, refused %v", c.first, p.Steps, p.Kept, p.Refusals)
		}
	}
}

// A revert touches nothing of another cluster, whatever else has moved there.
func TestRevertElsewhere(t *testing.T) {
	to := ceph.Recorded{FS: os.DirFS("../testdata/pacific-healthy")}
	for _, verb := range []string{VerbFlag, VerbRaise} {
		s := stackmend.Step{Verb: verb, Target: "norecover", Args: map[string]string{"value": "true", "was": "false"}, Assumes: map[string]string{"fsid": "g", "flags": "none"}}
		if err := NewApplier(to, ApplierOptions{}).Revert(t.Context(), s); !errors.Is(err, stackmend.ErrRefused) || !strings.Contains(err.Error(), "of cluster g") {
			t.Errorf("%s: %v", verb, err)
		}
	}
}

// Deciding is pure.
func TestDecideImports(t *testing.T) {
	allowed := []string{"cmp", "fmt", "maps", "math", "slices", "strconv", "strings", "time", "github.com/stackmend/stackmend", "github.com/stackmend/stackmend/ceph",
		"github.com/stackmend/stackmend/ceph/internal/flags"} // for Parse, which is pure
	for _, name := range []string{"decide.go", "config.go", "ease.go", "raise.go", "emergency.go", "trim.go", "reweight.go", "flags.go", "inject.go", "restore.go", "controller.go"} {
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
