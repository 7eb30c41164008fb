package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/examples/cli"
)

// touch is a tool whose plan makes one file.
type touch struct {
	path   string
	status stackmend.Status
	deny   bool
	broken bool   // Do does nothing
	stop   func() // in the middle of Do
}

func (a touch) Guards() []stackmend.Guard {
	if !a.deny {
		return nil
	}
	return []stackmend.Guard{stackmend.GuardFunc("never", func(context.Context, stackmend.Request) (stackmend.Verdict, error) {
		return stackmend.Verdict{Reason: "not today"}, nil
	})}
}

func (a touch) Recheck(_ context.Context, s stackmend.Step) error {
	_, err := os.Lstat(s.Target)
	seen := map[string]string{"exists": "no"}
	if err == nil {
		seen["exists"] = "yes"
	}
	return s.Holds(seen)
}

func (a touch) Do(ctx context.Context, s stackmend.Step, _ *stackmend.Work) error {
	if a.broken {
		return nil
	}
	if a.stop != nil {
		a.stop()
		return ctx.Err()
	}
	return os.WriteFile(s.Target, nil, 0o600)
}

func (a touch) Verify(_ context.Context, s stackmend.Step) error {
	if _, err := os.Lstat(s.Target); err != nil {
		return stackmend.ErrNotDone
	}
	return nil
}

func (a touch) tool() cli.Tool {
	return cli.Tool{
		Name: "touch", Brief: "makes a file",
		Flags: func(*flag.FlagSet) {},
		Check: func(context.Context) (stackmend.Result, error) {
			return stackmend.Result{Check: "touch", Subject: a.path, Status: a.status, Findings: []stackmend.Finding{{
				Code: "absent", Status: a.status, Subject: "x\x1b[2J|y", Message: "there is no file", Fix: "make it"}}}, nil
		},
		Plan: func(context.Context) (*stackmend.Plan, error) {
			now := time.Now()
			return &stackmend.Plan{Check: "touch", Subject: a.path, Created: now, Expires: now.Add(time.Hour), Steps: []stackmend.Step{{
				Verb: "touch", Target: a.path, Reason: "it is absent", Undo: "remove it", Assumes: map[string]string{"exists": "no"}}}}, nil
		},
		Applier: func(context.Context, *stackmend.Plan) (stackmend.Applier, error) { return a, nil },
	}
}

func (a touch) run(t *testing.T, args ...string) (status int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	home := filepath.Dir(a.path)
	args = append([]string{"-journal=" + filepath.Join(home, "j.journal")}, args...)
	status = a.tool().Run(t.Context(), args, cli.Streams{Out: &o, Err: &e, Getenv: func(string) string { return home }})
	return status, o.String(), e.String()
}

func newTouch(t *testing.T) touch {
	return touch{path: filepath.Join(t.TempDir(), "file"), status: stackmend.Warn}
}

func (a touch) exists() bool { _, err := os.Lstat(a.path); return err == nil }

func TestDryRunIsTheDefault(t *testing.T) {
	a := newTouch(t)
	status, out, errs := a.run(t)
	if status != 1 || a.exists() {
		t.Errorf("status %d, exists %v, want 1 and false\n%s%s", status, a.exists(), out, errs)
	}
	for _, want := range []string{"warn absent", "would touch", "next: make it", "dry-run"} {
		if !strings.Contains(out, want) {
			t.Errorf("output lacks %q:\n%s", want, out)
		}
	}
	if strings.ContainsRune(out, '\x1b') {
		t.Errorf("an escape sequence reached the output: %q", out)
	}
}

