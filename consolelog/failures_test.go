//go:build linux

package consolelog_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/consolelog"
	"github.com/stackmend/stackmend/internal/appliertest"
	"github.com/stackmend/stackmend/internal/lab"
)

// planOf is a plan of one step.
func planOf(s stackmend.Step) *stackmend.Plan {
	return &stackmend.Plan{Check: "consolelog", Created: now(), Expires: now().Add(patience), Steps: []stackmend.Step{s}}
}

// TestDiskFull: an archive that does not fit leaves the log as it is, and
// nothing of itself.
func TestDiskFull(t *testing.T) {
	root, archive := t.TempDir(), mounted(t, "tmpfs", "2M")
	log := filepath.Join(instances(t, root, "a"), "console.log")
	random := make([]byte, 6<<20) // does not compress
	copyRandom(t, random)
	if err := os.WriteFile(log, random, 0o644); err != nil {
		t.Fatal(err)
	}
	p := small
	p.Archive = archive
	s := stepOf(t, root, p)
	for name, segment := range map[string]int64{"does not begin": 4 << 20, "stops on the way": 512 << 10} {
		a, err := consolelog.NewApplier(consolelog.Site{Instances: root, Archive: consolelog.Archive{Dir: archive, Segment: segment}})
		if err != nil {
			t.Fatal(err)
		}
		r, err := stackmend.Run(t.Context(), planOf(s), a, stackmend.Options{Mode: stackmend.Apply})
		if !errors.Is(err, stackmend.ErrRefused) {
			t.Errorf("%s: %v, want refused\n%s", name, err, appliertest.Describe(r))
		}
		kept, err := archived(filepath.Join(archive, "a"))
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(log)
		if err != nil || !bytes.Equal(b[len(kept):], random[len(kept):]) || !bytes.Equal(kept, random[:len(kept)]) {
			t.Errorf("%s: after %d archived bytes, log and archive are not what was there (%v)", name, len(kept), err)
		}
		if partial, _ := filepath.Glob(archive + "/a/.partial*"); len(partial) > 0 {
			t.Errorf("%s: left behind %v", name, partial)
		}
	}
}

func copyRandom(t *testing.T, b []byte) {
	t.Helper()
	f, err := os.Open("/dev/urandom")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Read(b); err != nil {
		t.Fatal(err)
	}
}

// TestTruncatedWhileArchived: somebody truncates the log in the middle of its
// archive, and it is written anew. Nothing of the new text is removed.
func TestTruncatedWhileArchived(t *testing.T) {
	for name, regrow := range map[string]int{"shorter": 1000, "as long as before": 75000} {
		t.Run(name, func(t *testing.T) {
			root, archive := t.TempDir(), t.TempDir()
			log := filepath.Join(instances(t, root, "a"), "console.log")
			writeLines(t, log, 0, 75000) // more than is compressed at a time
			p := small
			p.Archive = archive
			s := stepOf(t, root, p)
			a, err := consolelog.NewApplier(consolelog.Site{Instances: root, Archive: consolelog.Archive{Dir: archive}})
			if err != nil {
				t.Fatal(err)
			}
			done := false
			r, err := stackmend.Run(t.Context(), planOf(s), a, stackmend.Options{Mode: stackmend.Apply, OnEvent: func(e stackmend.Event) {
				if e.Unit == "bytes archived" && !done {
					done = true
					if err := os.Truncate(log, 0); err != nil {
						t.Error(err)
					}
					writeLines(t, log, 500000, regrow)
				}
			}})
			if !errors.Is(err, stackmend.ErrStale) && regrow > 1000 {
				t.Errorf("%v, want stale\n%s", err, appliertest.Describe(r))
			}
			b, err := os.ReadFile(log)
			first, last, gap := numbers(append([]byte("\n"), b...))
			if err != nil || gap != nil || first != 500000 || last != 500000+regrow-1 {
				t.Errorf("the log holds lines %d to %d, %v, %v", first, last, err, gap)
			}
		})
	}
}

// TestHiddenWriter: where /proc does not show the writer, the kernel's lease
// does.
func TestHiddenWriter(t *testing.T) {
	root, proc := t.TempDir(), t.TempDir()
	log := filepath.Join(instances(t, root, "a"), "console.log")
	writeLines(t, log, 0, 20000)
	holder(t, log, true)
	src := consolelog.Source{Instances: root, Proc: proc} // of a container without the host's processes
	s := observe(t, src)
	if s.Logs[0].Looked != consolelog.Hidden {
		t.Errorf("looked: %v", s.Logs[0].Looked)
	}
	r, err := consolelog.Check(s, small)
	if err != nil {
		t.Fatal(err)
	}
	codes := ""
	for _, f := range r.Findings {
		codes += f.Code + " "
	}
	if codes != "too-large unknown-writer " {
		t.Errorf("findings %s", codes)
	}
	p, err := consolelog.Plan(s, small)
	if err != nil || len(p.Steps) > 0 {
		t.Errorf("steps %v, %v", p.Steps, err)
	}
}

