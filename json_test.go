package stackmend_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stackmend/stackmend"
)

var update = flag.Bool("update", false, "write the golden files")

func moment(minute int) time.Time { return time.Date(2026, 3, 1, 2, minute, 0, 0, time.UTC) }

// samplePlan has something in every field.
func samplePlan() *stackmend.Plan {
	return &stackmend.Plan{
		Check: "imagecache", Subject: "/var/lib/nova/instances", Created: moment(0), Expires: moment(59),
		Exists: stackmend.Cost{Rows: 3, Bytes: 90 << 30, Instances: 40}, Unseen: []string{"host c3: no heartbeat for 11m0s"},
		Refusals: []string{"host c3 cannot be accounted for"},
		Steps: []stackmend.Step{{
			Verb: "quarantine", Target: "_base/0a1b", Args: map[string]string{"to": "/var/lib/nova/quarantine"},
			Reason: "no instance has used it since 2026-02-01T00:00:00Z", Undo: "restore it from the quarantine",
			Assumes: map[string]string{"inode": "4711", "size": "21474836480"}, Cost: stackmend.Cost{Rows: 1, Bytes: 20 << 30, Instances: 2},
			Stage: 1, Group: "base", Timeout: 90 * time.Second,
		}},
		Kept: []stackmend.Kept{{Target: "_base/2c3d", Reason: "in use by instance 7f00"}},
	}
}

func sampleResult() stackmend.Result {
	p := samplePlan()
	p.Refusals, p.Unseen = []string{}, []string{}
	return stackmend.Result{
		Schema: stackmend.Schema, Check: "imagecache", Subject: "/var/lib/nova/instances", Status: stackmend.Warn,
		Findings: []stackmend.Finding{{
			Code: "unused-image", Status: stackmend.Warn, Subject: "_base/0a1b", Message: "unused for 28 days, 20 GiB",
			Fix: "quarantine it", Confidence: stackmend.High,
			Evidence: []stackmend.Evidence{
				{Source: "/var/lib/nova/instances/_base/0a1b", Value: "mtime 2026-02-01T00:00:00Z", At: moment(1)},
				{Source: "GET /servers/detail", Value: "no instance names it", Against: true},
			},
		}},
		Plan: p, Mode: stackmend.Apply,
		Outcomes: []stackmend.Outcome{{Step: p.Steps[0], State: stackmend.Refused, Note: "refused by kill-switch", Started: moment(2), Finished: moment(3)}},
		Started:  moment(0), Finished: moment(4),
	}
}

func golden(t *testing.T, name string, v any) []byte {
	t.Helper()
	got, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, append(got, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)+"\n"); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
	return want
}

func TestPlanJSON(t *testing.T) {
	b := golden(t, "plan.json", samplePlan())
	var p stackmend.Plan
	if err := json.Unmarshal(b, &p); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(samplePlan(), &p); diff != "" {
		t.Error(diff)
	}
	golden(t, "plan-empty.json", &stackmend.Plan{})
}

func TestResultJSON(t *testing.T) {
	for name, r := range map[string]stackmend.Result{"result.json": sampleResult(), "result-check.json": {Check: "c", Subject: "s"}} {
		b := golden(t, name, r)
		var got stackmend.Result
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatal(err)
		}
		again, err := json.MarshalIndent(got, "", "  ")
		if err != nil || string(again)+"\n" != string(b) {
			t.Errorf("%s: not what was read: %v\n%s", name, err, again)
		}
		if name == "result.json" {
			if diff := cmp.Diff(r, got); diff != "" {
				t.Error(diff)
			}
		}
	}
}

// docs/json.md shows the golden files themselves.
func TestDocsShowTheGoldenFiles(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join("docs", "json.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"plan.json", "result.json"} {
		want, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(doc, []byte("```json\n"+string(want)+"```\n")) {
			t.Errorf("docs/json.md does not show testdata/%s as it is", name)
		}
	}
	for _, typ := range []any{stackmend.Finding{}, stackmend.Evidence{}, stackmend.Step{}, stackmend.Outcome{}, stackmend.Cost{}, stackmend.Kept{}} {
		for f := range fields(reflect.TypeOf(typ)) {
			if tag, _, _ := strings.Cut(f.Tag.Get("json"), ","); !bytes.Contains(doc, []byte("`"+tag+"`")) {
				t.Errorf("docs/json.md does not describe %s of %T", tag, typ)
			}
		}
	}
	for s := range stackmend.Reverted + 1 {
		if !bytes.Contains(doc, []byte("`"+s.String()+"`")) {
			t.Errorf("docs/json.md does not describe the state %v", s)
		}
	}
}

func fields(t reflect.Type) func(func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for i := range t.NumField() {
			if !yield(t.Field(i)) {
				return
			}
		}
	}
}
