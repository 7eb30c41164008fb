//go:build linux

package consolelog_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stackmend/stackmend/consolelog"
	"github.com/stackmend/stackmend/internal/lab"
)

// patience is for a slow and busy machine.
const patience = 2 * time.Minute

// until polls until ok.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not %s after %v", what, patience)
		}
	}
}

// filesystems are those of the table in the package's documentation.
var filesystems = []string{"ext4", "xfs", "btrfs", "tmpfs", "overlay"}

// mounted returns an empty folder on a filesystem of this type.
func mounted(t testing.TB, kind string, size string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		lab.Without(t, "mounting needs root")
	}
	at := filepath.Join(t.TempDir(), "mnt")
	if err := os.Mkdir(at, 0o755); err != nil {
		t.Fatal(err)
	}
	switch kind {
	case "tmpfs":
		mount(t, at, "-t", "tmpfs", "-o", "size="+size, "tmpfs")
	case "ramfs":
		mount(t, at, "-t", "ramfs", "ramfs")
	case "overlay":
		below := mounted(t, "ext4", size)
		for _, d := range []string{"lower", "upper", "work"} {
			if err := os.Mkdir(filepath.Join(below, d), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		mount(t, at, "-t", "overlay", "-o", fmt.Sprintf("lowerdir=%s/lower,upperdir=%s/upper,workdir=%s/work", below, below, below), "overlay")
	default:
		lab.Need(t, "mkfs."+kind, "mount", "umount")
		image := filepath.Join(t.TempDir(), "image")
		run(t, "truncate", "-s", size, image)
		run(t, "mkfs."+kind, "-q", image)
		mount(t, at, "-o", "loop", image)
	}
	return at
}

func mount(t testing.TB, at string, arg ...string) {
	t.Helper()
	run(t, "mount", append(arg, at)...)
	t.Cleanup(func() {
		until(t, "unmounted", func() bool { return syscall.Unmount(at, 0) == nil })
	})
}

func run(t testing.TB, name string, arg ...string) {
	t.Helper()
	if out, err := exec.Command(name, arg...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, arg, err, out)
	}
}

// instances makes an instances_path with one instance's folder in it.
func instances(t testing.TB, root, id string) (folder string) {
	t.Helper()
	folder = filepath.Join(root, id)
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	return folder
}

// chardevs are the ways in which qemu writes a console's log, and whether it
// then appends.
var chardevs = []struct {
	name, arg string
	appends   bool
}{
	{"file", "file,id=c,path=%s", false},
	{"file-append", "file,id=c,path=%s,append=on", true},
	{"logfile", "null,id=c,logfile=%s", false},
	{"logfile-append", "null,id=c,logfile=%s,logappend=on", true},
	{"pty-logfile", "pty,id=c,logfile=%s,logappend=on", true},
	{"tcp-logfile", "socket,id=c,path=%s.sock,server=on,wait=off,logfile=%[1]s,logappend=on", true},
}

// spew starts a real qemu whose guest prints numbered lines for ever. image
// is spew.img or slow.img.
func spew(t testing.TB, image, chardev, log string) *lab.Process {
	t.Helper()
	lab.Need(t, "qemu-system-x86_64")
	image, err := filepath.Abs(filepath.Join("testdata/guest", image))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("qemu-system-x86_64", "-M", "pc,accel=tcg", "-m", "16", "-nodefaults", "-display", "none",
		"-drive", "file="+image+",format=raw,if=ide,snapshot=on", "-chardev", fmt.Sprintf(chardev, filepath.Base(log)), "-serial", "chardev:c")
	cmd.Dir = filepath.Dir(log)
	return lab.StartCmd(t, cmd)
}

// grown waits until a log has so many bytes.
func grown(t testing.TB, p *lab.Process, log string, bytes int64) {
	t.Helper()
	p.Until(t, fmt.Sprintf("writing %d bytes", bytes), func() bool { return size(log) >= bytes })
}

func size(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return -1
	}
	return info.Size()
}

// lineBytes is how long the guest's lines are.
const lineBytes = 60

// numbers checks that b, which may begin in the middle of a line and end in
// one, holds lines without a gap. It returns the numbers of the first and the
// last whole line.
func numbers(b []byte) (first, last int, err error) {
	first, last = -1, -1
	whole := b[bytes.IndexByte(b, '\n')+1:]
	whole = whole[:bytes.LastIndexByte(whole, '\n')+1]
	for line := range bytes.Lines(whole) {
		n, err := strconv.Atoi(string(line[:min(10, len(line))]))
		if err != nil || len(line) != lineBytes {
			return first, last, fmt.Errorf("line after %d is %q", last, line)
		}
		if last >= 0 && n != last+1 {
			return first, last, fmt.Errorf("after line %d comes %d", last, n)
		}
		if first < 0 {
			first = n
		}
		last = n
	}
	return first, last, nil
}

// writeLines appends n of the guest's lines, from number first on.
func writeLines(t testing.TB, path string, first, n int) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, "%010d kernel: spew line of exactly sixty bytes abcdefg\n", first+i)
	}
	if _, err := f.Write(b.Bytes()); err != nil {
		t.Fatal(err)
	}
}

// small is a policy for logs of a test, the smallest there is: real guests
// take their time to fill a log.
var small = consolelog.Policy{Limit: 228 << 10, Keep: 100 << 10}

func observe(t testing.TB, src consolelog.Source) *consolelog.Snapshot {
	t.Helper()
	s, err := consolelog.Observe(t.Context(), src)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// pause is the time between two looks of somebody who looks often, and leaves
// something of two cores to the guests that write.
func pause() <-chan time.Time { return time.After(10 * time.Millisecond) }

func now() time.Time { return time.Now() }
