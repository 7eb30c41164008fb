//go:build linux

package consolelog_test

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/consolelog"
	"github.com/stackmend/stackmend/internal/appliertest"
	"github.com/stackmend/stackmend/internal/lab"
	"golang.org/x/sys/unix"
)

// BenchmarkBound bounds a log that a program is writing to, and counts which
// of the lines written meanwhile are lost: a log that is in memory whole, as
// after it was just written, and one that is not. It lies on ext4 as mkfs.ext4
// makes it, or in CONSOLELOG_BENCH_DIR.
func BenchmarkBound(b *testing.B) {
	lab.Need(b, "logrotate", "sync")
	dir := os.Getenv("CONSOLELOG_BENCH_DIR")
	if dir == "" {
		dir = disk(b, 3*benchBytes(b)+1<<30)
	}
	for _, state := range []string{"cached", "cold"} {
		for _, c := range []struct {
			name  string
			bound func(b *testing.B, root, log string)
		}{{"stackmend", boundOurs}, {"logrotate-copytruncate", boundLogrotate}} {
			b.Run(state+"/"+c.name, func(b *testing.B) {
				for range b.N {
					benchBound(b, dir, state == "cold", c.bound)
				}
			})
		}
	}
}

func benchBound(b *testing.B, dir string, cold bool, bound func(b *testing.B, root, log string)) {
	b.StopTimer()
	root, err := os.MkdirTemp(dir, "instances")
	if err != nil {
		b.Fatal(err)
	}
	defer os.RemoveAll(root)
	log := filepath.Join(instances(b, root, "a"), "console.log")
	benchLog(b, log, benchBytes(b))
	run(b, "sync", log)
	if cold {
		forget(b, log)
	}
	w := startWriter(b, log)
	before := free(b, root)
	b.StartTimer()
	bound(b, root, log)
	b.StopTimer()
	b.ReportMetric(float64(before-free(b, root))/(1<<20), "MiB-of-disk-more")
	time.Sleep(200 * time.Millisecond)
	w.Stop()
	b.ReportMetric(float64(lost(b, filepath.Dir(log))), "lines-lost")
}

// disk is a folder on a new ext4 that does not keep the log in memory a second
// time, as the page cache of a loop device's file would.
func disk(b *testing.B, bytes int64) string {
	b.Helper()
	if os.Geteuid() != 0 {
		lab.Without(b, "mounting needs root")
	}
	lab.Need(b, "mkfs.ext4", "losetup", "mount", "umount")
	image := filepath.Join(b.TempDir(), "image")
	run(b, "truncate", "-s", strconv.FormatInt(bytes, 10), image)
	run(b, "mkfs.ext4", "-q", image)
	out, err := exec.Command("losetup", "--direct-io=on", "--find", "--show", image).Output()
	if err != nil {
		b.Fatal(err)
	}
	loop := strings.TrimSpace(string(out))
	b.Cleanup(func() { run(b, "losetup", "--detach", loop) })
	at := b.TempDir()
	mount(b, at, loop)
	return at
}

// forget takes a synced file out of the page cache.
func forget(b *testing.B, path string) {
	b.Helper()
	f, err := os.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
		b.Fatal(err)
	}
}

func free(b *testing.B, dir string) int64 {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		b.Fatal(err)
	}
	return int64(st.Bavail) * int64(st.Bsize)
}

// startWriter appends lines that say NEW and count from 0.
func startWriter(b *testing.B, log string) *lab.Process {
	f, err := os.OpenFile(log, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	cmd := exec.Command("awk", `BEGIN { for (i = 0; ; i++) { print "NEW " i; if (i % 500 == 499) { fflush(); for (k = 0; k < 200000; k++); } } }`)
	cmd.Stdout = f
	before := size(log)
	p := lab.StartCmd(b, cmd)
	p.Until(b, "writing", func() bool { return size(log) > before+10000 })
	return p
}

// lost counts the gaps in the lines that say NEW, over all files of a folder.
// A bounded log may begin with any of them.
func lost(b *testing.B, folder string) (n int) {
	b.Helper()
	files, err := filepath.Glob(folder + "/console.log*")
	if err != nil {
		b.Fatal(err)
	}
	seen := map[int]bool{}
	first, last := 1<<60, -1
	for _, path := range files {
		f, err := os.Open(path)
		if err != nil {
			b.Fatal(err)
		}
		lines := bufio.NewScanner(f)
		for lines.Scan() {
			text := strings.TrimLeft(lines.Text(), "\x00")
			if k, ok := strings.CutPrefix(text, "NEW "); ok {
				if i, err := strconv.Atoi(k); err == nil {
					seen[i], first, last = true, min(first, i), max(last, i)
				}
			}
		}
		f.Close()
	}
	return last - first + 1 - len(seen)
}

func boundOurs(b *testing.B, root, log string) {
	p := consolelog.Policy{Limit: 100 << 20, Keep: 1 << 20, Writers: []string{"awk", "mawk", "gawk"}}
	plan, err := consolelog.Plan(observe(b, consolelog.Source{Instances: root}), p)
	if err != nil {
		b.Fatal(err)
	}
	a, err := consolelog.NewApplier(consolelog.Site{Instances: root, Writers: p.Writers})
	if err != nil {
		b.Fatal(err)
	}
	r, err := stackmend.Run(b.Context(), plan, a, stackmend.Options{Mode: stackmend.Apply, Irreversible: true})
	if err != nil || len(r.Outcomes) != 1 {
		b.Fatalf("%v %v\n%s", err, plan.Kept, appliertest.Describe(r))
	}
}

func boundLogrotate(b *testing.B, root, log string) {
	conf := filepath.Join(b.TempDir(), "conf")
	text := log + " {\n copytruncate\n rotate 1\n size 1M\n nocompress\n su root root\n}\n"
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		b.Fatal(err)
	}
	run(b, "logrotate", "-f", "-s", conf+".state", conf)
}
