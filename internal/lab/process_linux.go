package lab

import (
	"os"
	"os/exec"
	"runtime"
	"syscall"
)

// bindLife puts the process into a group of its own, which ends with us.
func bindLife(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
}

// launch starts the process and waits for it on one locked thread: the kernel
// sends Pdeathsig when the thread that forked ends, not when the program does.
func (p *Process) launch() error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread goes with the goroutine, after Wait
		err := p.Cmd.Start()
		started <- err
		if err == nil {
			p.err = p.Cmd.Wait()
			close(p.done)
		}
	}()
	return <-started
}

// killGroup kills the group that bindLife made.
func killGroup(p *os.Process) {
	_ = syscall.Kill(-p.Pid, syscall.SIGKILL)
}
