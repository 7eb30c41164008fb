package imagecache

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stackmend/stackmend/internal/lab"
	"golang.org/x/sys/unix"
)

// instances makes n directories with what nova keeps in them: a disk, its
// disk.info and a console log.
func instances(b testing.TB, n int) *cloud {
	b.Helper()
	c := newCloud(b, b.TempDir())
	c.site.GuestDir = "/var/lib/nova/instances"
	disk := template(b)
	for i := range n {
		dir := fmt.Sprintf("%08x-0000-4000-8000-000000000000", i)
		c.must(os.Mkdir(c.path(dir), 0o755))
		c.must(disk(c.path(dir, "disk")))
		c.must(os.WriteFile(c.path(dir, "disk.info"), []byte(`{"/var/lib/nova/instances/`+dir+`/disk": "qcow2"}`), 0o644))
		c.must(os.WriteFile(c.path(dir, "console.log"), []byte("[    0.000000] Linux\n"), 0o644))
	}
	return c
}

// template returns a function that writes sparse copies of an image made by
// qemu-img.
func template(b testing.TB) func(path string) error {
	lab.Need(b, "qemu-img")
	at := filepath.Join(b.TempDir(), "disk")
	backing := "/var/lib/nova/instances/_base/" + baseA
	if out, err := exec.Command("qemu-img", "create", "-q", "-u", "-f", "qcow2", "-b", backing, "-F", "raw", at, "10G").CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	image, err := os.ReadFile(at)
	if err != nil {
		b.Fatal(err)
	}
	return func(path string) error {
		f, err := os.Create(path)
		if err != nil {
			return err
		}
		defer f.Close()
		zero := make([]byte, 4096)
		for off := 0; off < len(image); off += len(zero) {
			if block := image[off:min(off+len(zero), len(image))]; !bytes.Equal(block, zero[:len(block)]) {
				if _, err := f.WriteAt(block, int64(off)); err != nil {
					return err
				}
			}
		}
		return f.Truncate(int64(len(image)))
	}
}

const many = 20000

// BenchmarkHeaders reads 20,000 headers, beside a loop that only opens, reads
// and closes, and beside qemu-img info. All times are per file.
func BenchmarkHeaders(b *testing.B) {
	c := instances(b, many)
	root, err := openFolder(c.dir)
	c.must(err)
	defer root.close()
	var disks []string
	names, err := listDirs(root)
	c.must(err)
	for _, d := range names {
		if _, err := os.Stat(c.path(d, "disk")); err == nil {
			disks = append(disks, filepath.Join(d, "disk"))
		}
	}
	buf := make([]byte, headSize)
	bare := func() {
		for _, d := range disks {
			fd, err := unix.Openat(root.fd, d, unix.O_RDONLY|unix.O_CLOEXEC, 0)
			c.must(err)
			_, err = unix.Pread(fd, buf, 0)
			c.must(err)
			unix.Close(fd)
		}
	}
	ours := func() {
		for _, d := range disks {
			f, err := root.open(d)
			c.must(err)
			n, err := f.head(buf)
			c.must(err)
			if h, err := parseHeader(buf[:n], f); err != nil || h.Backing == "" {
				b.Fatal(h, err)
			}
			f.Close()
		}
	}
	t := lab.Alternate(b, bare, ours)
	per := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / float64(len(disks)) }
	b.ReportMetric(per(t[0]), "ns/bare-loop")
	b.ReportMetric(per(t[1]), "ns/header")
	b.ReportMetric(float64(t[1])/float64(t[0]), "x-bare-loop")
	const some = 100
	start := time.Now()
	for _, d := range disks[2 : some+2] {
		c.must(exec.Command("qemu-img", "info", "-U", "--output=json", c.path(d)).Run())
	}
	q := float64(time.Since(start).Nanoseconds()) / some
	b.ReportMetric(q, "ns/qemu-img-info")
	b.ReportMetric(q/per(t[1]), "x-faster-than-qemu-img")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkObserve reads 20,000 instance directories, beside the find that
// stats the same files.
func BenchmarkObserve(b *testing.B) {
	lab.Need(b, "find")
	c := instances(b, many)
	find := func() {
		c.must(exec.Command("find", c.dir, "-type", "f", "-size", "+1000000").Run())
	}
	observe := func() {
		if s := c.observe(); len(s.Images) < many {
			b.Fatal(len(s.Images), s.Problems)
		}
	}
	t := lab.Alternate(b, find, observe)
	b.ReportMetric(float64(t[0].Milliseconds()), "ms/find")
	b.ReportMetric(float64(t[1].Milliseconds()), "ms/observe")
	b.ReportMetric(float64(t[1])/float64(t[0]), "x-find")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkMemory observes 100,000 files in a process of its own and reports
// the most memory that it ever had.
func BenchmarkMemory(b *testing.B) {
	if dir := os.Getenv("IMAGECACHE_BENCH_DIR"); dir != "" {
		c := openCloud(b, dir)
		c.site.GuestDir = "/var/lib/nova/instances"
		if s := c.observe(); s.Files < 100000 || len(s.Problems) > 0 {
			b.Fatal(s.Files, s.Problems)
		} else if _, err := Quarantine(s, Policy{}); err != nil {
			b.Fatal(err)
		}
		return
	}
	c := instances(b, 33334)
	for b.Loop() {
		self, err := os.Executable()
		c.must(err)
		cmd := exec.Command(self, "-test.run=^$", "-test.bench=^BenchmarkMemory$", "-test.benchtime=1x")
		cmd.Env = append(os.Environ(), "IMAGECACHE_BENCH_DIR="+filepath.Dir(c.dir))
		out, err := cmd.CombinedOutput()
		if err != nil {
			b.Fatalf("%v\n%s", err, out)
		}
		b.ReportMetric(float64(cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss)/1024, "MiB-maxrss")
	}
}
