//go:build unix

package mtu

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

func ownSession(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }

// endParent kills the run, but only if it is this process's parent still: the
// number may be another process's by now.
func endParent(pid int) error {
	if os.Getppid() != pid {
		return nil
	}
	err := syscall.Kill(pid, syscall.SIGKILL)
	if errors.Is(err, syscall.ESRCH) {
		return nil
	}
	return err
}
