package openstack

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

// Boot says which server to boot.
type Boot struct {
	Name    string
	Host    string // empty: nova chooses; only Admin may name one
	Image   string // id; base-a if empty
	Network string // name; tun if empty
	Volume  bool   // boot from a volume made of the image
	As      User   // Admin if empty
}

// Boot boots servers, side by side, and waits until they are ACTIVE.
func (c *Cloud) Boot(t testing.TB, boots ...Boot) (ids []string) {
	t.Helper()
	ids = c.ask(t, boots)
	for _, id := range ids {
		c.Await(t, id, "ACTIVE")
	}
	return ids
}

// ask asks nova for servers.
func (c *Cloud) ask(t testing.TB, boots []Boot) (ids []string) {
	t.Helper()
	for _, b := range boots {
		id, err := c.boot(b)
		if err != nil {
			t.Fatalf("booting %s: %v", b.Name, err)
		}
		ids = append(ids, id)
	}
	return ids
}

func (c *Cloud) boot(b Boot) (string, error) {
	l := c.admin
	if b.As.Name != "" && b.As != Admin {
		var err error
		if l, err = c.signIn(b.As); err != nil {
			return "", err
		}
	}
	if b.Image == "" {
		b.Image = c.images["base-a"]
	}
	if b.Network == "" {
		b.Network = "tun"
	}
	row := map[string]any{"name": b.Name, "networks": []any{map[string]string{"uuid": c.networks[b.Network]}}}
	if b.Host != "" {
		row["host"] = b.Host
	}
	if b.Volume {
		row["flavorRef"] = c.flavors["m0"]
		row["block_device_mapping_v2"] = []any{map[string]any{"source_type": "image", "destination_type": "volume", "uuid": b.Image,
			"volume_size": 1, "boot_index": 0, "delete_on_termination": true}}
	} else {
		row["flavorRef"], row["imageRef"] = c.flavors["m1"], b.Image
	}
	return l.create("compute/servers", "server", row)
}

// A Server is what nova says of one.
type Server struct {
	ID, Name, Status string
	Host             string `json:"OS-EXT-SRV-ATTR:host"`
	Task             string `json:"OS-EXT-STS:task_state"`
	Fault            struct{ Message string }
}

// Server asks nova for a server.
func (c *Cloud) Server(t testing.TB, id string) Server {
	t.Helper()
	var out struct{ Server Server }
	if _, err := c.admin.call("GET", "compute/servers/"+id, nil, &out); err != nil {
		t.Fatal(err)
	}
	return out.Server
}

// Await waits until a server has the status and nothing is done to it.
func (c *Cloud) Await(t testing.TB, id, status string) Server {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(300 * time.Millisecond) {
		s := c.Server(t, id)
		switch {
		case s.Status == status && s.Task == "":
			return s
		case s.Status == "ERROR" || time.Now().After(end):
			t.Fatalf("server %s is %s (%s), not %s: %s", s.Name, s.Status, s.Task, status, s.Fault.Message)
		}
	}
}

// Act posts an action such as os-stop, with its parameters or nil.
func (c *Cloud) Act(t testing.TB, id, action string, parameters any) (answer json.RawMessage) {
	t.Helper()
	if _, err := c.admin.call("POST", "compute/servers/"+id+"/action", map[string]any{action: parameters}, &answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

// Shelve shelves a server and takes it off its host.
func (c *Cloud) Shelve(t testing.TB, id string) {
	t.Helper()
	c.Act(t, id, "shelve", nil)
	c.Await(t, id, "SHELVED_OFFLOADED")
}

// SoftDelete deletes a server, which nova keeps for its reclaim interval.
func (c *Cloud) SoftDelete(t testing.TB, id string) {
	t.Helper()
	if _, err := c.admin.call("DELETE", "compute/servers/"+id, nil, nil); err != nil {
		t.Fatal(err)
	}
	c.Await(t, id, "SOFT_DELETED")
}

// Snapshot makes an image of a server. The fake driver uploads nothing, so
// that its data are made here.
func (c *Cloud) Snapshot(t testing.TB, id, name string) (image string) {
	t.Helper()
	var out struct {
		ID string `json:"image_id"`
	}
	if err := json.Unmarshal(c.Act(t, id, "createImage", map[string]any{"name": name}), &out); err != nil {
		t.Fatal(err)
	}
	c.Await(t, id, "ACTIVE")
	if err := c.complete(out.ID); err != nil {
		t.Fatal(err)
	}
	c.images[name] = out.ID
	return out.ID
}

// complete gives an image that is queued its format and its data.
func (c *Cloud) complete(image string) error {
	var row struct {
		Status string
		Disk   string `json:"disk_format"`
	}
	if _, err := c.admin.call("GET", "image/images/"+image, nil, &row); err != nil || row.Status != "queued" {
		return err
	}
	if row.Disk == "" {
		req, err := c.admin.request("PATCH", "image/images/"+image, []any{
			map[string]string{"op": "add", "path": "/disk_format", "value": "raw"},
			map[string]string{"op": "add", "path": "/container_format", "value": "bare"}})
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/openstack-images-v2.1-json-patch")
		if _, err := send(req, nil); err != nil {
			return fmt.Errorf("the image's format: %w", err)
		}
	}
	return c.fill(image)
}

// Delete deletes a server for good, and waits until it is gone from its host.
func (c *Cloud) Delete(t testing.TB, id string) {
	t.Helper()
	c.Act(t, id, "forceDelete", nil)
	for end := time.Now().Add(patience); ; time.Sleep(300 * time.Millisecond) {
		if _, err := c.admin.call("GET", "compute/servers/"+id, nil, nil); err != nil {
			if strings.Contains(err.Error(), "404") {
				return
			}
			t.Fatal(err)
		}
		if time.Now().After(end) {
			t.Fatalf("server %s is not deleted", id)
		}
	}
}
