package ceph

import (
	"os"
	"os/exec"
	"runtime"
	"syscall"
)

// ownGroup puts the child into a process group of its own, and lets the kernel
// end it if this process dies: it must not live on unseen.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// launch starts the child and waits for it on one locked thread, because the
// kernel sends Pdeathsig when the thread that forked ends.
func (c *child) launch() error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread goes with the goroutine
		err := c.cmd.Start()
		c.empty = true
		started <- err
		if err == nil {
			c.err = c.cmd.Wait()
			close(c.done)
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