// What is left alone is told with its reason, and many of one kind once.
func TestKept(t *testing.T) {
	tool := newTouch(t).tool()
	plan := tool.Plan
	tool.Plan = func(ctx context.Context) (*stackmend.Plan, error) {
		p, err := plan(ctx)
		for _, target := range []string{"a", "b", "c"} {
			p.Kept = append(p.Kept, stackmend.Kept{Target: target, Reason: "it is needed"})
		}
		for i := range 20 {
			p.Kept = append(p.Kept, stackmend.Kept{Target: "x", Reason: "reason " + string(rune('A'+i))})
		}
		return p, err
	}
	var o, e bytes.Buffer
	tool.Run(t.Context(), nil, cli.Streams{Out: &o, Err: &e, Getenv: func(string) string { return "" }})
	for _, want := range []string{"kept a and 2 more: it is needed\n", "kept x: reason G\n", "and 13 more reasons, which -json has"} {
		if !strings.Contains(o.String(), want) {
			t.Errorf("output lacks %q:\n%s%s", want, o.String(), e.String())
		}
	}
}

func TestApply(t *testing.T) {
	a := newTouch(t)
	status, out, errs := a.run(t, "-apply")
	if status != 0 || !a.exists() || !strings.Contains(errs, "1 x touch") || !strings.Contains(out, "done touch") {
		t.Errorf("status %d, exists %v\n%s%s", status, a.exists(), out, errs)
	}
}

func TestExitStatus(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*touch)
		args   []string
		want   int
	}{
		"ok":            {func(a *touch) { a.status = stackmend.OK }, nil, 0},
		"fail":          {func(a *touch) { a.status = stackmend.Fail }, nil, 2},
		"unknown":       {func(a *touch) { a.status = stackmend.Unknown }, nil, 3},
		"refused":       {func(a *touch) { a.deny = true }, []string{"-apply"}, 4},
		"refused, dry":  {func(a *touch) { a.deny = true }, nil, 1},
		"stopped":       {func(a *touch) { a.broken = true }, []string{"-apply"}, 5},
		"usage":         {func(*touch) {}, []string{"-json", "-nagios"}, 64},
		"unknown flag":  {func(*touch) {}, []string{"-frobnicate"}, 64},
		"argument":      {func(*touch) {}, []string{"x"}, 64},
		"revert, dry":   {func(*touch) {}, []string{"-revert"}, 64},
		"no such plan":  {func(*touch) {}, []string{"-run", "/nonexistent"}, 64},
		"kill switch":   {func(a *touch) { _ = os.WriteFile(a.path+".stop", nil, 0o600) }, []string{"-apply", "-kill-switch"}, 4},
		"other plan":    {func(*touch) {}, []string{"-apply", "-plan-id", "0123"}, 4},
		"nothing open":  {func(*touch) {}, []string{"-resume", "-apply"}, 0},
		"help":          {func(*touch) {}, []string{"-help"}, 0},
		"bad event log": {func(*touch) {}, []string{"-apply", "-events", "/nonexistent/x"}, 64},
	} {
		t.Run(name, func(t *testing.T) {
			a := newTouch(t)
			c.change(&a)
			if name == "kill switch" {
				c.args = append(c.args, a.path+".stop")
			}
			if status, out, errs := a.run(t, c.args...); status != c.want {
				t.Errorf("status %d, want %d\n%s%s", status, c.want, out, errs)
			}
		})
	}
}

// Who interrupts a run is told how it goes on; the way is the one that works.
func TestInterrupted(t *testing.T) {
	a := newTouch(t)
	ctx, cancel := context.WithCancel(t.Context())
	a.stop = cancel
	journal := filepath.Join(filepath.Dir(a.path), "j.journal")
	var o, e bytes.Buffer
	a.tool().Run(ctx, []string{"-journal", journal, "-apply"}, cli.Streams{Out: &o, Err: &e, Getenv: func(string) string { return "" }})
	if want := "touch: the run is not settled: -journal " + journal + " -resume -apply goes on with it, "; !strings.Contains(e.String(), want) {
		t.Errorf("it lacks %q:\n%s", want, e.String())
	}
	a.stop = nil
	if status, out, errs := a.run(t, "-resume", "-apply"); status != 0 || !a.exists() || strings.Contains(errs, "settled") {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}
}

