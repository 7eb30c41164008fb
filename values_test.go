package stackmend_test

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stackmend/stackmend"
)

func TestZeroValuesMeanNothingGood(t *testing.T) {
	var (
		s stackmend.Status
		d stackmend.Decision
		m stackmend.Mode
		o stackmend.State
	)
	if s != stackmend.Unknown || d != stackmend.Deny || m != stackmend.DryRun || o != stackmend.NotBegun {
		t.Errorf("zero values: %v %v %v %v", s, d, m, o)
	}
}

func TestZeroOptionsDoNothing(t *testing.T) {
	a := &toy{}
	r, err := stackmend.Run(t.Context(), plan(step("a"), step("b")), a, stackmend.Options{})
	if err != nil {
		t.Fatal(err)
	}
	wantStates(t, r, "would", "would")
	wantList(t, "done", a.did("do"))
	wantList(t, "rechecked", a.did("recheck"), "a", "b")
}

func TestZeroGuardVerdictDenies(t *testing.T) {
	a := &toy{guards: []stackmend.Guard{always("zero", stackmend.Verdict{})}}
	r, err := stackmend.Run(t.Context(), plan(step("a")), a, apply)
	wantErr(t, err, stackmend.ErrRefused)
	wantStates(t, r, "refused")
	wantList(t, "done", a.did("do"))
}

func TestZeroPlanIsNeverApplied(t *testing.T) {
	a := &toy{}
	_, err := stackmend.Run(t.Context(), &stackmend.Plan{Steps: []stackmend.Step{step("a")}}, a, apply)
	wantErr(t, err, stackmend.ErrExpired)
	_, err = stackmend.Run(t.Context(), nil, a, apply)
	wantErr(t, err, stackmend.ErrRefused)
	_, err = stackmend.Run(t.Context(), plan(step("a")), nil, apply)
	wantErr(t, err, stackmend.ErrRefused)
	wantList(t, "done", a.did("do"))
}

func TestZeroWorkRefuses(t *testing.T) {
	var w stackmend.Work
	wantErr(t, w.Gate(t.Context()), stackmend.ErrRefused)
	wantErr(t, w.Record("a", "b"), stackmend.ErrRefused)
	w.Progress(1, 2, "rows")
	if _, ok := w.Recorded("a"); ok {
		t.Error("zero Work recorded something")
	}
}

func TestNilJournalRemembersNothing(t *testing.T) {
	var j *stackmend.Journal
	if j.Plan() != nil || j.Open() != nil || j.Close() != nil {
		t.Error("a nil journal remembers something")
	}
}

func TestWorst(t *testing.T) {
	const ok, warn, unknown, fail = stackmend.OK, stackmend.Warn, stackmend.Unknown, stackmend.Fail
	for _, c := range []struct {
		in   []stackmend.Status
		want stackmend.Status
	}{
		{nil, unknown},
		{[]stackmend.Status{ok}, ok},
		{[]stackmend.Status{ok, warn}, warn},
		{[]stackmend.Status{unknown, warn, ok}, unknown},
		{[]stackmend.Status{warn, unknown, fail, ok}, fail},
		{[]stackmend.Status{ok, stackmend.Status(9)}, stackmend.Status(9)},
	} {
		if got := stackmend.Worst(c.in...); got != c.want {
			t.Errorf("Worst(%v) = %v, want %v", c.in, got, c.want)
		}
	}
}

func TestNames(t *testing.T) {
	var s stackmend.Status
	for _, bad := range []string{"", "OK", "ok ", "health"} {
		wantErr(t, s.UnmarshalText([]byte(bad)), stackmend.ErrSchema)
	}
	if _, err := stackmend.State(200).MarshalText(); err == nil {
		t.Error("a state without a name was written")
	}
	if got := stackmend.Mode(9).String(); got != "Mode(9)" {
		t.Error(got)
	}
	if got := stackmend.Permit.String() + stackmend.High.String() + stackmend.Revert.String(); got != "permithighrevert" {
		t.Error(got)
	}
}

// Whoever imports the nouns must not get a cloud with them.
func TestImports(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, src, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range f.Imports {
			path, _ := strconv.Unquote(i.Path.Value)
			first, _, _ := strings.Cut(path, "/")
			if path == "C" || strings.Contains(first, ".") && !strings.HasPrefix(path, "golang.org/x/sync/") {
				t.Errorf("%s imports %s", name, path)
			}
			if path == "log" || path == "flag" || path == "os/exec" || path == "net" {
				t.Errorf("%s imports %s", name, path)
			}
		}
	}
}
