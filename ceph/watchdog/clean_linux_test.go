package watchdog

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph/supervisor"
)

// telling is a supervisor that says how a daemon has ended.
type telling struct {
	supervisor.Supervisor
	exit *supervisor.Exit
	fail error // while the daemon does not run
}

func (s telling) State(ctx context.Context, osd int) (supervisor.State, error) {
	st, err := s.Supervisor.State(ctx, osd)
	if err == nil && !st.Running {
		st.Exit, err = s.exit, s.fail
	}
	return st, err
}

// TestCleanStop restarts an OSD and looks at what is told of its end.
func TestCleanStop(t *testing.T) {
	later := time.Now().Add(time.Hour).UTC().Format("2006-01-02T15:04:05.000000Z")
	before := time.Now().Add(-time.Hour).UTC().Format("2006-01-02T15:04:05.000000Z")
	crash := func(entity, at string) string {
		return fmt.Sprintf(`[{"crash_id":"the-crash","entity_name":%q,"timestamp":%q}]`, entity, at)
	}
	for name, c := range map[string]struct {
		exit     *supervisor.Exit
		crashes  string
		settings string
		unclean  bool
		word     string
	}{
		"clean":           {&supervisor.Exit{}, `[]`, `{"osd_fast_shutdown":"true"}`, false, "osd_fast_shutdown true, exit status 0, no crash report yet"},
		"unmounted":       {&supervisor.Exit{}, `[]`, `{"osd_fast_shutdown":"false"}`, false, "osd_fast_shutdown false"},
		"old release":     {nil, `[]`, `{}`, false, "osd_fast_shutdown not known, its supervisor does not say"},
		"killed":          {&supervisor.Exit{Signal: 9}, `[]`, `{"osd_fast_shutdown":"true"}`, true, "exit signal 9"},
		"failed":          {&supervisor.Exit{Code: 1}, `[]`, `{"osd_fast_shutdown":"true"}`, true, "exit status 1"},
		"crashed":         {nil, crash("osd.7", later), `{"osd_fast_shutdown":"true"}`, true, "crash report the-crash"},
		"crashed before":  {nil, crash("osd.7", before), `{"osd_fast_shutdown":"true"}`, false, "no crash report yet"},
		"another crashed": {nil, crash("osd.70", later), `{"osd_fast_shutdown":"true"}`, false, "no crash report yet"},
		"no answer":       {nil, `no`, `{"osd_fast_shutdown":"true"}`, false, "crash reports cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := scripted(t.TempDir())
			dir.make(t)
			write(t, filepath.Join(string(dir), "crash_ls.json"), c.crashes)
			write(t, filepath.Join(string(dir), "config_get.json"), c.settings)
			w, told := dir.restartBy(t, telling{dir.process(), c.exit, nil})
			text := told["restarted"]
			if c.unclean {
				text = told["unclean"]
			}
			if _, unclean := told["unclean"]; unclean != c.unclean || !strings.Contains(text, c.word) {
				t.Errorf("told %v", told)
			}
			if last, ok := w.History.Last(7); !ok || (last.Unclean != "") != c.unclean {
				t.Errorf("%+v", last)
			}
		})
	}
}

// restartBy restarts the OSD of a folder by a Watch, and returns what that tells.
func (dir scripted) restartBy(t *testing.T, by supervisor.Supervisor) (*Watch, map[string]string) {
	t.Helper()
	a := dir.applier(t)
	a.Supervisor = by
	told := map[string]string{}
	w := &Watch{Applier: a, Acts: true, OnEvent: func(e Event) { told[e.Kind] = e.Text }}
	w.Run.Mode = stackmend.Apply
	w.start()
	w.Applier.Ahead = nil
	o := Outlook{OSDSample: OSDSample{ID: 7, PID: dir.pid(t), Anon: 900 << 20}, Slope: 1e7, Left: 8 * time.Second}
	w.restart(t.Context(), o, Verdict{Level: Due, Stop: 3 * time.Second}, 0)
	if _, ok := told["restarted"]; !ok {
		t.Fatalf("told %v", told)
	}
	return w, told
}

// TestSupervisorThatFails: that nobody says how the OSD ended keeps it from
// nothing, it is started.
func TestSupervisorThatFails(t *testing.T) {
	dir := scripted(t.TempDir())
	dir.make(t)
	a := dir.applier(t)
	a.Supervisor = telling{dir.process(), nil, errors.New("no bus")}
	a.ended(t.Context(), 7, dir.pid(t))
	if e := a.endings[7]; e.Exit != nil || len(e.Unseen) != 0 {
		t.Errorf("it still runs: %+v", e)
	}
	a.ended(t.Context(), 8, 1)
	if e := a.endings[8]; len(e.Unseen) != 1 || e.Unclean() {
		t.Errorf("%+v", e)
	}
}

func FuzzCrashes(f *testing.F) {
	f.Add([]byte(`[{"crash_id":"a","entity_name":"osd.7","timestamp":"2021-05-03T08:27:12.345678Z"}]`))
	f.Add([]byte(`[{"crash_id":"a","entity_name":"osd.7","timestamp":"2019-07-30 13:45:46.527341Z"}]`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if found, err := parseCrashes(b, "osd.7", time.Time{}); err != nil && found != nil {
			t.Errorf("%v and %v", found, err)
		}
	})
}

// TestCrashesOfEveryRelease: the two forms of an instant.
func TestCrashesOfEveryRelease(t *testing.T) {
	since := time.Date(2019, 7, 30, 0, 0, 0, 0, time.UTC)
	got, err := parseCrashes([]byte(`[{"crash_id":"new","entity_name":"osd.7","timestamp":"2021-05-03T08:27:12.345678Z"},
{"crash_id":"old","entity_name":"osd.7","timestamp":"2019-07-30 13:45:46.527341Z"},{"crash_id":"before","entity_name":"osd.7","timestamp":"2019-07-29 13:45:46.527341Z"}]`), "osd.7", since)
	if err != nil || !slices.Equal(got, []string{"new", "old"}) {
		t.Errorf("%v %v", got, err)
	}
	if _, err := parseCrashes([]byte(`[{"crash_id":"a","entity_name":"osd.7","timestamp":"yesterday"}]`), "osd.7", since); err == nil {
		t.Error("a time that cannot be read is none")
	}
}
