package lab

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// patience is how long a real program may take to begin, or to end, on a slow
// and busy machine.
const patience = 3 * time.Minute

// A Process is a real program that lives no longer than its test.
type Process struct {
	*exec.Cmd
	done   chan struct{} // closed when the process has ended
	err    error         // how it ended; read after done
	output string        // file of its stdout and stderr
}

// Start starts a program in a process group of its own, which is killed when
// the test ends, and which the kernel kills when the test binary dies (Linux).
// What it prints goes to a file, and to the test's log if the test fails.
func Start(t testing.TB, name string, arg ...string) *Process {
	t.Helper()
	return StartCmd(t, exec.Command(name, arg...))
}

// StartCmd is Start of a command that the caller has furnished (Dir, Env,
// Stdin, Stdout). An output that is already set is left alone.
func StartCmd(t testing.TB, cmd *exec.Cmd) *Process {
	t.Helper()
	out, err := os.Create(filepath.Join(t.TempDir(), filepath.Base(cmd.Path)+".out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if cmd.Stdout == nil {
		cmd.Stdout = out
	}
	if cmd.Stderr == nil {
		cmd.Stderr = out
	}
	bindLife(cmd)
	p := &Process{Cmd: cmd, done: make(chan struct{}), output: out.Name()}
	if err := p.launch(); err != nil {
		t.Fatalf("starting %s: %v", cmd.Path, err)
	}
	t.Cleanup(func() {
		p.Stop()
		if t.Failed() {
			t.Logf("output of %s:\n%s", strings.Join(cmd.Args, " "), p.Output())
		}
	})
	return p
}

// Stop kills the process and all of its group, and waits until it is gone.
func (p *Process) Stop() {
	killGroup(p.Process)
	<-p.done
}

// Wait waits for the process to end by itself.
func (p *Process) Wait() error {
	select {
	case <-p.done:
		return p.err
	case <-time.After(patience):
		return fmt.Errorf("%s has not ended after %v", p.Path, patience)
	}
}

// Ended reports whether the process has ended.
func (p *Process) Ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// Output is what the process has printed until now, if Start took it.
func (p *Process) Output() string {
	b, err := os.ReadFile(p.output)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// Until polls until ok, and fails the test if p ends before or takes too long.
func (p *Process) Until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	end := time.Now().Add(patience)
	for !ok() {
		switch {
		case p.Ended():
			t.Fatalf("%s ended before %s: %v\n%s", p.Path, what, p.err, p.Output())
		case time.Now().After(end):
			t.Fatalf("%s: not %s after %v\n%s", p.Path, what, patience, p.Output())
		}
		time.Sleep(10 * time.Millisecond)
	}
}
