//go:build linux

package consolelog_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stackmend/stackmend/consolelog"
)

// BenchmarkObserve looks at 10,000 instances, beside find and one pass over
// all open files; and as a round of Watch in which no log is too large.
func BenchmarkObserve(b *testing.B) {
	root := b.TempDir()
	for i := range 10000 {
		folder := instances(b, root, fmt.Sprintf("%08x-0000-4000-8000-000000000000", i))
		for _, name := range []string{"console.log", "disk", "disk.info"} {
			if err := os.WriteFile(filepath.Join(folder, name), []byte("text\n"), 0o644); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.Run("stackmend", func(b *testing.B) {
		for b.Loop() {
			if s := observe(b, consolelog.Source{Instances: root}); len(s.Logs) != 10000 {
				b.Fatal(len(s.Logs))
			}
		}
	})
	b.Run("find-and-proc", func(b *testing.B) {
		for b.Loop() {
			run(b, "sh", "-c", "find "+root+" -name console.log -printf '%s %b %p\\n' >/dev/null; find /proc/[0-9]*/fd -lname '*console.log*' >/dev/null 2>&1; true")
		}
	})
	b.Run("idle-rounds", func(b *testing.B) { benchIdle(b, root) })
}

// benchIdle is 100 rounds of a Watch in which there is nothing to do.
func benchIdle(b *testing.B, root string) {
	a, err := consolelog.NewApplier(consolelog.Site{Instances: root})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		ctx, cancel := context.WithCancel(b.Context())
		before, rounds := cpu(b), 0
		w := consolelog.Watch{Source: consolelog.Source{Instances: root}, Policy: consolelog.Policy{Limit: 100 << 20}, Applier: a, Every: time.Nanosecond,
			OnRound: func(r consolelog.Round) {
				if rounds++; rounds == 100 || r.Err != nil || len(r.Snapshot.Logs) != 10000 {
					cancel()
				}
			}}
		_ = w.Run(ctx)
		if rounds != 100 {
			b.Fatal(rounds)
		}
		b.ReportMetric(100*float64(cpu(b)-before)/100/float64(30*time.Second), "%-of-a-core-every-30s")
	}
}

func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
