package openstack

import (
	"testing"
	"time"
)

// Kill kills the nova-compute of a host, and waits until nova sees it down.
func (c *Cloud) Kill(t testing.TB, host string) {
	t.Helper()
	c.mu.Lock()
	p := c.services["nova-compute-"+host]
	c.mu.Unlock()
	p.Stop()
	c.awaitCompute(t, host, "down")
}

// Revive starts it again, and waits until it is up.
func (c *Cloud) Revive(t testing.TB, host string) {
	t.Helper()
	c.compute(host)
	c.awaitCompute(t, host, "up")
}

// LoseCell cuts everyone off from the database of cell2.
func (c *Cloud) LoseCell(t testing.TB) {
	t.Helper()
	c.cell2.cut()
}

// FindCell ends what LoseCell began, and waits until c03 is up.
func (c *Cloud) FindCell(t testing.TB) {
	t.Helper()
	if err := c.cell2.open(); err != nil {
		t.Fatal(err)
	}
	c.awaitCompute(t, "c03", "up")
}

func (c *Cloud) awaitCompute(t testing.TB, host, state string) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(300 * time.Millisecond) {
		var out struct {
			Services []struct{ Host, State string }
		}
		_, err := c.admin.call("GET", "compute/os-services?binary=nova-compute&host="+host, nil, &out)
		if err == nil && len(out.Services) == 1 && out.Services[0].State == state {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s does not become %s: %+v, %v\n%s", host, state, out, err, c.tail("nova-compute-"+host))
		}
	}
}
