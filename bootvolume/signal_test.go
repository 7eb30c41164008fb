//go:build unix

package bootvolume

import "syscall"

// signal has the master of a HAProxy reload.
func signal(pid int) error { return syscall.Kill(pid, syscall.SIGUSR2) }
