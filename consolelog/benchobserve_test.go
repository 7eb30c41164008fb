//go:build linux

package consolelog_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/consolelog"
	"github.com/stackmend/stackmend/internal/lab"
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

// BenchmarkWatch bounds the log of a guest that writes as fast as it may, 500
// MB/s at most, in ten rounds of a second. over-in-intervals is how far the log
// was past its limit at the worst, in what was written in one interval: more
// than 1 would be a failure.
func BenchmarkWatch(b *testing.B) {
	root := disk(b, 16<<30)
	log := filepath.Join(instances(b, root, "a"), "console.log")
	const limit, every, rate = 64 << 20, time.Second, 500 << 20
	written := pour(b, log, rate)
	p := consolelog.Policy{Limit: limit, Writers: []string{"cat"}}
	a, err := consolelog.NewApplier(consolelog.Site{Instances: root, Writers: p.Writers})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		ctx, cancel := context.WithCancel(b.Context())
		rounds, worst, before, began := 0, 0.0, written(), time.Now()
		first := before
		w := consolelog.Watch{Source: consolelog.Source{Instances: root}, Policy: p, Applier: a, Every: every,
			Options: stackmend.Options{Mode: stackmend.Apply, Irreversible: true},
			OnRound: func(r consolelog.Round) {
				now := written()
				if r.Err != nil {
					b.Error(r.Err)
				} else if rounds > 1 { // the first finds what was there before
					worst = max(worst, float64(r.Snapshot.Logs[0].Held()-limit)/float64(now-before))
				}
				before = now
				if rounds++; rounds == 10 || r.Err != nil {
					cancel()
				}
			}}
		_ = w.Run(ctx)
		cancel()
		b.ReportMetric(float64(before-first)/1e6/time.Since(began).Seconds(), "MB/s-written")
		b.ReportMetric(worst, "over-in-intervals")
	}
}

// pour has a program write to the log, so many bytes a second at most. It
// returns how many it has written.
func pour(b *testing.B, log string, rate int) (written func() int64) {
	b.Helper()
	f, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	r, w, err := os.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	cmd := exec.Command("cat")
	cmd.Stdin, cmd.Stdout = r, f
	p := lab.StartCmd(b, cmd)
	var sum atomic.Int64
	go func() {
		text := bytes.Repeat([]byte("a guest that prints without end, line after line, ......... \n"), rate/20/62)
		for tick := time.NewTicker(time.Second / 20); ; <-tick.C {
			n, err := w.Write(text)
			sum.Add(int64(n))
			if err != nil {
				return // cat has ended
			}
		}
	}()
	p.Until(b, "writing", func() bool { return size(log) > 1<<20 })
	return sum.Load
}
