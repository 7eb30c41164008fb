//go:build unix

package appliertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"

	"github.com/stackmend/stackmend"
)

// killed kills a run at its first event, the next at its second, and so on
// until one ends before it is killed. Of every two worlds one is resumed and one
// is reverted, and the revert of every second of those is killed as well.
func (s Suite) killed(t *testing.T) {
	want := s.complete(t)
	for n := 1; ; n++ {
		p, _ := s.newPlace(t)
		alive := runChild(t, p, stackmend.Apply, n)
		s.resume(t, p, n, want)
		if alive {
			return
		}
		p, w := s.newPlace(t)
		before := look(t, w)
		runChild(t, p, stackmend.Apply, n)
		if n%2 == 0 {
			runChild(t, p, stackmend.Revert, 1+n/2%4)
		}
		s.revert(t, p, n, before, w.Plan)
		if t.Failed() {
			return
		}
	}
}

// resume goes on with what a killed child left.
func (s Suite) resume(t *testing.T, p place, n int, want string) {
	t.Helper()
	w := s.Open(t, p.world())
	j := p.journal(t)
	defer j.Close()
	if j.Plan() != nil {
		o := applying(w.Options)
		o.Journal = j
		if r, err := stackmend.Run(t.Context(), nil, w.Applier, o); err != nil {
			t.Fatalf("resumed after a kill at event %d: %v\n%s", n, err, Describe(r))
		}
		wantLook(t, w, want, fmt.Sprintf("killed at event %d and resumed,", n))
	}
	if open := j.Open(); len(open) > 0 {
		t.Errorf("killed at event %d and resumed: still open: %v", n, open)
	}
}

// revert undoes what a killed child left. A plan that is one group from its
// first step to its last is then undone altogether.
func (s Suite) revert(t *testing.T, p place, n int, before string, plan *stackmend.Plan) {
	t.Helper()
	w := s.Open(t, p.world())
	j := p.journal(t)
	defer j.Close()
	if j.Plan() == nil {
		return
	}
	complete := len(j.Open()) == 0
	o := w.Options
	o.Mode, o.Journal = stackmend.Revert, j
	if r, err := stackmend.Run(t.Context(), nil, w.Applier, o); err != nil {
		t.Fatalf("reverted after a kill at event %d: %v\n%s", n, err, Describe(r))
	}
	if open := j.Open(); len(open) > 0 || j.Plan() != nil {
		t.Errorf("killed at event %d and reverted: still open: %v", n, open)
	}
	if oneGroup(plan) && !complete {
		wantLook(t, w, before, fmt.Sprintf("killed at event %d and reverted,", n))
	}
}

func oneGroup(p *stackmend.Plan) bool {
	for _, s := range p.Steps {
		if s.Group == "" || s.Group != p.Steps[0].Group {
			return false
		}
	}
	return true
}

// runChild starts the running test anew as a process that carries out the
// world at p and kills itself at its n-th event. It reports whether the child
// lived to its end.
func runChild(t *testing.T, p place, mode stackmend.Mode, n int) (alive bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^"+topTest(t)+"$", "-test.count=1")
	cmd.Env = append(os.Environ(), "APPLIERTEST_PLACE="+string(p), "APPLIERTEST_MODE="+mode.String(), "APPLIERTEST_KILL="+strconv.Itoa(n))
	out, err := cmd.CombinedOutput()
	if err == nil {
		return true
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() && ws.Signal() == syscall.SIGKILL && ctx.Err() == nil {
			return false
		}
	}
	t.Fatalf("child: %v\n%s", err, bytes.TrimSpace(out))
	return false
}

// topTest is the name of the top-level test that t belongs to.
func topTest(t *testing.T) string {
	name, _, _ := bytes.Cut([]byte(t.Name()), []byte("/"))
	return string(name)
}

// child is the other process. It comes to a world that New made.
func (s Suite) child(t *testing.T) {
	p := childPlace()
	w := s.Open(t, p.world())
	n, err := strconv.Atoi(os.Getenv("APPLIERTEST_KILL"))
	if err != nil {
		t.Fatal(err)
	}
	o := w.Options
	if err := o.Mode.UnmarshalText([]byte(os.Getenv("APPLIERTEST_MODE"))); err != nil {
		t.Fatal(err)
	}
	o.Journal = p.journal(t)
	plan := p.plan(t)
	if o.Journal.Plan() != nil || o.Mode == stackmend.Revert {
		plan = nil
	}
	if o.Mode == stackmend.Revert && o.Journal.Plan() == nil {
		return
	}
	atEvent(&o, n, func() {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // the signal is on its way
	})
	if r, err := stackmend.Run(t.Context(), plan, w.Applier, o); err != nil {
		t.Fatalf("%v\n%s", err, Describe(r))
	}
}
