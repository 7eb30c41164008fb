package openstack

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"
)

// SpreadVolumes lets cinder begin anew in databases that are one, as the nodes
// of Galera are: each URL gets a cinder-api of its own, "cinder-api-1" and so
// on, and the first one cinder's other services. It returns their addresses.
// The cinder-api of before keeps the database of before.
func (c *Cloud) SpreadVolumes(t testing.TB, urls ...string) (apis []string) {
	t.Helper()
	for i, url := range urls {
		if err := c.render("cinder.conf", fmt.Sprintf("cinder-%d.conf", i+1), setting{Cloud: c, Cell: "cell1", Volumes: url}); err != nil {
			t.Fatal(err)
		}
	}
	conf := []string{"--config-file", c.conf("cinder-1.conf")}
	if err := c.run(c.entry("cinder-manage", "cinder.cmd.manage:main", append(conf, "db", "sync")...)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"cinder-scheduler", "cinder-volume"} {
		c.mu.Lock()
		p := c.services[name]
		c.mu.Unlock()
		p.Stop()
	}
	c.start("cinder-scheduler", c.entry("cinder-scheduler", "cinder.cmd.scheduler:main", conf...))
	c.start("cinder-volume", c.entry("cinder-volume", "cinder.cmd.volume:main", conf...))
	for i := range urls {
		name, port := fmt.Sprintf("cinder-api-%d", i+1), 28776+i
		c.wsgi(name, port, filepath.Join(c.Dir, "py", "cinder_wsgi.py"))
		if err := c.answering(name, port); err != nil {
			t.Fatal(err)
		}
		apis = append(apis, fmt.Sprintf("%s:%d", c.Addr, port))
	}
	if err := c.poolKnown(); err != nil {
		t.Fatal(err)
	}
	return apis
}

// Unlimit takes off the limits that nova has for the administrator's project.
func (c *Cloud) Unlimit(t testing.TB) {
	t.Helper()
	_, err := c.admin.call("PUT", "compute/os-quota-sets/"+c.admin.project,
		map[string]any{"quota_set": map[string]int{"instances": -1, "cores": -1, "ram": -1}}, nil)
	if err != nil {
		t.Fatal(err)
	}
}

// Try boots servers, side by side, and waits until each is ACTIVE or in ERROR.
func (c *Cloud) Try(t testing.TB, boots ...Boot) (well, lost []string) {
	t.Helper()
	for _, id := range c.ask(t, boots) {
		if c.outcome(t, id) == "ACTIVE" {
			well = append(well, id)
		} else {
			lost = append(lost, id)
		}
	}
	return well, lost
}

// outcome waits until a server is ACTIVE or in ERROR, and says which.
func (c *Cloud) outcome(t testing.TB, id string) string {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(300 * time.Millisecond) {
		s := c.Server(t, id)
		switch {
		case s.Task == "" && (s.Status == "ACTIVE" || s.Status == "ERROR"):
			return s.Status
		case time.Now().After(end):
			t.Fatalf("server %s is still %s (%s)", s.Name, s.Status, s.Task)
		}
	}
}

// Project is the id of the administrator's project.
func (c *Cloud) Project() string { return c.admin.project }
