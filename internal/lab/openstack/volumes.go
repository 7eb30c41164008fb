package openstack

import (
	"fmt"
	"os"
	"testing"
)

// VolumesThrough has the nova-compute of a host reach cinder at another
// address, such as that of a proxy, wait so many seconds for a volume, and
// start anew.
func (c *Cloud) VolumesThrough(t testing.TB, host, addr string, wait int) {
	t.Helper()
	f, err := os.OpenFile(c.conf(host+".conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = fmt.Fprintf(f, "[cinder]\nendpoint_template = http://%s/v3/%%(project_id)s\nhttp_retries = 0\n"+
		"[DEFAULT]\nblock_device_allocate_retries = %d\nblock_device_allocate_retries_interval = 1\n", addr, wait)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	c.Kill(t, host)
	c.Revive(t, host)
}

// LimitVolumes sets how many volumes the administrator's project may have.
func (c *Cloud) LimitVolumes(t testing.TB, most int) {
	t.Helper()
	_, err := c.admin.call("PUT", "volume/"+c.admin.project+"/os-quota-sets/"+c.admin.project,
		map[string]any{"quota_set": map[string]int{"volumes": most}}, nil)
	if err != nil {
		t.Fatal(err)
	}
}

// CountVolumes counts the volumes of the administrator's project that have a
// status.
func (c *Cloud) CountVolumes(t testing.TB, status string) int {
	t.Helper()
	var out struct {
		Volumes []struct{ Status string }
	}
	if _, err := c.admin.call("GET", "volume/"+c.admin.project+"/volumes/detail", nil, &out); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, v := range out.Volumes {
		if status == "" || v.Status == status {
			n++
		}
	}
	return n
}

// Lose boots a server, and waits until it is in ERROR.
func (c *Cloud) Lose(t testing.TB, b Boot) (id string) {
	t.Helper()
	id, err := c.boot(b)
	if err != nil {
		t.Fatalf("booting %s: %v", b.Name, err)
	}
	c.Await(t, id, "ERROR")
	return id
}
