package imagecache

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// A cloud is a small instances directory and what nova says of it: two
// computes that are well, and a server on each.
type cloud struct {
	t     testing.TB
	dir   string // instances_path
	fleet Fleet
	hosts map[string]time.Duration // compute_nodes: ages
	conf  Config
	site  Site
}

// Fleet implements FleetReader.
func (c *cloud) Fleet(context.Context) (Fleet, error) {
	f := c.fleet
	if f.At.IsZero() {
		f.At = time.Now()
	}
	return f, nil
}

func hostOK(name string) Service {
	return Service{Host: name, State: "up", Status: "enabled", Updated: time.Now()}
}

const (
	old     = 30 * day
	imageA  = "3f10dbe8-4cbd-5e31-9b1f-af0cb9dda9cf"
	imageB  = "4f3f2898-69e3-5a0d-820a-c4e87987dbce"
	serverA = "11111111-1111-4111-8111-111111111111"
	serverB = "22222222-2222-4222-8222-222222222222"
)

var (
	baseA  = hashOf(imageA) + "_10"
	baseB  = hashOf(imageB) + "_10"
	unused = hashOf("an image that nobody uses")
)

// newCloud makes base images A and B with a server each, and an unused one.
func newCloud(t testing.TB, dir string) *cloud {
	t.Helper()
	c := openCloud(t, dir)
	c.mkdir("instances/_base")
	c.base(baseA, old)
	c.base(baseB, old)
	c.base(unused, old)
	c.disk(serverA, "disk", c.path("_base", baseA))
	c.disk(serverB, "disk", c.path("_base", baseB))
	c.register()
	c.see(os.Getpid())
	return c
}

// see adds a process to those that the cloud's host shows. Tests see only
// processes of their own, so that they run where others are out of reach.
func (c *cloud) see(pid int) {
	c.t.Helper()
	c.must(os.MkdirAll(c.site.Proc, 0o755))
	err := os.Symlink(filepath.Join("/proc", strconv.Itoa(pid)), filepath.Join(c.site.Proc, strconv.Itoa(pid)))
	if !errors.Is(err, os.ErrExist) {
		c.must(err)
	}
}

func openCloud(t testing.TB, dir string) *cloud {
	c := &cloud{t: t, dir: filepath.Join(dir, "instances"), hosts: map[string]time.Duration{"c01": time.Minute, "c02": time.Minute}}
	c.fleet = Fleet{Services: []Service{hostOK("c01"), hostOK("c02")}, Servers: []Server{
		{ID: serverA, Host: "c01", Status: "ACTIVE", Image: imageA},
		{ID: serverB, Host: "c02", Status: "ACTIVE", Image: imageB},
	}}
	c.site = Site{Dir: c.dir, Quarantine: filepath.Join(dir, "quarantine"), Proc: filepath.Join(dir, "proc")}
	return c
}

func (c *cloud) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *cloud) path(elem ...string) string {
	return filepath.Join(append([]string{c.dir}, elem...)...)
}

func (c *cloud) mkdir(rel string) {
	c.t.Helper()
	c.must(os.MkdirAll(filepath.Join(filepath.Dir(c.dir), rel), 0o755))
}

// base writes a raw base image that was touched so long ago.
func (c *cloud) base(name string, age time.Duration) {
	c.t.Helper()
	c.write(filepath.Join("_base", name), bytes.Repeat([]byte(name), 200))
	at := time.Now().Add(-age)
	c.must(os.Chtimes(c.path("_base", name), at, at))
}

func (c *cloud) write(rel string, b []byte) {
	c.t.Helper()
	c.must(os.MkdirAll(filepath.Dir(c.path(rel)), 0o755))
	c.must(os.WriteFile(c.path(rel), b, 0o644))
}

func (c *cloud) disk(instance, name, backing string) {
	c.t.Helper()
	c.write(filepath.Join(instance, name), qcow2(header{backing: backing}))
}

// register writes compute_nodes as nova does.
func (c *cloud) register() {
	c.t.Helper()
	m := map[string]float64{}
	for h, age := range c.hosts {
		m[h] = float64(time.Now().Add(-age).UnixNano()) / 1e9
	}
	b, err := json.Marshal(m)
	c.must(err)
	c.write("compute_nodes", b)
}

func (c *cloud) observe() *Snapshot {
	c.t.Helper()
	s, err := Observe(c.t.Context(), c.site, Sources{Fleet: c, Config: c.conf})
	c.must(err)
	return s
}

// header is what a made-up qcow2 head says.
type header struct {
	version  uint32 // zero: 3
	backing  string
	format   string // of the backing file
	data     string
	features uint64
	at       int // where the backing name lies; zero: behind the extensions
}

// qcow2 makes the first cluster of an image as qemu-img lays it out.
func qcow2(h header) []byte {
	if h.version == 0 {
		h.version = 3
	}
	length := 72
	if h.version == 3 {
		length = 112
	}
	b := make([]byte, length, 65536)
	copy(b, "QFI\xfb")
	binary.BigEndian.PutUint32(b[4:], h.version)
	binary.BigEndian.PutUint32(b[20:], 16)
	binary.BigEndian.PutUint64(b[24:], 1<<30)
	if h.version == 3 {
		if h.data != "" {
			h.features |= incompatDataFile
		}
		binary.BigEndian.PutUint64(b[72:], h.features)
		binary.BigEndian.PutUint32(b[96:], 4)
		binary.BigEndian.PutUint32(b[100:], uint32(length))
	}
	b = extension(b, extBackingFormat, h.format)
	b = extension(b, extDataFile, h.data)
	b = append(b, make([]byte, 8)...)
	if h.backing != "" {
		if h.at == 0 {
			h.at = len(b)
		}
		binary.BigEndian.PutUint64(b[8:], uint64(h.at))
		binary.BigEndian.PutUint32(b[16:], uint32(len(h.backing)))
		b = append(b[:max(len(b), h.at)], make([]byte, len(h.backing))...)
		copy(b[h.at:], h.backing)
	}
	return b[:65536]
}

func extension(b []byte, kind uint32, value string) []byte {
	if value == "" {
		return b
	}
	b = binary.BigEndian.AppendUint32(b, kind)
	b = binary.BigEndian.AppendUint32(b, uint32(len(value)))
	b = append(b, value...)
	return append(b, make([]byte, (8-len(value)%8)%8)...)
}
