// Package tree makes a small image cache to try things on: storage that three
// computes share, one of which, c03, is down since yesterday. It needs no
// server and no root. It may be imported, and it promises nothing.
package tree

import (
	"bytes"
	"crypto/sha1"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Images are those that the cache holds; no instance needs the last one.
var Images = [...]string{"debian-12", "ubuntu-24", "oracle-db", "old-centos-6"}

// Unused is the image that no instance needs.
const Unused = "old-centos-6"

// instance is an instance of the tree: where it runs, and the image that the
// header of its disk names.
type instance struct{ uuid, host, image string }

var instances = []instance{
	{"0a1f9f5e-58a4-4f4c-9a5b-5f6de0a1c001", "c01", "debian-12"},
	{"0a1f9f5e-58a4-4f4c-9a5b-5f6de0a1c002", "c02", "ubuntu-24"},
	{"0a1f9f5e-58a4-4f4c-9a5b-5f6de0a1c003", "c03", "oracle-db"},
}

// BaseName is how nova names the base image of an image.
func BaseName(image string) string {
	sum := sha1.Sum([]byte(image))
	return hex.EncodeToString(sum[:])
}

// A Tree is what Make has made.
type Tree struct{ Dir string }

// Path is a path in the tree.
func (t Tree) Path(elem ...string) string {
	return filepath.Join(append([]string{t.Dir}, elem...)...)
}

// Instances is nova's instances_path, Quarantine a folder for a quarantine, Proc
// what stands in for /proc: seeing everybody's open files takes root.
func (t Tree) Instances() string  { return t.Path("instances") }
func (t Tree) Quarantine() string { return t.Path("instances", "_quarantine") }
func (t Tree) Proc() string       { return t.Path("proc") }
func (t Tree) NovaConf() string   { return t.Path("nova.conf") }

// Services and Servers are files with what nova's API says of the computes and
// of the instances, in both lists.
func (t Tree) Services() string { return t.Path("services.json") }
func (t Tree) Servers() []string {
	return []string{t.Path("servers.json"), t.Path("soft-deleted.json")}
}

// Has reports whether the cache holds an image.
func (t Tree) Has(image string) bool {
	_, err := os.Stat(t.Path("instances", "_base", BaseName(image)))
	return err == nil
}

// Make makes the tree in an empty folder.
func Make(dir string, now time.Time) (Tree, error) {
	t := Tree{dir}
	old := now.Add(-60 * 24 * time.Hour)
	var err error
	for _, image := range Images {
		p := t.Path("instances", "_base", BaseName(image))
		err = errors.Join(err, write(p, make([]byte, 1<<20)), os.Chtimes(p, old, old))
	}
	for _, k := range instances {
		backing := t.Path("instances", "_base", BaseName(k.image))
		err = errors.Join(err, write(t.Path("instances", k.uuid, "disk"), qcow2(backing)))
	}
	registry := fmt.Sprintf(`{"c01": %d, "c02": %d, "c03": %d}`, now.Unix(), now.Unix(), now.Add(-25*time.Hour).Unix())
	return t, errors.Join(err,
		write(t.Path("instances", "compute_nodes"), []byte(registry)),
		t.process(),
		write(t.NovaConf(), []byte("[DEFAULT]\ninstances_path = "+t.Instances()+"\n")),
		t.answers(now))
}

// process makes the one process of the tree's own /proc, which has no image
// open.
func (t Tree) process() error {
	fds := t.Path("proc", "1", "fd")
	return errors.Join(os.MkdirAll(fds, 0o700), os.Symlink(t.NovaConf(), filepath.Join(fds, "3")))
}

func write(path string, b []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return os.WriteFile(path, b, 0o600)
}

// answers writes what nova's API says: c03 is down, its instance "ACTIVE".
func (t Tree) answers(now time.Time) error {
	const stamp = "2006-01-02T15:04:05.000000"
	var services, servers []map[string]any
	for _, k := range instances {
		state, updated := "up", now
		if k.host == "c03" {
			state, updated = "down", now.Add(-25*time.Hour)
		}
		services = append(services, map[string]any{"id": "service-" + k.host, "binary": "nova-compute", "host": k.host, "zone": "nova",
			"status": "enabled", "state": state, "forced_down": false, "updated_at": updated.UTC().Format(stamp)})
		servers = append(servers, map[string]any{"id": k.uuid, "name": "vm-" + k.host, "status": "ACTIVE", "tenant_id": "p" + k.host,
			"OS-EXT-SRV-ATTR:host": k.host, "host_status": "UP", "image": map[string]string{"id": k.image},
			"trusted_image_certificates":           nil,
			"os-extended-volumes:volumes_attached": []any{}})
	}
	at := now.UTC().Format(time.RFC3339)
	list := func(path, key string, rows any, query string) error {
		m := map[string]any{key: rows, "at": at, "microversion": "2.69"}
		if query != "" {
			m["query"] = query
		}
		b, err := json.Marshal(m)
		return errors.Join(err, write(path, b))
	}
	return errors.Join(list(t.Services(), "services", services, ""),
		list(t.Servers()[0], "servers", servers, "all_tenants=1"),
		list(t.Servers()[1], "servers", servers[:1], "all_tenants=1&soft_deleted=true"))
}

// qcow2 is the smallest image that names a backing file: a version 3 header
// (docs/interop/qcow2.rst of qemu v7.2.0).
func qcow2(backing string) []byte {
	var b bytes.Buffer
	const header = 104
	for _, field := range []any{
		[4]byte{'Q', 'F', 'I', 0xfb}, uint32(3), // magic, version
		uint64(header + 8), uint32(len(backing)), // where the backing name is, its length
		uint32(16), uint64(1 << 20), uint32(0), uint32(0), uint64(0), // cluster bits, size, encryption, L1
		uint64(0), uint32(0), uint32(0), uint64(0), // reference counts, snapshots
		uint64(0), uint64(0), uint64(0), uint32(4), uint32(header), // features, refcount order, header length
		uint64(0), // end of the header extensions
	} {
		_ = binary.Write(&b, binary.BigEndian, field) // to memory
	}
	b.WriteString(backing)
	return b.Bytes()
}
