package watchdog

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/stackmend/stackmend"
)

// killedIn in the environment names the world in which a process is to be
// killed while it restarts the OSD.
const killedIn = "STACKMEND_KILLED_IN"

// TestTakenUp: a watchdog is killed by SIGKILL once it has stopped an OSD. The
// next one of that host, which finds no OSD and knows of the restart by the
// journal alone, starts the OSD, gives the claim back and closes the journal.
// One that only watches leaves everything as it is.
func TestTakenUp(t *testing.T) {
	if dir := os.Getenv(killedIn); dir != "" {
		killedAfterStop(t, scripted(dir))
		return
	}
	dir := scripted(t.TempDir())
	dir.make(t)
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestTakenUp$", "-test.count=1")
	cmd.Env = append(os.Environ(), killedIn+"="+string(dir))
	out, _ := cmd.CombinedOutput()
	if ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || ws.Signal() != syscall.SIGKILL {
		t.Fatalf("the first watchdog was not killed: %v\n%s", cmd.ProcessState, out)
	}
	left := "starts 1, runs false, held false, entering true"
	dir.wantLook(t, left)
	if kinds := dir.watch(t, false, func(seen map[string]int) bool { return seen["pass"] > 3 }); kinds["undone"] != 0 {
		t.Errorf("one that only watches said %v", kinds)
	}
	dir.wantLook(t, left)
	if kinds := dir.watch(t, true, func(seen map[string]int) bool { return seen["undone"] > 0 }); kinds["restart"] != 0 {
		t.Errorf("the next one said %v", kinds)
	}
	dir.wantLook(t, "starts 2, runs true, held false, entering false")
	j := dir.journal(t)
	defer j.Close()
	if p := j.Plan(); p != nil {
		t.Errorf("the journal still holds the restart of %s", p.Subject)
	}
}

// killedAfterStop restarts the OSD, and is killed when the stop is proven.
func killedAfterStop(t *testing.T, dir scripted) {
	o := stackmend.Options{Mode: stackmend.Apply, Journal: dir.journal(t)}
	o.OnEvent = func(e stackmend.Event) {
		if e.Step.Verb == verbStart {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {} // the signal is on its way
		}
	}
	r, err := stackmend.Run(t.Context(), dir.plan(t), dir.applier(t), o)
	t.Fatalf("it lived: %v %+v", err, r.Outcomes)
}

// watch runs a watchdog of this host until it has seen enough, and counts its
// passes and the kinds of its events.
func (dir scripted) watch(t *testing.T, acts bool, enough func(seen map[string]int) bool) map[string]int {
	t.Helper()
	s, err := NewSampler(SamplerOptions{Words: []string{filepath.Join(string(dir), "conf")}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	j := dir.journal(t)
	defer j.Close()
	var mu sync.Mutex
	seen := map[string]int{}
	count := func(kind string) {
		mu.Lock()
		defer mu.Unlock()
		seen[kind]++
	}
	w := &Watch{Sampler: s, Applier: dir.applier(t), Acts: acts, OnPass: func(Report) { count("pass") },
		OnEvent: func(e Event) { t.Logf("acts %t: osd.%d %s %s", acts, e.OSD, e.Kind, e.Text); count(e.Kind) }}
	if w.Run.Journal = j; acts {
		w.Run.Mode = stackmend.Apply
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Loop(ctx) }()
	until(t, "taken up", func() bool { mu.Lock(); defer mu.Unlock(); return enough(seen) })
	cancel()
	<-done
	return seen
}

func (dir scripted) journal(t *testing.T) *stackmend.Journal {
	t.Helper()
	j, err := stackmend.OpenJournal(filepath.Join(string(dir), "journal"))
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func (dir scripted) wantLook(t *testing.T, want string) {
	t.Helper()
	if got, err := dir.look(); err != nil || got != want {
		t.Fatalf("%v: %s; want %s", err, got, want)
	}
}
