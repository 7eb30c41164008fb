package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/examples/cli"
)

var update = flag.Bool("update", false, "write expected.json anew")

// expected is what the first check of a tale finds.
type expected struct {
	Status   stackmend.Status `json:"status"`
	Findings []string         `json:"findings"`
}

// TestIncidents holds each recorded incident to what it is known to show.
func TestIncidents(t *testing.T) {
	for _, tale := range tales {
		t.Run(tale.name, func(t *testing.T) {
			parts, err := tale.tell(t.Context(), io.Discard, false)
			must(t, err)
			var got expected
			for _, p := range parts {
				if p.Result != nil {
					got.Status = p.Result.Status
					for _, f := range p.Result.Findings {
						subject := f.Subject
						if i := strings.Index(subject, "tales-"); i >= 0 { // the sandbox
							_, subject, _ = strings.Cut(subject[i:], "/")
						}
						got.Findings = append(got.Findings, f.Status.String()+" "+f.Code+" "+subject)
					}
					break
				}
			}
			compare(t, filepath.Join("testdata/incidents", tale.name, "expected.json"), got)
		})
	}
}

func compare(t *testing.T, path string, got expected) {
	t.Helper()
	if *update {
		b, err := json.MarshalIndent(got, "", "  ")
		must(t, err)
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		must(t, os.WriteFile(path, append(b, '\n'), 0o644))
		return
	}
	b, err := os.ReadFile(path)
	must(t, err)
	var want expected
	must(t, json.Unmarshal(b, &want))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func tellAll(t *testing.T, args ...string) (int, string, string) {
	t.Helper()
	var out, errs bytes.Buffer
	status := run(t.Context(), args, cli.Streams{Out: &out, Err: &errs, Getenv: func(string) string { return "" }})
	return status, out.String(), errs.String()
}

// TestTold looks for the moments that make the tales worth telling.
func TestTold(t *testing.T) {
	page := filepath.Join(t.TempDir(), "tales.html")
	status, text, errs := tellAll(t, "-html", page)
	if status != 0 || errs != "" {
		t.Fatalf("status %d: %s", status, errs)
	}
	for _, want := range []string{
		"frame of 1522 with the tags 20.100", "e0 carries the session", "done set-mtu cmp/vlan20",
		"undetermined", "instance-deaf", "DHCPREQUEST (unicast)",
		"haproxy-timeout", "X accepted too late", "balance-source",
		"port-disabled-by-bpdu", `"bond0" is no tap`,
		"unaccounted-host c03", "done quarantine", "done restore",
		"it holds 128.0 MiB", "done bound", "Not done: ",
		"live-child", "rebalance-in-recovery", "memory-fragmented",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the tales lack %q", want)
		}
	}
	if strings.Contains(text, os.TempDir()) {
		t.Error("the tales name the sandbox")
	}
	b, err := os.ReadFile(page)
	must(t, err)
	if n := strings.Count(string(b), "<section"); n != len(tales) {
		t.Errorf("%d sections in the page", n)
	}
	if left, _ := filepath.Glob(filepath.Join(os.TempDir(), "tales-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestJSON(t *testing.T) {
	status, text, errs := tellAll(t, "-json", "-tale", "imagecache")
	if status != 0 {
		t.Fatal(errs)
	}
	var got []struct {
		Tale  string
		Parts []struct{ Result *stackmend.Result }
	}
	must(t, json.Unmarshal([]byte(text), &got)) // plans are held to their IDs as they are read
	if len(got) != 1 || got[0].Tale != "imagecache" || len(got[0].Parts) < 4 {
		t.Errorf("%+v", got)
	}
}

func TestWrongUse(t *testing.T) {
	for _, args := range [][]string{{"-tale", "nobody"}, {"x"}, {"-nonsense"}} {
		if status, _, errs := tellAll(t, args...); status != 64 || errs == "" {
			t.Errorf("%v: status %d, %q", args, status, errs)
		}
	}
	if status, text, _ := tellAll(t, "-list"); status != 0 || strings.Count(text, "\n") != len(tales) {
		t.Errorf("status %d: %s", status, text)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
