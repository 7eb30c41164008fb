package mariadb

import "syscall"

// childAttr makes the server end with the test that started it, also when the
// test is killed.
func childAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
