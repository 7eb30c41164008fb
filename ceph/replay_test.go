package ceph

import (
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"path"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stackmend/stackmend"
)

// load reads a recording of testdata into memory.
func load(t testing.TB, name string) fstest.MapFS {
	t.Helper()
	tree := fstest.MapFS{}
	dir := os.DirFS(path.Join("testdata", name))
	err := fs.WalkDir(dir, ".", func(p string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := fs.ReadFile(dir, p)
		tree[p] = &fstest.MapFile{Data: b}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// damages are the ways in which an answer can be wrong.
func damages() map[string]func([]byte) []byte {
	return map[string]func([]byte) []byte{
		"empty":     func([]byte) []byte { return nil },
		"cut":       func(b []byte) []byte { return b[:len(b)/2] },
		"cut late":  func(b []byte) []byte { return b[:len(b)-3] },
		"text":      func([]byte) []byte { return []byte("Error EINVAL: invalid command\n") },
		"no object": func([]byte) []byte { return []byte("{}") },
		"no list":   func([]byte) []byte { return []byte("[]") },
		"null":      func([]byte) []byte { return []byte("null") },
		"a number":  func([]byte) []byte { return []byte("17") },
		"two":       func(b []byte) []byte { return append(append([]byte{}, b...), b...) },
		"other type": func(b []byte) []byte {
			return []byte(strings.NewReplacer(`":[`, `":{"x":[`, `],`, `]},`, `":{`, `":[{`).Replace(string(b)))
		},
		"latin 1": func([]byte) []byte { return []byte("{\"\xe4\":1}") },
	}
}

// TestDamagedAnswers: whatever a source gives, nothing panics, and a source
// that is not understood is never health.
func TestDamagedAnswers(t *testing.T) {
	whole := load(t, "pacific-healthy")
	optional := map[string]bool{"recording.json": true, "pg_query_2.0.json": true}
	empty := map[string]bool{"config_dump.json": true, "crash_ls.json": true, "log_last.json": true, "osd_metadata.json": true} // [] is an answer
	for name := range whole {
		if optional[name] || strings.HasSuffix(name, ".error") || strings.HasPrefix(name, "osd.1.") || strings.HasPrefix(name, "osd.2.") {
			continue
		}
		for kind, damage := range damages() {
			tree := maps.Clone(whole)
			tree[name] = &fstest.MapFile{Data: damage(whole[name].Data)}
			if kind == "no list" && empty[name] || string(tree[name].Data) == string(whole[name].Data) {
				continue
			}
			s, err := Observe(t.Context(), Recorded{tree}, Options{})
			soothe(s)
			source := strings.TrimSuffix(name, ".json")
			if s.unseen(source) == nil {
				t.Errorf("%s %s: taken for an answer (%v)", name, kind, err)
			}
			if r := Check(Observed{Cluster: s}, Policy{}); r.Status == stackmend.OK {
				t.Errorf("%s %s: OK", name, kind)
			}
		}
	}
}

// TestMissingAnswers: what was not recorded is Unknown.
func TestMissingAnswers(t *testing.T) {
	tree := load(t, "pacific-healthy")
	for name := range tree {
		if name != "osd_dump.json" && name != "recording.json" {
			delete(tree, name)
		}
	}
	s, err := Observe(t.Context(), Recorded{tree}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, f := range Check(Observed{Cluster: s}, Policy{}).Findings {
		if f.Status != stackmend.Unknown {
			t.Errorf("%+v", f)
		}
		seen[f.Code] = true
	}
	for _, j := range clusterJudges() {
		if !seen[j.code] && j.code != CodeFlags {
			t.Errorf("%s says nothing", j.code)
		}
	}
	if _, err := Observe(t.Context(), Recorded{fstest.MapFS{}}, Options{}); err == nil {
		t.Error("observed an empty folder")
	}
}

// TestPGDumpForms: as Nautilus and newer write it, as Luminous did, and as the
// bare list of `pg dump pgs`; all mean the same.
func TestPGDumpForms(t *testing.T) {
	tree := load(t, "pacific-healthy")
	var dump struct {
		PGMap map[string]json.RawMessage `json:"pg_map"`
	}
	if err := json.Unmarshal(tree["pg_dump.json"].Data, &dump); err != nil {
		t.Fatal(err)
	}
	flat, err := json.Marshal(dump.PGMap)
	if err != nil {
		t.Fatal(err)
	}
	forms := map[string][]byte{
		"new": tree["pg_dump.json"].Data, "luminous": append([]byte("\n"), flat...), "list": dump.PGMap["pg_stats"],
		"pgs": []byte(`{"pg_ready":true,"pg_stats":` + string(dump.PGMap["pg_stats"]) + `}`),
	}
	for name, form := range forms {
		tree["pg_dump.json"] = &fstest.MapFile{Data: form}
		s, err := Observe(t.Context(), Recorded{tree}, Options{})
		if err != nil || s.PGs.Total != 33 || s.PGs.LogEntries != 16596 || s.OSDs[0].Load.PGs != 33 {
			t.Errorf("%s: %d PGs, %d entries, %v %v", name, s.PGs.Total, s.PGs.LogEntries, err, s.Unseen)
		}
	}
	for name, form := range map[string]string{
		"not ready":   `{"pg_ready":false,"pg_map":{"pg_stats":[]}}`,
		"stats twice": `{"pg_stats":[],"pg_map":{"pg_stats":[]}`,
		"no id":       `{"pg_stats":[{"state":"active"}]}`,
		"negative":    `{"pg_stats":[{"pgid":"1.0","state":"active","log_size":-5}]}`,
	} {
		s := &Snapshot{}
		if err := s.readPGDump(strings.NewReader(form)); err == nil || s.PGs.Seen {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestOtherReleases replays what Debian's release cannot show.
func TestOtherReleases(t *testing.T) {
	for _, c := range []struct {
		dir, code string
		status    stackmend.Status
		words     string
	}{
		{"luminous-storm", CodeTrimUnavailable, stackmend.Warn, "ceph osd set pglog_hardlimit"},
		{"luminous-storm", CodePGLogLarge, stackmend.Warn, "entries of 10000"},
		{"luminous-storm", CodeRecoveryRunning, stackmend.Warn, "at the present rate"},
		{"luminous-storm", CodeRebalance, stackmend.Fail, "norebalance"},
		{"luminous-storm", CodeMemory, stackmend.Unknown, "dump_mempools"},
		{"octopus-fragmented", CodeFragmented, stackmend.Warn, "heap release"},
		{"quincy-mclock", CodeRecoverySettings, stackmend.Warn, "osd.1 osd_mclock_max_capacity_iops_hdd"},
		{"quincy-mclock", CodeRecoverySettings, stackmend.Warn, "osd_mclock_override_recovery_settings"},
		{"quincy-mclock", CodePGLogDups, stackmend.Fail, "cannot trim them"},
	} {
		s := replay(t, c.dir)
		found := false
		r := Check(Observed{Cluster: s}, Policy{})
		for _, f := range r.Findings {
			found = found || f.Code == c.code && f.Status == c.status && strings.Contains(words(f), c.words)
		}
		if !found {
			t.Errorf("%s: no %v %s with %q\n%+v\nunseen %+v", c.dir, c.status, c.code, c.words, r.Findings, s.Unseen)
		}
	}
}
