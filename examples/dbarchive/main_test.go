package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/examples/cli"
	stacklab "github.com/stackmend/stackmend/internal/lab"
	"github.com/stackmend/stackmend/internal/lab/mariadb"
)

// run runs the program with these arguments.
func run(t *testing.T, env map[string]string, args ...string) (int, string, string) {
	t.Helper()
	getenv := func(k string) string { return env[k] }
	var out, errs bytes.Buffer
	tool := &tool{getenv: getenv}
	code := tool.cli().Run(context.Background(), args, cli.Streams{Out: &out, Err: &errs, Getenv: getenv})
	return code, out.String(), errs.String()
}

// An operator's afternoon: look, plan, review, apply, restore one, purge the old.
func TestAfternoon(t *testing.T) {
	stacklab.Need(t, mariadb.Programs()...)
	dir := t.TempDir()
	s, err := mariadb.StartNova(filepath.Join(dir, "m"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	if err := s.Populate(mariadb.Population{Database: mariadb.Cell1, Cell: "cell1", Instances: 60, Live: 10, Metadata: 2, Anomalies: true}); err != nil {
		t.Fatal(err)
	}
	conf := filepath.Join(dir, "nova.conf")
	text := fmt.Sprintf("[database]\nconnection = %s\n[api_database]\nconnection = %s\n", s.URL(mariadb.Cell1), s.URL(mariadb.API))
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	base := []string{"-nova-conf", conf, "-journal", filepath.Join(dir, "j")}

	code, out, errs := run(t, nil, append(base, "-before", "2025-11-22")...)
	if code != 1 || !strings.Contains(out, "instance_system_metadata") || strings.Contains(out+errs, "nova:nova") {
		t.Errorf("a dry run: %d\n%s\n%s", code, out, errs)
	}
	plan := filepath.Join(dir, "plan")
	if code, _, errs = run(t, nil, append(base, "-before", "2025-11-22", "-plan", plan)...); code != 1 {
		t.Errorf("writing a plan: %d %s", code, errs)
	}
	if code, out, errs = run(t, nil, append(base, "-run", plan, "-apply", "-parallel", "2", "-max-wait", "1m")...); code != 0 {
		t.Fatalf("applying: %d\n%s\n%s", code, out, errs)
	}
	// by the environment instead of the file
	env := map[string]string{"STACKMEND_NOVA_API": s.URL(mariadb.API), "STACKMEND_NOVA_MAIN": s.URL(mariadb.Cell1)}
	code, out, errs = run(t, env, "-before", "2025-11-22", "-json")
	var r stackmend.Result
	if err := json.Unmarshal([]byte(out), &r); err != nil || r.Plan != nil && len(r.Plan.Steps) > 0 {
		t.Errorf("after archiving: %d %v %s\n%s", code, err, errs, out)
	}
	db, err := s.Open(mariadb.Cell1)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var uuid string
	if err := db.QueryRow("SELECT uuid FROM shadow_instances LIMIT 1").Scan(&uuid); err != nil {
		t.Fatal(err)
	}
	if code, out, errs = run(t, nil, append(base, "-restore", uuid, "-apply")...); code != 0 {
		t.Errorf("restoring: %d\n%s\n%s", code, out, errs)
	}
	// to files and back
	files := "file:" + filepath.Join(dir, "files")
	if code, out, errs = run(t, nil, append(base, "-before", "2026-11-01", "-to", files, "-apply")...); code != 0 {
		t.Errorf("archiving to files: %d\n%s\n%s", code, out, errs)
	}
	if err := db.QueryRow("SELECT instance_uuid FROM stackmend_moves WHERE state=1 LIMIT 1").Scan(&uuid); err != nil {
		t.Fatal(err)
	}
	if code, out, errs = run(t, nil, append(base, "-restore", uuid, "-to", files, "-apply")...); code != 0 {
		t.Errorf("restoring from files: %d\n%s\n%s", code, out, errs)
	}
	if code, _, _ = run(t, nil, append(base, "-purge-before", "2025-06-01", "-apply")...); code != 4 {
		t.Errorf("purging without -irreversible: %d", code)
	}
	if code, out, errs = run(t, nil, append(base, "-purge-before", "2025-06-01", "-irreversible", "-apply")...); code != 0 {
		t.Errorf("purging: %d\n%s\n%s", code, out, errs)
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{{}, {"-before", "1 year ago"}, {"-before", "365d"}, {"-before", "365d", "-to", "moon"}, {"-restore", "x", "-purge-before", "1d"}} {
		if code, _, errs := run(t, nil, args...); code != 64 && code != 3 {
			t.Errorf("%v: %d %s", args, code, errs)
		}
	}
}
