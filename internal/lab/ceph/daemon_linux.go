package ceph

import (
	"os/exec"
	"runtime"
	"syscall"
)

// bindLife lets the kernel end the daemon when the test binary dies.
func bindLife(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// launch starts and waits on one locked thread: the kernel sends Pdeathsig
// when the thread that forked ends.
func (d *daemon) launch() error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread goes with the goroutine
		err := d.cmd.Start()
		started <- err
		if err == nil {
			d.err = d.cmd.Wait()
			close(d.done)
		}
	}()
	return <-started
}
