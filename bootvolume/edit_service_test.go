package bootvolume

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/internal/appliertest"
)

// slow is a service whose former worker answers for some time after a reload,
// as if nothing had happened.
type slow struct {
	reloads, former int
	checked         []string
}

func (s *slow) Check(_ context.Context, files []string) ([]string, error) {
	s.checked = files
	return nil, nil
}
func (s *slow) Reload(context.Context) error  { s.reloads++; s.former = 12; return nil }
func (s *slow) Healthy(context.Context) error { return nil }

func (s *slow) Generation(context.Context) (string, error) {
	if s.former > 0 {
		s.former--
	}
	if s.reloads > 0 && s.former == 0 {
		return "after", nil
	}
	return "before", nil
}

// The health of the former worker is not that of the files, and the checker
// gets all of them in their order.
func TestEditWaitsForTheNewWorker(t *testing.T) {
	dir := t.TempDir()
	first, second := filepath.Join(dir, "a.cfg"), filepath.Join(dir, "b.cfg")
	var files []ConfFile
	for path, text := range map[string]string{first: "global\n", second: edited} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{first, second} {
		f, err := ReadConf(path)
		if err != nil {
			t.Fatal(err)
		}
		f.Generation = "before"
		files = append(files, f)
	}
	p, err := PlanEdit("haproxy", files, []Change{toRoundrobin(second)}, time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	s := &slow{}
	r, err := stackmend.Run(t.Context(), p, NewEditor(map[string]Service{"haproxy": s}, time.Minute), stackmend.Options{Mode: stackmend.Apply})
	if err != nil || s.reloads != 1 || s.former != 0 {
		t.Errorf("%v, %d reloads, %d answers of the former worker not waited for\n%s", err, s.reloads, s.former, appliertest.Describe(r))
	}
	if got, want := strings.Join(s.checked, " "), first+" "+second; got != want {
		t.Errorf("checked %s, not %s", got, want)
	}
}
