package stackmend_test

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
	_ "time/tzdata" // the tests of Window need a zone that changes its clocks

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/internal/lab"
)

func always(name string, v stackmend.Verdict) stackmend.Guard {
	return stackmend.GuardFunc(name, func(context.Context, stackmend.Request) (stackmend.Verdict, error) { return v, nil })
}

func decide(t *testing.T, g stackmend.Guard, r stackmend.Request) stackmend.Verdict {
	t.Helper()
	v, err := g.Evaluate(t.Context(), r)
	if err != nil && v.Decision != stackmend.Deny {
		t.Errorf("%s: %v with error %v", g.Name(), v.Decision, err)
	}
	if v.Decision != stackmend.Permit && v.Reason == "" && err == nil {
		t.Errorf("%s: %v without a reason", g.Name(), v.Decision)
	}
	return v
}

func ended(states ...stackmend.State) []stackmend.Outcome {
	var out []stackmend.Outcome
	for _, s := range states {
		out = append(out, stackmend.Outcome{State: s})
	}
	return out
}

func TestMaxSteps(t *testing.T) {
	for _, c := range []struct {
		n             int
		running, over []stackmend.Outcome
		want          stackmend.Decision
	}{
		{0, nil, nil, stackmend.Deny},
		{-1, nil, nil, stackmend.Deny},
		{1, nil, nil, stackmend.Permit},
		{1, ended(stackmend.NotBegun), nil, stackmend.Deny},
		{1, nil, ended(stackmend.Failed), stackmend.Deny},
		{1, nil, ended(stackmend.Uncertain), stackmend.Deny},
		{1, nil, ended(stackmend.Stale, stackmend.Refused), stackmend.Permit},
		{2, ended(stackmend.NotBegun), ended(stackmend.Done), stackmend.Deny},
		{3, ended(stackmend.NotBegun), ended(stackmend.Done), stackmend.Permit},
	} {
		if got := decide(t, stackmend.MaxSteps(c.n), stackmend.Request{Running: c.running, Outcomes: c.over}); got.Decision != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

func TestMaxShare(t *testing.T) {
	rows := func(n int64) stackmend.Cost { return stackmend.Cost{Rows: n} }
	for _, c := range []struct {
		name    string
		percent float64
		exists  stackmend.Cost
		step    stackmend.Cost
		before  []stackmend.Cost
		want    stackmend.Decision
	}{
		{"within", 10, rows(100), rows(10), nil, stackmend.Permit},
		{"over", 10, rows(100), rows(11), nil, stackmend.Deny},
		{"sum over", 10, rows(100), rows(6), []stackmend.Cost{rows(5)}, stackmend.Deny},
		{"sum within", 10, rows(100), rows(5), []stackmend.Cost{rows(5)}, stackmend.Permit},
		{"unknown exists", 10, stackmend.Cost{}, rows(1), nil, stackmend.Deny},
		{"unknown exists, no cost", 10, stackmend.Cost{}, stackmend.Cost{}, nil, stackmend.Deny},
		{"other unit unknown", 10, rows(100), stackmend.Cost{Bytes: 1}, nil, stackmend.Deny},
		{"exists below zero", 10, rows(-100), rows(1), nil, stackmend.Deny},
		{"instances", 50, stackmend.Cost{Instances: 4}, stackmend.Cost{Instances: 3}, nil, stackmend.Deny},
		{"no cost", 0, rows(100), stackmend.Cost{}, nil, stackmend.Permit},
		{"zero percent", 0, rows(100), rows(1), nil, stackmend.Deny},
		{"NaN", math.NaN(), rows(100), rows(1), nil, stackmend.Deny},
		{"below zero", 10, rows(100), rows(-50), []stackmend.Cost{rows(59)}, stackmend.Deny},
		{"below zero before", 10, rows(100), rows(50), []stackmend.Cost{rows(-50)}, stackmend.Deny},
		{"goes around", 10, rows(100), rows(math.MaxInt64), []stackmend.Cost{rows(math.MaxInt64), rows(2)}, stackmend.Deny},
	} {
		q := stackmend.Request{Plan: &stackmend.Plan{Exists: c.exists}, Step: stackmend.Step{Cost: c.step}}
		for _, b := range c.before {
			q.Outcomes = append(q.Outcomes, stackmend.Outcome{State: stackmend.Done, Step: stackmend.Step{Cost: b}})
		}
		if got := decide(t, stackmend.MaxShare(c.percent), q); got.Decision != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestKillSwitch(t *testing.T) {
	dir := t.TempDir()
	there, file := filepath.Join(dir, "there"), filepath.Join(dir, "file")
	for _, f := range []string{there, file} {
		if err := os.WriteFile(f, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	dangling := filepath.Join(dir, "dangling")
	if err := os.Symlink("nowhere", dangling); err != nil {
		lab.Without(t, err.Error())
	}
	for path, want := range map[string]stackmend.Decision{
		filepath.Join(dir, "absent"):         stackmend.Permit,
		there:                                stackmend.Deny,
		dir:                                  stackmend.Deny,
		dangling:                             stackmend.Deny,
		"":                                   stackmend.Deny,
		filepath.Join(dir, "gone", "absent"): stackmend.Deny,
		filepath.Join(file, "absent"):        stackmend.Deny,
		"bad\x00name":                        stackmend.Deny,
	} {
		if got := decide(t, stackmend.KillSwitch(path), stackmend.Request{}); got.Decision != want {
			t.Errorf("%q: %v", path, got)
		}
	}
}

func TestWindow(t *testing.T) {
	const h, m = time.Hour, time.Minute
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	at := func(s string) time.Time {
		tm, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return tm
	}
	for _, c := range []struct {
		now      string
		from, to time.Duration
		want     stackmend.Decision
		opens    string // where it waits: when it is told to ask again
	}{
		{"2026-01-10T09:00:00+01:00", 9 * h, 17 * h, stackmend.Permit, ""},
		{"2026-01-10T16:59:59+01:00", 9 * h, 17 * h, stackmend.Permit, ""},
		{"2026-01-10T17:00:00+01:00", 9 * h, 17 * h, stackmend.Wait, "2026-01-11T09:00:00+01:00"},
		{"2026-01-10T08:59:00+01:00", 9 * h, 17 * h, stackmend.Wait, "2026-01-10T09:00:00+01:00"},
		{"2026-01-10T22:00:00+01:00", 22 * h, 4 * h, stackmend.Permit, ""},
		{"2026-01-10T00:00:00+01:00", 22 * h, 4 * h, stackmend.Permit, ""},
		{"2026-01-10T03:59:59+01:00", 22 * h, 4 * h, stackmend.Permit, ""},
		{"2026-01-10T04:00:00+01:00", 22 * h, 4 * h, stackmend.Wait, "2026-01-10T22:00:00+01:00"},
		{"2026-01-10T23:30:00+01:00", 22 * h, 24 * h, stackmend.Permit, ""},
		// On 2026-03-29 the clocks go from 02:00 to 03:00.
		{"2026-03-29T00:00:00+01:00", 4 * h, 5 * h, stackmend.Wait, "2026-03-29T04:00:00+02:00"},
		{"2026-03-29T04:30:00+02:00", 4 * h, 5 * h, stackmend.Permit, ""},
		{"2026-03-29T01:59:59+01:00", 2 * h, 3 * h, stackmend.Wait, "2026-03-29T03:00:00+02:00"},
		{"2026-03-29T01:45:00+01:00", 2*h + 30*m, 4 * h, stackmend.Wait, "2026-03-29T01:45:01+01:00"},
		// On 2026-10-25 they go from 03:00 back to 02:00.
		{"2026-10-25T00:00:00+02:00", 4 * h, 5 * h, stackmend.Wait, "2026-10-25T04:00:00+01:00"},
		{"2026-10-25T02:30:00+02:00", 2 * h, 3 * h, stackmend.Permit, ""},
		{"2026-10-25T02:30:00+01:00", 2 * h, 3 * h, stackmend.Permit, ""},
		// No windows.
		{"2026-01-10T12:00:00+01:00", 0, 0, stackmend.Deny, ""},
		{"2026-01-10T12:00:00+01:00", -1, 13 * h, stackmend.Deny, ""},
		{"2026-01-10T12:00:00+01:00", 1 * h, 25 * h, stackmend.Deny, ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(time.Until(at(c.now)))
			v := decide(t, stackmend.Window(c.from, c.to, berlin), stackmend.Request{})
			if v.Decision != c.want {
				t.Errorf("%s in %v-%v: %v", c.now, c.from, c.to, v)
			}
			if c.opens != "" && !time.Now().Add(v.RetryAfter).Equal(at(c.opens)) {
				t.Errorf("%s in %v-%v: opens at %v", c.now, c.from, c.to, time.Now().Add(v.RetryAfter).In(berlin))
			}
		})
	}
	if v := decide(t, stackmend.Window(1, 2, nil), stackmend.Request{}); v.Decision != stackmend.Deny {
		t.Errorf("without a place: %v", v)
	}
}

func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, begin := stackmend.Pace(2, time.Minute), time.Now()
		ago := func(d time.Duration, s stackmend.State) stackmend.Outcome {
			return stackmend.Outcome{State: s, Started: begin.Add(-d)}
		}
		for _, c := range []struct {
			name  string
			r     stackmend.Request
			want  stackmend.Decision
			after time.Duration
		}{
			{"none", stackmend.Request{}, stackmend.Permit, 0},
			{"one", stackmend.Request{Outcomes: []stackmend.Outcome{ago(1, stackmend.Done)}}, stackmend.Permit, 0},
			{"two", stackmend.Request{
				Running:  []stackmend.Outcome{ago(20*time.Second, stackmend.NotBegun)},
				Outcomes: []stackmend.Outcome{ago(50*time.Second, stackmend.Failed)},
			}, stackmend.Wait, 10 * time.Second},
			{"two, one long ago", stackmend.Request{Outcomes: []stackmend.Outcome{
				ago(time.Minute, stackmend.Done), ago(time.Second, stackmend.Done)}}, stackmend.Permit, 0},
			{"refused ones", stackmend.Request{Outcomes: []stackmend.Outcome{
				ago(1, stackmend.Refused), ago(1, stackmend.Stale), ago(1, stackmend.Done)}}, stackmend.Permit, 0},
			{"at a gate", stackmend.Request{Begun: true, Outcomes: []stackmend.Outcome{
				ago(1, stackmend.Done), ago(1, stackmend.Done)}}, stackmend.Permit, 0},
		} {
			if v := decide(t, g, c.r); v.Decision != c.want || v.RetryAfter != c.after {
				t.Errorf("%s: %v", c.name, v)
			}
		}
	})
	for _, g := range []stackmend.Guard{stackmend.Pace(0, time.Hour), stackmend.Pace(1, 0), stackmend.Pace(-1, -1)} {
		if v := decide(t, g, stackmend.Request{}); v.Decision != stackmend.Deny {
			t.Errorf("%s: %v", g.Name(), v)
		}
	}
}