func TestPlanThenRun(t *testing.T) {
	a := newTouch(t)
	plan := a.path + ".plan"
	if status, _, errs := a.run(t, "-plan", plan); status != 1 || a.exists() {
		t.Fatalf("status %d: %s", status, errs)
	}
	if info, err := os.Stat(plan); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("the plan's file: %v %v", info, err)
	}
	if status, out, errs := a.run(t, "-run", plan); status != 0 || a.exists() || !strings.Contains(out, "would touch") {
		t.Fatalf("a dry run of the file: status %d\n%s%s", status, out, errs)
	}
	text, _ := os.ReadFile(plan)
	edited := a.path + ".edited"
	_ = os.WriteFile(edited, bytes.ReplaceAll(text, []byte("it is absent"), []byte("because")), 0o600)
	if status, _, errs := a.run(t, "-run", edited, "-apply"); status != 4 || a.exists() || !strings.Contains(errs, "edited") {
		t.Fatalf("an edited plan: status %d: %s", status, errs)
	}
	if status, out, errs := a.run(t, "-run", plan, "-apply"); status != 0 || !a.exists() {
		t.Fatalf("status %d\n%s%s", status, out, errs)
	}
}

func TestJSON(t *testing.T) {
	a := newTouch(t)
	_, out, _ := a.run(t, "-json", "-apply")
	var r stackmend.Result
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if r.Mode != stackmend.Apply || len(r.Outcomes) != 1 || r.Outcomes[0].State != stackmend.Done || len(r.Findings) != 1 {
		t.Errorf("%+v", r)
	}
}

func TestNagios(t *testing.T) {
	a := newTouch(t)
	_, out, _ := a.run(t, "-nagios")
	if want := "TOUCH WARNING - absent x\\x1b[2J/y: there is no file (1 findings)\n"; out != want {
		t.Errorf("%q, want %q", out, want)
	}
}

func TestEvents(t *testing.T) {
	a := newTouch(t)
	log := a.path + ".events"
	a.run(t, "-apply", "-events", log)
	b, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	phases := ""
	for _, l := range bytes.Split(bytes.TrimSpace(b), []byte("\n")) {
		var e struct {
			Phase string
			Ended bool
		}
		if err := json.Unmarshal(l, &e); err != nil {
			t.Fatalf("%v: %s", err, l)
		}
		if e.Ended {
			phases += e.Phase + " "
		}
	}
	if phases != "lock recheck do verify " {
		t.Errorf("phases %q", phases)
	}
}

func TestAge(t *testing.T) {
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{"24h": "2026-02-28", "365d": "2025-03-01", "2w": "2026-02-15", "0d": "2026-03-01"} {
		var a cli.Age
		if err := a.Set(text); err != nil || a.Before(now).Format(time.DateOnly) != want {
			t.Errorf("%s: %v %v, want %s", text, a.Before(now), err, want)
		}
	}
	for _, text := range []string{"", "1 year ago", "-1d", "-1h", "d", "99999999999d", "2147483647w", "1y"} {
		var a cli.Age
		if a.Set(text) == nil {
			t.Errorf("%q was taken as %v", text, a)
		}
	}
}

func TestSize(t *testing.T) {
	for text, want := range map[string]int64{"4096": 4096, "100MiB": 100 << 20, "5GB": 5e9, "1B": 1} {
		var s cli.Size
		if err := s.Set(text); err != nil || int64(s) != want {
			t.Errorf("%s: %d %v", text, s, err)
		}
	}
	for _, text := range []string{"", "-1", "1.5GiB", "MiB", "9999999TiB", "1 MiB"} {
		var s cli.Size
		if s.Set(text) == nil {
			t.Errorf("%q was taken as %d", text, s)
		}
	}
}

func TestPairs(t *testing.T) {
	var p cli.Pairs
	if err := errors.Join(p.Set("c03=burnt down=really"), p.Set("c04=sold")); err != nil || p["c03"] != "burnt down=really" {
		t.Error(err, p)
	}
	for _, text := range []string{"c03=again", "x", "=x", "x="} {
		if p.Set(text) == nil {
			t.Errorf("%q was taken", text)
		}
	}
}

func TestClean(t *testing.T) {
	if got, want := cli.Clean("a\x1b]0;b\x07\r\u202ec\u009b\n"), `a\x1b]0;b\x07\x0d\u202ec\x9b`+"\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
