package imagecache_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/imagecache"
)

// lists is a fleet that is known already.
type lists imagecache.Fleet

func (l lists) Fleet(context.Context) (imagecache.Fleet, error) {
	l.At = time.Now()
	return imagecache.Fleet(l), nil
}

const (
	server = "0310c6ef-2f4a-4b0c-9a55-3a8d1c1f0b11"
	inUse  = "c4597486baea8af759604b1ca9e69f3eb7a63b85_10"
	nobody = "c2d021a78a88be45478c2428352d107ddc746383"
)

// One compute is down: nothing is planned, and the plan says why.
func Example() {
	site, fleet := demo()
	defer os.RemoveAll(filepath.Dir(site.Dir))
	fleet.Services[1].State = "down"

	s, err := imagecache.Observe(context.Background(), site, imagecache.Sources{Fleet: fleet})
	if err != nil {
		log.Fatal(err)
	}
	plan, err := imagecache.Quarantine(s, imagecache.Policy{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(plan.Steps), "steps")
	for _, r := range plan.Refusals {
		fmt.Println("refused:", r)
	}
	for _, k := range plan.Kept {
		fmt.Println("kept:", k.Target[:8], k.Reason[:36])
	}
	// Output:
	// 0 steps
	// refused: host c02: its nova-compute is "down" (enabled)
	// kept: c2d021a7 nothing seen refers to it, but not a
	// kept: c4597486 1 images refer to it, such as 0310c6
}

// All computes are well: a dry run asks every guard and changes nothing.
func ExampleQuarantine() {
	site, fleet := demo()
	defer os.RemoveAll(filepath.Dir(site.Dir))
	ctx := context.Background()

	s, err := imagecache.Observe(ctx, site, imagecache.Sources{Fleet: fleet})
	if err != nil {
		log.Fatal(err)
	}
	plan, err := imagecache.Quarantine(s, imagecache.Policy{MinAge: 30 * 24 * time.Hour})
	if err != nil {
		log.Fatal(err)
	}
	for _, step := range plan.Steps {
		fmt.Println(step)
	}
	applier, err := imagecache.NewApplier(s.Site, fleet)
	if err != nil {
		log.Fatal(err) // not on Linux
	}
	_, err = stackmend.Run(ctx, plan, applier, stackmend.Options{}) // Mode: stackmend.Apply carries it out
	fmt.Println(err == nil || strings.Contains(err.Error(), "cannot be seen"))
	// Output:
	// quarantine c2d021a78a88be45478c2428352d107ddc746383
	// true
}

// demo makes an instances directory with one server, the base image of its
// disk, and one that nobody uses.
func demo() (imagecache.Site, lists) {
	dir, err := os.MkdirTemp("", "imagecache")
	if err != nil {
		log.Fatal(err)
	}
	site := imagecache.Site{Dir: filepath.Join(dir, "instances"), Quarantine: filepath.Join(dir, "quarantine")}
	write := func(path string, b []byte) {
		path = filepath.Join(site.Dir, path)
		long := time.Now().Add(-60 * 24 * time.Hour)
		for _, err := range []error{os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, b, 0o644), os.Chtimes(path, long, long)} {
			if err != nil {
				log.Fatal(err)
			}
		}
	}
	write("_base/"+inUse, []byte("an image"))
	write("_base/"+nobody, []byte("an image"))
	write(server+"/disk", overlay("/var/lib/nova/instances/_base/"+inUse))
	site.GuestDir = "/var/lib/nova/instances"
	now := time.Now()
	write("compute_nodes", fmt.Appendf(nil, `{"c01": %d, "c02": %d}`, now.Unix(), now.Unix()))
	return site, lists{
		Services: []imagecache.Service{
			{Host: "c01", State: "up", Status: "enabled", Updated: now},
			{Host: "c02", State: "up", Status: "enabled", Updated: now}},
		Servers: []imagecache.Server{{ID: server, Host: "c01", Status: "ACTIVE", Image: "3f10dbe8-4cbd-5e31-9b1f-af0cb9dda9cf"}},
	}
}

// overlay is the head of a qcow2 image with a backing file.
func overlay(backing string) []byte {
	b := make([]byte, 4096)
	copy(b, "QFI\xfb")
	binary.BigEndian.PutUint32(b[4:], 2)
	binary.BigEndian.PutUint64(b[8:], 1024)
	binary.BigEndian.PutUint32(b[16:], uint32(len(backing)))
	binary.BigEndian.PutUint32(b[20:], 16)
	copy(b[1024:], backing)
	return b
}
