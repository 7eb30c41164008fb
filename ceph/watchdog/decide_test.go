package watchdog

import (
	"go/parser"
	"go/token"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
)

// TestPure: what decides imports nothing that could act.
func TestPure(t *testing.T) {
	allowed := []string{"cmp", "fmt", "math", "slices", "strconv", "strings", "time", "github.com/stackmend/stackmend"}
	for _, name := range []string{"decide.go", "judge.go", "plan.go", "policy.go", "schedule.go", "history.go", "outlook.go", "slope.go", "strain.go"} {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range f.Imports {
			if path := strings.Trim(i.Path.Value, `"`); !slices.Contains(allowed, path) {
				t.Errorf("%s imports %s", name, path)
			}
		}
	}
}

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// report is that of a host with one OSD.
func report(o Outlook, h History) Report {
	if o.Limit == 0 {
		o.Limit, o.Group = HostLimit, HostLimit
	}
	return Report{Time: noon, Pass: &Pass{Host: HostSample{Total: 1 << 37, Available: 1 << 33, Full: None}}, Outlooks: []Outlook{o},
		Verdicts: []Verdict{Judge(&o, h, noon, Policy{})}, History: h}
}

func growing(left time.Duration) Outlook {
	return Outlook{OSDSample: OSDSample{ID: 3, PID: 33, Age: time.Hour, Anon: 3 << 30}, Slope: 1e7, Steady: true, Left: left, Room: 1 << 30, Cap: 1 << 32, Leads: true}
}

func TestCheck(t *testing.T) {
	measured := History{{OSD: 3, At: noon.Add(-time.Hour), Stop: 3 * time.Second, Cycle: 20 * time.Second}}
	useless := History{{OSD: 3, At: noon.Add(-10 * time.Minute), Stop: 3 * time.Second, Before: 3 << 30, After: 45 << 26, Log: 2 << 30}}
	follows, outside, young, full, fresh := growing(5*time.Second), growing(5*time.Second), growing(5*time.Second), growing(Never), growing(Never)
	follows.Leads = false
	outside.Outside = true
	young.Age = time.Second
	full.Slope, full.Room = 0, 1<<20
	fresh.Steady = false
	stalls := growing(Never)
	stalls.Stalled = 0.4
	for name, c := range map[string]struct {
		r      Report
		status stackmend.Status
		code   string
		word   string
	}{
		"calm":       {report(growing(Never), measured), stackmend.OK, "", ""},
		"no history": {report(fresh, measured), stackmend.Unknown, CodeUnseen, "long enough"},
		"near":       {report(growing(time.Minute), measured), stackmend.Warn, CodeNear, "meets the host's memory in 1m0s"},
		"full":       {report(full, measured), stackmend.Warn, CodeNear, "no foreseeable time"},
		"stalls":     {report(stalls, measured), stackmend.Warn, CodeNear, "stood still for 40 %"},
		"due":        {report(growing(5*time.Second), measured), stackmend.Fail, CodeNeeded, "a stop takes 3s"},
		"unmeasured": {report(growing(12*time.Second), nil), stackmend.Fail, CodeNeeded, "a stop takes 10s"},
		"follows":    {report(follows, measured), stackmend.Fail, CodeRefused, "grows faster"},
		"outside":    {report(outside, measured), stackmend.Fail, CodeRefused, "not the OSDs'"},
		"young":      {report(young, measured), stackmend.Fail, CodeRefused, "loading its logs"},
		"useless":    {report(growing(5*time.Second), useless), stackmend.Fail, CodeUseless, "did not help"},
	} {
		got := Check(c.r, "host", Policy{})
		if got.Status != c.status {
			t.Errorf("%s: %v, want %v", name, got.Status, c.status)
		}
		if c.code == "" {
			continue
		}
		if len(got.Findings) == 0 || got.Findings[0].Code != c.code || !strings.Contains(got.Findings[0].Message, c.word) {
			t.Errorf("%s: %+v", name, got.Findings)
		}
	}
	if got := Check(Report{Time: noon}, "host", Policy{}); got.Status != stackmend.Unknown || len(got.Findings) != 1 || !strings.Contains(got.Findings[0].Message, "no OSD") {
		t.Errorf("no OSDs: %v", got.Status)
	}
	fix := Check(report(growing(Never), useless), "host", Policy{}).Findings[0].Fix
	if !strings.Contains(fix, "2048 MiB") || !strings.Contains(fix, "ceph-trim-pglog -osd 3") {
		t.Error(fix)
	}
	if c := Check(report(growing(12*time.Second), nil), "host", Policy{}).Findings[0].Confidence; c != stackmend.Medium {
		t.Errorf("confidence %v with a stop that was not measured", c)
	}
}

