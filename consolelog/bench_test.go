//go:build linux

package consolelog_test

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/consolelog"
	"github.com/stackmend/stackmend/internal/appliertest"
	"github.com/stackmend/stackmend/internal/lab"
)

// Each benchmark stands beside its yardstick. They write CONSOLELOG_BENCH_MIB
// MiB of lines (256); 5500 is the incident. Run them with -benchtime 1x.

func benchBytes(b *testing.B) int64 {
	if text := os.Getenv("CONSOLELOG_BENCH_MIB"); text != "" {
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			b.Fatal(err)
		}
		return n << 20
	}
	return 256 << 20
}

// BenchmarkTail reads the last 100 KiB of a small log, and of one of 5.5 GB
// (a hole, for all but its end).
func BenchmarkTail(b *testing.B) {
	for _, c := range []struct {
		name string
		hole int64
	}{{"1MB", 0}, {"5.5GB", 5500 << 20}} {
		b.Run(c.name, func(b *testing.B) {
			path := logs(b, map[string]string{"console.log": ""})
			if err := os.Truncate(path, c.hole); err != nil {
				b.Fatal(err)
			}
			writeLines(b, path, 0, 20000)
			b.SetBytes(consolelog.NovaReads)
			for b.Loop() {
				if _, err := (consolelog.Tail{Path: path}).Read(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// benchLog is a log of numbered lines with something random in each, as time
// stamps and addresses are.
func benchLog(b *testing.B, path string, bytes int64) (lines int) {
	b.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, 1<<20)
	random := rand.New(rand.NewPCG(1, 2))
	for written := int64(0); written < bytes; lines++ {
		n, _ := fmt.Fprintf(w, "%010d [%12.6f] kernel: oom at %016x pid %d\n", lines, float64(lines)/997, random.Uint64(), random.IntN(90)+10)
		written += int64(n)
	}
	if err := w.Flush(); err != nil {
		b.Fatal(err)
	}
	return lines
}

// BenchmarkArchive compresses a log, beside what logrotate's compress does.
func BenchmarkArchive(b *testing.B) {
	lab.Need(b, "gzip")
	root := b.TempDir()
	source := filepath.Join(b.TempDir(), "source")
	benchLog(b, source, benchBytes(b))
	log := filepath.Join(instances(b, root, "a"), "console.log")
	b.Run("stackmend", func(b *testing.B) {
		b.SetBytes(benchBytes(b))
		for range b.N {
			b.StopTimer()
			archive := b.TempDir()
			run(b, "cp", source, log)
			b.StartTimer()
			archiveOurs(b, root, archive)
			b.StopTimer()
			b.ReportMetric(float64(folderBytes(b, filepath.Join(archive, "a")))/(1<<20), "MiB-packed")
		}
	})
	b.Run("gzip", func(b *testing.B) {
		b.SetBytes(benchBytes(b))
		for range b.N {
			b.StopTimer()
			dir := b.TempDir()
			run(b, "cp", source, dir+"/console.log")
			b.StartTimer()
			run(b, "gzip", dir+"/console.log")
			b.StopTimer()
			b.ReportMetric(float64(folderBytes(b, dir))/(1<<20), "MiB-packed")
		}
	})
}

func archiveOurs(b *testing.B, root, archive string) {
	p := consolelog.Policy{Limit: 100 << 20, Keep: 1 << 20, Archive: archive}
	plan, err := consolelog.Plan(observe(b, consolelog.Source{Instances: root, Archive: archive}), p)
	if err != nil {
		b.Fatal(err)
	}
	a, err := consolelog.NewApplier(consolelog.Site{Instances: root, Archive: consolelog.Archive{Dir: archive}})
	if err != nil {
		b.Fatal(err)
	}
	if r, err := stackmend.Run(b.Context(), plan, a, stackmend.Options{Mode: stackmend.Apply}); err != nil {
		b.Fatalf("%v\n%s", err, appliertest.Describe(r))
	}
}

func folderBytes(b *testing.B, dir string) (n int64) {
	b.Helper()
	files, err := filepath.Glob(dir + "/*")
	if err != nil {
		b.Fatal(err)
	}
	for _, f := range files {
		n += size(f)
	}
	return n
}
