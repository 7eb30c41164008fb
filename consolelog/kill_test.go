//go:build linux

package consolelog_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/consolelog"
	"github.com/stackmend/stackmend/internal/appliertest"
	"github.com/stackmend/stackmend/internal/lab"
)

// TestKilled kills a bound with an archive, again and again, at each of its
// events and then at random moments, while a program writes numbered lines.
// Nothing resumes from a journal: each next process begins with a new look. In
// the end the archive and the log together hold every line once.
func TestKilled(t *testing.T) {
	if dir := os.Getenv("CONSOLELOG_TEST_KILL"); dir != "" {
		killedChild(t, dir)
		return
	}
	for _, appends := range []bool{true, false} {
		t.Run(fmt.Sprintf("append=%v", appends), func(t *testing.T) { killed(t, appends) })
	}
}

// killPolicy cuts deep and in several segments.
var killPolicy = consolelog.Policy{Limit: 320 << 10, Keep: 128 << 10, Writers: []string{"sh", "dash", "seq"}}

func killed(t *testing.T, appends bool) {
	dir := t.TempDir()
	for _, d := range []string{"instances", "archive"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	log := filepath.Join(instances(t, filepath.Join(dir, "instances"), "a"), "console.log")
	w := startCounter(t, log, appends)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	events, moments := 22, 4
	if !appends { // what differs is whether a collapse follows
		events, moments = 0, 5
	}
	for n := 1; n <= events+moments; n++ {
		w.write(t, 6000+random.IntN(4000))
		if n <= events {
			runKilled(t, dir, fmt.Sprintf("event=%d", n), 0)
		} else {
			runKilled(t, dir, "", time.Duration(random.IntN(60))*time.Millisecond)
		}
		everyLine(t, dir, log, w.next, false)
		if t.Failed() {
			t.Fatalf("at kill %d", n)
		}
	}
	if alive := runKilled(t, dir, "", 0); !alive {
		t.Error("the last run did not come to its end")
	}
	everyLine(t, dir, log, w.next, true)
	if held(t, log) > killPolicy.Limit {
		t.Errorf("the log holds %d bytes in the end", held(t, log))
	}
}

// everyLine checks that archive and log together hold lines 0 to next-1. Until
// the last run has settled it, the last range archived may still be in the log
// as well.
func everyLine(t *testing.T, dir, log string, next int, settled bool) {
	t.Helper()
	kept, err := archived(filepath.Join(dir, "archive/a"))
	if err != nil {
		t.Error(err)
		return
	}
	b, err := os.ReadFile(log)
	if err != nil {
		t.Error(err)
		return
	}
	rest := bytes.TrimLeft(b, "\x00")
	if open := openManifests(t, dir); open > 1 || settled && open > 0 {
		t.Errorf("%d ranges are archived and not removed", open)
	} else if open == 1 && len(kept)+len(rest) < next*lineBytes {
		return // removed, and not yet noted as that
	}
	first, last, err := numbers(append([]byte("\n"), append(kept, rest...)...))
	if err != nil || first != 0 || last != next-1 {
		t.Errorf("archive and log hold lines %d to %d of %d, %v", first, last, next, err)
	}
}

func openManifests(t *testing.T, dir string) int {
	t.Helper()
	all, _ := filepath.Glob(filepath.Join(dir, "archive/a/*.json"))
	open := 0
	for _, path := range all {
		m, err := consolelog.ReadManifest(path)
		if err != nil {
			t.Error(err)
			continue
		}
		if m.State != consolelog.Removed {
			open++
		}
	}
	return open
}

// runKilled runs this test as another process that bounds the log. It reports
// whether that lived to its end. It kills it after a time, or the process
// kills itself.
func runKilled(t *testing.T, dir, how string, after time.Duration) (alive bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestKilled$", "-test.count=1")
	cmd.Env = append(os.Environ(), "CONSOLELOG_TEST_KILL="+dir, "CONSOLELOG_TEST_KILL_HOW="+how)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if after > 0 {
		begun := filepath.Join(dir, "begun")
		until(t, "begun", func() bool { return os.Remove(begun) == nil })
		time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
	}
	err := cmd.Wait()
	if err == nil {
		return true
	}
	if ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !ws.Signaled() || ws.Signal() != syscall.SIGKILL {
		t.Fatalf("child: %v\n%s", err, out.String())
	}
	return false
}

// killedChild is that other process.
func killedChild(t *testing.T, dir string) {
	root, archive := filepath.Join(dir, "instances"), filepath.Join(dir, "archive")
	p := killPolicy
	p.Archive = archive
	plan, err := consolelog.Plan(observe(t, consolelog.Source{Instances: root, Archive: archive}), p)
	if err != nil {
		t.Fatal(err)
	}
	a, err := consolelog.NewApplier(consolelog.Site{Instances: root, Writers: p.Writers, Archive: consolelog.Archive{Dir: archive, Segment: 128 << 10}})
	if err != nil {
		t.Fatal(err)
	}
	var kill, seen int
	fmt.Sscanf(os.Getenv("CONSOLELOG_TEST_KILL_HOW"), "event=%d", &kill)
	if err := os.WriteFile(filepath.Join(dir, "begun"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := stackmend.Run(t.Context(), plan, a, stackmend.Options{Mode: stackmend.Apply, OnEvent: func(stackmend.Event) {
		if seen++; seen == kill {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}})
	if err != nil || len(plan.Kept) > 0 {
		t.Fatalf("%v, kept %v\n%s", err, plan.Kept, appliertest.Describe(r))
	}
}

// A counter is a program that writes numbered lines to a log when it is told
// to.
type counter struct {
	stdin interface{ Write([]byte) (int, error) }
	log   string
	next  int
}

// startCounter starts one: a shell reads how many lines to write.
func startCounter(t *testing.T, log string, appends bool) *counter {
	t.Helper()
	flags := os.O_CREATE | os.O_WRONLY
	if appends {
		flags |= os.O_APPEND
	}
	f, err := os.OpenFile(log, flags, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	t.Cleanup(func() { w.Close() })
	cmd := exec.Command("sh", "-c", `i=0; while read n; do seq -f '%010.0f kernel: spew line of exactly sixty bytes abcdefg' $i $((i+n-1)); i=$((i+n)); done`)
	cmd.Stdin, cmd.Stdout = r, f
	lab.StartCmd(t, cmd)
	return &counter{stdin: w, log: log}
}

// write tells it to write n lines, and waits until the last is there.
func (c *counter) write(t *testing.T, n int) {
	t.Helper()
	if _, err := c.stdin.Write([]byte(strconv.Itoa(n) + "\n")); err != nil {
		t.Fatal(err)
	}
	c.next += n
	until(t, "written", func() bool {
		b, err := consolelog.Tail{Path: c.log, Bytes: 4096}.Read()
		_, last, gap := numbers(b)
		return err == nil && gap == nil && last == c.next-1
	})
}
