package dhcp

import (
	"runtime"
	"syscall"
)

// launch starts the child and waits for it on one locked thread: the kernel
// ends the child when the thread that started it ends, so that it does not live
// on unseen.
func (p *iperf) launch() error {
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
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
