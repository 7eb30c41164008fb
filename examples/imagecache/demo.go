package main

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/stackmend/stackmend/examples/cli"
)

// The demo tells the incident on a small tree: storage that three computes
// share, one of them down. It needs no server and no root, and removes what it
// made.

// demoDisk is a disk in the demo's tree: an instance, where it runs, and the
// image that its header names.
type demoDisk struct{ uuid, host, image string }

var demoDisks = []demoDisk{
	{"0a1f9f5e-58a4-4f4c-9a5b-5f6de0a1c001", "c01", "debian-12"},
	{"0a1f9f5e-58a4-4f4c-9a5b-5f6de0a1c002", "c02", "ubuntu-24"},
	{"0a1f9f5e-58a4-4f4c-9a5b-5f6de0a1c003", "c03", "oracle-db"},
}

// baseName is how nova names the base image of an image.
func baseName(image string) string {
	sum := sha1.Sum([]byte(image))
	return hex.EncodeToString(sum[:])
}

// demo shows the tool's own commands and what they print. It returns an exit
// status.
func demo(ctx context.Context, w io.Writer) int {
	dir, err := os.MkdirTemp("", "imagecache-demo-")
	if err != nil {
		fmt.Fprintln(w, err)
		return 3
	}
	defer os.RemoveAll(dir)
	d := &demoRun{ctx: ctx, w: w, dir: dir}
	if err = d.build(time.Now()); err == nil {
		err = d.tell()
	}
	if err != nil {
		fmt.Fprintf(w, "the demo failed: %v\n", err)
		return 3
	}
	return 0
}

type demoRun struct {
	ctx context.Context
	w   io.Writer
	dir string
}

func (d *demoRun) path(elem ...string) string {
	return filepath.Join(append([]string{d.dir}, elem...)...)
}

// build makes the tree: instances, base images, the registry of computes, and
// nova's answers.
func (d *demoRun) build(now time.Time) error {
	old := now.Add(-60 * 24 * time.Hour)
	var err error
	for _, image := range []string{"debian-12", "ubuntu-24", "oracle-db", "old-centos-6"} {
		p := d.path("instances", "_base", baseName(image))
		err = errors.Join(err, write(p, make([]byte, 1<<20)), os.Chtimes(p, old, old))
	}
	for _, k := range demoDisks {
		backing := d.path("instances", "_base", baseName(k.image))
		err = errors.Join(err, write(d.path("instances", k.uuid, "disk"), qcow2(backing)))
	}
	registry := fmt.Sprintf(`{"c01": %d, "c02": %d, "c03": %d}`, now.Unix(), now.Unix(), now.Add(-25*time.Hour).Unix())
	return errors.Join(err,
		write(d.path("instances", "compute_nodes"), []byte(registry)),
		d.process(),
		write(d.path("nova.conf"), []byte("[DEFAULT]\ninstances_path = "+d.path("instances")+"\n")),
		d.answers(now))
}

// process makes the one process of the tree's own /proc, which has no image
// open.
func (d *demoRun) process() error {
	fds := d.path("proc", "1", "fd")
	return errors.Join(os.MkdirAll(fds, 0o700), os.Symlink(d.path("nova.conf"), filepath.Join(fds, "3")))
}

func write(path string, b []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return os.WriteFile(path, b, 0o600)
}

// answers writes what nova's API says: c03 is down, its instance "ACTIVE".
func (d *demoRun) answers(now time.Time) error {
	const stamp = "2006-01-02T15:04:05.000000"
	var services, servers []map[string]any
	for _, k := range demoDisks {
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
	list := func(name, key string, rows any, query string) error {
		m := map[string]any{key: rows, "at": at, "microversion": "2.69"}
		if query != "" {
			m["query"] = query
		}
		b, err := json.Marshal(m)
		return errors.Join(err, write(d.path(name), b))
	}
	return errors.Join(list("services.json", "services", services, ""),
		list("servers.json", "servers", servers, "all_tenants=1"),
		list("soft-deleted.json", "servers", servers[:1], "all_tenants=1&soft_deleted=true"))
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

// tell runs the commands one after the other.
func (d *demoRun) tell() error {
	unused := baseName("old-centos-6")
	d.say("Three computes share nova's instances directory. c03 is down since yesterday, so nova has forgotten it:\n" +
		"its cleaner would now delete the base image of c03's instance. What does stackmend see?")
	if err := d.run(3); err != nil {
		return err
	}
	d.say("While c03 cannot be accounted for, nothing is moved, whoever insists:")
	if err := d.run(4, "-quarantine", "QUARANTINE", "-apply"); err != nil {
		return err
	}
	d.say("The operator knows that c03 burnt down and says so. Its disk is still there and counts; one image is truly unused.\nA dry run first:")
	gone := []string{"-gone", "c03=burnt down, ticket 4711", "-quarantine", "QUARANTINE"}
	if err := d.run(1, gone...); err != nil {
		return err
	}
	d.say("Now for real. The image is moved, never deleted:")
	if err := d.run(0, append(gone, "-apply")...); err != nil {
		return err
	}
	if err := d.holds("after the quarantine", unused, false); err != nil {
		return err
	}
	d.say("Somebody needs it after all. One call puts it back, whatever host is down:")
	if err := d.run(0, "-quarantine", "QUARANTINE", "-restore", unused, "-apply"); err != nil {
		return err
	}
	if err := d.holds("after the restore", unused, true); err != nil {
		return err
	}
	d.say("The tree is as it was. Every base image that a disk refers to was there all the time.")
	return nil
}

func (d *demoRun) say(text string) {
	fmt.Fprintf(d.w, "\n# %s\n\n", strings.ReplaceAll(text, "\n", "\n# "))
}

// run shows a command and carries it out in this process.
func (d *demoRun) run(want int, args ...string) error {
	common := []string{"-instances", d.path("instances"), "-nova-conf", d.path("nova.conf"), "-services", d.path("services.json"),
		"-servers", d.path("servers.json"), "-servers", d.path("soft-deleted.json"), "-journal", d.path("imagecache.journal")}
	fmt.Fprintf(d.w, "$ imagecache -instances ... -services ... -servers ... -servers ... %s\n", strings.Join(quoted(args), " "))
	args = slices.Clone(args)
	for i, a := range args {
		if a == "QUARANTINE" {
			args[i] = d.path("instances", "_quarantine")
		}
	}
	var out bytes.Buffer
	t := &tool{proc: d.path("proc")} // of the tree: seeing everybody's open files takes root
	got := t.cli().Run(d.ctx, append(common, args...), cli.Streams{Out: &out, Err: &out, Getenv: func(string) string { return "" }})
	fmt.Fprintf(d.w, "%s(exit status %d)\n", strings.ReplaceAll(out.String(), d.dir, "/srv"), got)
	if got != want {
		return fmt.Errorf("exit status %d, want %d", got, want)
	}
	return nil
}

func quoted(args []string) []string {
	var q []string
	for _, a := range args {
		if strings.ContainsAny(a, " ,") {
			a = "'" + a + "'"
		}
		q = append(q, a)
	}
	return q
}

// holds looks for the four base images.
func (d *demoRun) holds(when, unused string, there bool) error {
	for _, image := range []string{"debian-12", "ubuntu-24", "oracle-db", "old-centos-6"} {
		name := baseName(image)
		_, err := os.Stat(d.path("instances", "_base", name))
		if (err == nil) != (name != unused || there) {
			return fmt.Errorf("%s: %s: %v", when, image, err)
		}
	}
	return nil
}
