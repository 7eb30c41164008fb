package main

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph"
	"github.com/stackmend/stackmend/ceph/supervisor"
	"github.com/stackmend/stackmend/internal/lab"
)

// answers are those of a cluster, in the form of 16.2.15, by command.
type answers map[string]string

func (a answers) Command(_ context.Context, c ceph.Command) (io.ReadCloser, error) {
	text, ok := a[c.Prefix]
	if !ok {
		return nil, ceph.Failed(c, 22, "unknown")
	}
	return ceph.Answer([]byte(text), nil), nil
}

// TestTrimIsPlanned: what is handed over is a plan that ceph-trim-pglog reads.
func TestTrimIsPlanned(t *testing.T) {
	lab.Need(t, "ceph-objectstore-tool", "ceph-osd")
	version, err := exec.CommandContext(t.Context(), "ceph-osd", "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	machine, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	meta, err := json.Marshal(map[string]string{"ceph_version": strings.TrimSpace(string(version)), "hostname": machine})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{"whoami": "3\n", "ceph_fsid": "f\n"} {
		if err := os.MkdirAll(filepath.Join(dir, "osd-3"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "osd-3", name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := &settings{state: filepath.Join(dir, "state.json"), data: filepath.Join(dir, "osd-{id}")}
	to := answers{
		"osd dump": `{"epoch":9,"fsid":"f","flags":"sortbitwise","pools":[{"pool":1,"type":1,"size":3,"min_size":2,"crush_rule":0}],
"osds":[{"osd":3,"uuid":"u","up":0,"in":1,"up_from":4}]}`,
		"mgr dump":            `{"available":true,"active_name":"x"}`,
		"status":              `{"pgmap":{"pgs_by_state":[{"state_name":"active+clean","count":1}]}}`,
		"osd tree":            `{"nodes":[{"id":-1,"name":"default","type":"root","type_id":11,"children":[-2]},{"id":-2,"name":"stor1","type":"host","type_id":1,"children":[3]},{"id":3,"name":"osd.3","type":"osd","type_id":0}]}`,
		"osd crush rule dump": `[{"rule_id":0,"steps":[{"op":"chooseleaf_firstn","type":"host"}]}]`,
		"osd metadata":        string(meta),
	}
	text, err := s.planTrim(t.Context(), to, supervisor.Process{Args: []string{dir}}, 3)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "trim-osd.3.plan")
	b, err := os.ReadFile(path)
	if err != nil || !strings.Contains(text, "ceph-trim-pglog -osd 3 -run "+path) {
		t.Fatalf("%q %v", text, err)
	}
	var plan stackmend.Plan
	if err := json.Unmarshal(b, &plan); err != nil || plan.Check != "ceph-trim-pglog" || len(plan.Steps) < 3 {
		t.Errorf("%v %+v", err, plan)
	}

	to["osd dump"] = strings.Replace(to["osd dump"], `"up":0`, `"up":1`, 1)
	to["pg ls-by-osd"] = `{"pg_ready":true,"pg_stats":[]}`
	if text, err := s.planTrim(t.Context(), to, supervisor.Process{Args: []string{dir}}, 3); err != nil || !strings.Contains(text, "no process of it is seen here") {
		t.Errorf("%q %v", text, err)
	}
	delete(to, "osd tree")
	if text, err := s.planTrim(t.Context(), to, supervisor.Process{}, 3); err == nil {
		t.Errorf("without an answer: %q", text)
	}
}
