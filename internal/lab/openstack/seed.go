package openstack

import (
	"crypto/rand"
	"io"
	"testing"
)

// What a cloud holds from its start.
var (
	imageNames   = []string{"base-a", "base-b"}
	networkSpecs = []struct {
		name, cidr string
		row        map[string]any
	}{
		{"tun", "10.1.0.0/24", map[string]any{"shared": true}}, // vxlan, MTU 8950
		{"flat9000", "10.2.0.0/24", map[string]any{"provider:network_type": "flat", "provider:physical_network": "physnet1"}},
		{"flat1500", "10.3.0.0/24", map[string]any{"provider:network_type": "flat", "provider:physical_network": "physnet2"}},
		{"tun1450", "10.4.0.0/24", map[string]any{"mtu": 1450}},
		{"vlan", "10.5.0.0/24", map[string]any{"provider:network_type": "vlan", "provider:physical_network": "physnet1"}},
	}
)

func (c *Cloud) signInAdmin() (err error) {
	c.admin, err = c.signIn(Admin)
	return err
}

func (c *Cloud) seed() (err error) {
	for _, name := range imageNames {
		if c.images[name], err = c.upload(name); err != nil {
			return err
		}
	}
	for name, disk := range map[string]int{"m1": 1, "m0": 0} {
		c.flavors[name], err = c.admin.create("compute/flavors", "flavor", map[string]any{"name": name, "vcpus": 1, "ram": 512, "disk": disk})
		if err != nil {
			return err
		}
	}
	for _, n := range networkSpecs {
		row := map[string]any{"name": n.name}
		for k, v := range n.row {
			row[k] = v
		}
		id, err := c.admin.create("network/networks", "network", row)
		if err != nil {
			return err
		}
		_, err = c.admin.create("network/subnets", "subnet", map[string]any{"network_id": id, "ip_version": 4, "cidr": n.cidr})
		if err != nil {
			return err
		}
		c.networks[n.name] = id
	}
	return nil
}

// upload makes a public image of 64 KiB of random data.
func (c *Cloud) upload(name string) (string, error) {
	var image struct{ ID string }
	_, err := c.admin.call("POST", "image/images",
		map[string]any{"name": name, "disk_format": "raw", "container_format": "bare", "visibility": "public"}, &image)
	if err != nil {
		return "", err
	}
	return image.ID, c.fill(image.ID)
}

// fill gives an image its data.
func (c *Cloud) fill(image string) error {
	_, err := c.admin.call("PUT", "image/images/"+image+"/file", io.LimitReader(rand.Reader, 64<<10), nil)
	return err
}

// Image is the id of an image: base-a or base-b, or what Upload or Snapshot
// has made.
func (c *Cloud) Image(name string) string { return c.images[name] }

// Network is the id of a network: tun (vxlan, shared), flat9000, flat1500,
// tun1450 or vlan.
func (c *Cloud) Network(name string) string { return c.networks[name] }

// Upload makes one more public image.
func (c *Cloud) Upload(t testing.TB, name string) (id string) {
	t.Helper()
	id, err := c.upload(name)
	if err != nil {
		t.Fatal(err)
	}
	c.images[name] = id
	return id
}

// DeleteImage deletes an image from glance.
func (c *Cloud) DeleteImage(t testing.TB, id string) {
	t.Helper()
	if _, err := c.admin.call("DELETE", "image/images/"+id, nil, nil); err != nil {
		t.Fatal(err)
	}
}
