package child

import (
	"os"
	"os/exec"
	"runtime"
	"syscall"
)

// bindLife puts the program into a process group of its own, and lets the
// kernel end it if this process dies.
func bindLife(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// launch starts the program and waits for it on one locked thread, because the
// kernel sends Pdeathsig when the thread that forked ends.
func (p *process) launch() error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread goes with the goroutine
		err := p.cmd.Start()
		started <- err
		if err == nil {
			p.err = p.cmd.Wait()
			close(p.done)
		}
	}()
	return <-started
}

// killGroup kills the group, unless its leader was waited for already: its
// number may be another's by now.
func killGroup(p *os.Process) {
	if p.Signal(syscall.Signal(0)) == nil {
		_ = syscall.Kill(-p.Pid, syscall.SIGKILL)
	}
}
