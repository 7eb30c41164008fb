package watchdog

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// cpu is the processor time that this process has used.
func cpu(t testing.TB) time.Duration {
	t.Helper()
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		t.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// BenchmarkPass is a pass over sixty OSDs with all that follows from it. Its
// yardstick is to read the same files whole, as a script would.
func BenchmarkPass(b *testing.B) {
	s := fixture(b, 60)
	b.Run("watchdog", func(b *testing.B) {
		tracker := NewTracker(0.02)
		at, now := time.Duration(0), time.Unix(2e9, 0)
		for b.Loop() {
			at += time.Second
			p, err := s.Pass(at)
			if err != nil {
				b.Fatal(err)
			}
			out := tracker.Add(p)
			for i := range out {
				Judge(&out[i], nil, now, Policy{})
			}
		}
	})
	b.Run("yardstick", func(b *testing.B) {
		var files []string
		err := filepath.WalkDir(s.o.Root, func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				files = append(files, path)
			}
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			for _, f := range files {
				if _, err := os.ReadFile(f); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}

// BenchmarkPaced runs the loop over sixty OSDs at a pass a second, and tells the
// share of a core that this process uses meanwhile.
func BenchmarkPaced(b *testing.B) {
	s := fixture(b, 60)
	passes := 0
	for b.Loop() {
		ctx, cancel := context.WithTimeout(b.Context(), 5*time.Second)
		w := &Watch{Sampler: s, OnPass: func(Report) { passes++ }}
		before, begun := cpu(b), time.Now()
		if err := w.Loop(ctx); !errors.Is(err, context.DeadlineExceeded) {
			b.Fatal(err)
		}
		b.ReportMetric(100*(cpu(b)-before).Seconds()/time.Since(begun).Seconds(), "%core")
		cancel()
	}
	b.ReportMetric(float64(passes)/float64(b.N), "passes")
}
