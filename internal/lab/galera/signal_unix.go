//go:build unix

package galera

import "syscall"

// cont wakes a node that a test has stopped, so that it can end.
const cont = syscall.SIGCONT