// TestObserveOddFolders: what stands in a log's place is seen and not touched.
func TestObserveOddFolders(t *testing.T) {
	root := t.TempDir()
	folder := instances(t, root, "a")
	for _, cmd := range [][]string{
		{"mkfifo", folder + "/console.log"}, {"ln", "-s", "/etc/passwd", folder + "/console.log.0"}, {"mkdir", folder + "/console.log.1"},
		{"touch", folder + "/console.log.x", folder + "/disk", folder + "/console.log-20260101.zst"},
		{"ln", "-s", folder, root + "/b"}, {"mkdir", root + "/_base", root + "/c_resize"}, {"touch", root + "/c_resize/console.log", root + "/compute_nodes"},
	} {
		run(t, cmd[0], cmd[1:]...)
	}
	s := observe(t, consolelog.Source{Instances: root})
	var got []string
	for _, l := range s.Logs {
		got = append(got, l.Instance+"/"+l.Name+" "+l.Mode.Type().String())
	}
	want := "a/console.log p---------;a/console.log.0 L---------;a/console.log.1 d---------;c_resize/console.log ----------"
	if strings.Join(got, ";") != want || len(s.Unseen) != 1 || !strings.Contains(s.Unseen[0], "/b is a symbolic link") {
		t.Errorf("seen %s, unseen %v", strings.Join(got, ";"), s.Unseen)
	}
	if _, err := consolelog.Observe(t.Context(), consolelog.Source{Instances: root + "/none"}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no such folder: %v", err)
	}
	if _, err := consolelog.Observe(t.Context(), consolelog.Source{}); err == nil {
		t.Error("no folder is named, and no error")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := consolelog.Observe(ctx, consolelog.Source{Instances: root}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestWatch: a program writes as fast as it can. After each round that bounded
// its log, the log is within its limit.
func TestWatch(t *testing.T) {
	root := t.TempDir()
	log := filepath.Join(instances(t, root, "a"), "console.log")
	stuck := filepath.Join(instances(t, root, "b"), "console.log") // of an unknown writer
	writeLines(t, stuck, 0, 10000)
	holder(t, stuck, true)
	f, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	// One process and no children: a writer that comes or goes between plan and
	// step makes the step stale.
	cmd := exec.Command("sh", "-c", `i=0; while :; do printf '%050d\n' $((i+=1)); done`)
	cmd.Stdout = f
	lab.StartCmd(t, cmd)
	p := small
	p.Writers = []string{"sh", "dash"}
	a, err := consolelog.NewApplier(consolelog.Site{Instances: root, Writers: p.Writers})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var bounded, kept atomic.Int64
	w := consolelog.Watch{Source: consolelog.Source{Instances: root}, Policy: p, Applier: a, Every: 50 * time.Millisecond,
		Options: stackmend.Options{Mode: stackmend.Apply, Irreversible: true},
		OnRound: func(r consolelog.Round) {
			if r.Snapshot == nil || r.Result.Plan == nil {
				t.Errorf("round: %v", r.Err)
				cancel()
				return
			}
			for _, o := range r.Result.Outcomes {
				if o.State == stackmend.Done {
					bounded.Add(1)
				}
			}
			kept.Add(int64(len(r.Result.Plan.Kept)))
			if bounded.Load() >= 5 {
				cancel()
			}
		}}
	if err := w.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("the watch ended with %v after %d bounds", err, bounded.Load())
	}
	if kept.Load() == 0 || size(stuck) != 600000 {
		t.Errorf("the log of an unknown writer: kept %d times, %d bytes", kept.Load(), size(stuck))
	}
	for name, bad := range map[string]consolelog.Watch{
		"no interval": {Applier: a, OnRound: w.OnRound, Policy: p},
		"a plan's ID": {Applier: a, OnRound: w.OnRound, Policy: p, Every: time.Second, Options: stackmend.Options{PlanID: "x"}},
		"no policy":   {Applier: a, OnRound: w.OnRound, Every: time.Second},
	} {
		if err := bad.Run(t.Context()); err == nil {
			t.Errorf("%s, and no error", name)
		}
	}
}

// TestMetrics: Prometheus's own tool reads what is written.
func TestMetrics(t *testing.T) {
	lab.Need(t, "promtool")
	root := t.TempDir()
	writeLines(t, filepath.Join(instances(t, root, `a"b\c`+"\nd\xff"), "console.log"), 0, 100)
	first := observe(t, consolelog.Source{Instances: root})
	var b bytes.Buffer
	if err := consolelog.WriteMetrics(&b, observe(t, consolelog.Source{Instances: root, Before: first})); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	cmd := exec.Command("promtool", "check", "metrics")
	cmd.Stdin = &b
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool: %v\n%s\n%s", err, out, text)
	}
	if !strings.Contains(text, `stackmend_console_log_size_bytes{instance="a\"b\\c\nd`+"\uFFFD"+`",file="console.log"} 6000`) {
		t.Errorf("no size in\n%s", text)
	}
}
