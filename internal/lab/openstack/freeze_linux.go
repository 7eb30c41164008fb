package openstack

import (
	"syscall"
	"testing"
)

// Freeze stops the processes of a service, such as "cinder-api", where they
// are, until thaw is called.
func (c *Cloud) Freeze(t testing.TB, service string) (thaw func()) {
	t.Helper()
	c.mu.Lock()
	p := c.services[service]
	c.mu.Unlock()
	send := func(sig syscall.Signal) {
		t.Helper()
		if err := syscall.Kill(-p.Process.Pid, sig); err != nil {
			t.Fatal(err)
		}
	}
	send(syscall.SIGSTOP)
	return func() { t.Helper(); send(syscall.SIGCONT) }
}