// TestSchedule: each is stopped in time although the next one has to wait.
func TestSchedule(t *testing.T) {
	turns := Schedule([]Wish{{2, 32 * time.Second, 3 * time.Second, 25 * time.Second}, {1, 30 * time.Second, 3 * time.Second, 25 * time.Second},
		{9, Never, 3 * time.Second, 25 * time.Second}}, 6*time.Second)
	if turns[0].OSD != 1 || turns[0].Begin != -2*time.Second || turns[1].Begin != 23*time.Second || turns[2].Begin != Never {
		t.Errorf("%+v", turns)
	}
	if !Mine(turns, 1) || Mine(turns, 2) || Mine(turns, 9) || Mine(turns, 77) {
		t.Error("whose turn is it?")
	}
}

// TestClockThatJumped: a restart in the future counts as of now.
func TestClockThatJumped(t *testing.T) {
	h := History{{OSD: 3, At: noon.Add(24 * time.Hour), Stop: time.Second}}.Sane(noon)
	o := growing(time.Second)
	if v := Judge(&o, h, noon.Add(time.Second), Policy{}); v.Held != HeldCooling {
		t.Errorf("%+v", v)
	}
	if v := Judge(&o, h, noon.Add(time.Hour), Policy{}); v.Held != Free {
		t.Errorf("%+v", v)
	}
}

// TestSharedLimit: under a limit that OSDs share their growth is summed, and
// the one that grows fastest leads.
func TestSharedLimit(t *testing.T) {
	tracker := NewTracker(0.02)
	var out []Outlook
	for s := range 12 {
		out = tracker.Add(&Pass{At: time.Duration(s) * time.Second,
			Host:   HostSample{Total: 100000 * mib, Available: (50000 - 30*int64(s)) * mib},
			Groups: []GroupSample{{Path: "slice", Parent: -1, Limit: 10000 * mib, Used: (7000 + 30*int64(s)) * mib}},
			OSDs:   []OSDSample{{ID: 1, PID: 11, Anon: (3000 + 10*int64(s)) * mib}, {ID: 2, PID: 22, Anon: (3000 + 20*int64(s)) * mib}}})
	}
	for i, o := range out {
		if left := o.Left.Round(time.Second); o.Limit != 0 || left != 82*time.Second || o.Leads != (i == 1) || o.Outside {
			t.Errorf("%+v", o)
		}
	}
}

// A report that was put together by others makes no panic, and no health.
func TestCheckOfOthers(t *testing.T) {
	pass := &Pass{Groups: []GroupSample{{Parent: 1}, {Parent: 0}}}
	for _, r := range []Report{
		{Outlooks: make([]Outlook, 1)}, {Outlooks: make([]Outlook, 1), Verdicts: make([]Verdict, 1)},
		{Pass: pass, Outlooks: make([]Outlook, 1), Verdicts: []Verdict{{Level: Due}}},
		{Pass: &Pass{}, Outlooks: make([]Outlook, 1), Verdicts: []Verdict{{Level: Due}}},
	} {
		if got := Check(r, "host", Policy{}); got.Status == stackmend.OK {
			t.Errorf("%+v: %+v", r, got)
		}
	}
}
