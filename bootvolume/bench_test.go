package bootvolume

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend/internal/lab"
)

// bytesABoot: of a gigabyte, 10,000 instances in one batch.
const bytesABoot = 100_000

// benchBytes is how much the three logs have together: BOOTVOLUME_BENCH_MB, in
// megabytes; the gigabyte that is promised is 1000.
func benchBytes(b *testing.B) int64 {
	n, err := strconv.ParseInt(os.Getenv("BOOTVOLUME_BENCH_MB"), 10, 32)
	if os.Getenv("BOOTVOLUME_BENCH_MB") == "" {
		return 120e6
	}
	if err != nil || n < 10 {
		b.Fatalf("BOOTVOLUME_BENCH_MB=%q: a number of megabytes, 10 or more", os.Getenv("BOOTVOLUME_BENCH_MB"))
	}
	return n * 1e6
}

// A mixed is a log that a benchmark writes: lines of boots, and many of what
// else the services say.
type mixed struct {
	Log
	file  string
	lines func(n int, at time.Time, stamp string) string
	other []string
}

const (
	benchTime    = "2006-01-02 15:04:05.000"
	benchContext = "48f7dcbbaef8450781a33e276023da76 010f3e809f3e4097a2c8a373edd237ac - - default default]"
)

func benchIDs(n int) (request, own, instance string) {
	return fmt.Sprintf("req-%08x-dd9d-4390-8f73-739cf1a71c19", n), fmt.Sprintf("req-%08x-b210-4390-8f73-739cf1a71c19", n), fmt.Sprintf("%08x-bb50-4304-a740-4ce1e8da50cf", n)
}

// The lines are those of testdata with other IDs. Every hundredth instance is
// lost at HAProxy.
func mixedLogs() []mixed {
	return []mixed{
		{Log: Log{Source: Compute, Host: "c01"}, file: "nova-compute.log", lines: func(n int, at time.Time, _ string) string {
			request, _, instance := benchIDs(n)
			end := "INFO nova.compute.manager [None " + request + " " + benchContext + " [instance: " + instance + "] Took 12.29 seconds to build instance."
			if n%100 == 0 {
				end = "ERROR nova.compute.manager [None " + request + " " + benchContext + " [instance: " + instance + "] Instance failed block device setup: cinderclient.exceptions.ClientException: Gateway Time-out (HTTP 504)"
			}
			return at.Format(benchTime) + " 22549 INFO nova.virt.block_device [None " + request + " " + benchContext + " [instance: " + instance + "] Booting with volume-backed-image c65946c0-1795-4b7e-a1fc-8df652db04e9 at /dev/sda\n" +
				at.Add(time.Minute).Format(benchTime) + " 22549 " + end + "\n"
		}, other: []string{
			" 22549 INFO nova.compute.resource_tracker [None req-37a70d6b-c916-44e7-96f4-980fe205ccd7 - - - - - -] Instance with allocations on this compute host, not yet tracked. Skipping heal of allocations.\n",
			" 22549 INFO nova.compute.manager [None req-37a70d6b-c916-44e7-96f4-980fe205ccd7 " + benchContext + " [instance: b605d79f-368d-4e47-9d0a-3ed9d381cbf3] VM Resumed (Lifecycle Event)\n",
			" 22549 ERROR nova.compute.manager   File \"/usr/lib/python3/dist-packages/nova/compute/manager.py\", line 2661, in _build_resources\n",
		}},
		{Log: Log{Source: API, Host: "ctl1"}, file: "cinder-api.log", lines: func(n int, at time.Time, _ string) string {
			request, own, _ := benchIDs(n)
			head := at.Add(10*time.Millisecond).Format(benchTime) + " 12344 INFO cinder.api.openstack.wsgi [" + request + " " + own + " " + benchContext + " "
			return head + "POST http://10.0.0.9:8776/v3/010f3e809f3e4097a2c8a373edd237ac/volumes\n" + head + "http://10.0.0.9:8776/v3/010f3e809f3e4097a2c8a373edd237ac/volumes returned with HTTP 202\n"
		}, other: []string{
			" 12344 INFO cinder.api.openstack.wsgi [req-37a70d6b-c916-44e7-96f4-980fe205ccd7 req-47973051-9323-41d2-bcdd-ff62bfac33d3 " + benchContext + " GET http://10.0.0.9:8776/v3/010f3e809f3e4097a2c8a373edd237ac/volumes/8abb46c0-9c1a-4f51-84a2-2a2e85e70ef0\n",
			" 12344 INFO cinder.volume.api [req-37a70d6b-c916-44e7-96f4-980fe205ccd7 req-47973051-9323-41d2-bcdd-ff62bfac33d3 " + benchContext + " Volume info retrieved successfully.\n",
		}},
		{Log: Log{Source: HAProxy, Host: "ctl1"}, file: "haproxy.log", lines: func(n int, _ time.Time, stamp string) string {
			request, _, _ := benchIDs(n)
			answer := "cinder_api/cinder-api-2 0/0/16/2804/2820 202 1063 - - ----"
			if n%100 == 0 {
				answer = "cinder_api/cinder-api-1 0/0/16/-1/10016 504 198 - - sH--"
			}
			return "127.0.1.1:55181 [" + stamp + "] cinder_api " + answer + " 1/1/0/0/0 0/0 {" + request + "} \"POST /v3/010f3e809f3e4097a2c8a373edd237ac/volumes HTTP/1.1\"\n"
		}, other: []string{
			"] cinder_api cinder_api/cinder-api-2 0/0/0/456/456 200 1236 - - ---- 1/1/0/0/0 0/0 {req-37a70d6b-c916-44e7-96f4-980fe205ccd7} \"GET /v3/010f3e809f3e4097a2c8a373edd237ac/volumes/8abb46c0-9c1a-4f51-84a2-2a2e85e70ef0 HTTP/1.1\"\n",
			"] galera galera/c1 1/0/16 190 -- 1/1/0/0/0 0/0\n",
		}},
	}
}

// write spreads the batch over a log of about so many bytes.
func (m mixed) write(b *testing.B, dir string, bytes int64, boots int) (size int64) {
	b.Helper()
	f, err := os.Create(filepath.Join(dir, m.file))
	if err != nil {
		b.Fatal(err)
	}
	w := bufio.NewWriterSize(f, 1<<20)
	begun := time.Date(2026, 11, 26, 2, 0, 0, 0, time.UTC)
	for n := range boots {
		at := begun.Add(time.Duration(n) * 8 * time.Second) // most of a day
		stamp := at.Format("02/Jan/2006:15:04:05.000")
		for i := 0; size < bytes*int64(n)/int64(boots); i++ {
			then := at.Add(time.Duration(i%80) * 100 * time.Millisecond)
			head := then.Format(benchTime)
			if m.Source == HAProxy {
				head = "127.0.1.1:55181 [" + then.Format("02/Jan/2006:15:04:05.000")
			}
			k, _ := w.WriteString(head + m.other[i%len(m.other)])
			size += int64(k)
		}
		k, _ := w.WriteString(m.lines(n, at, stamp))
		size += int64(k)
	}
	if err := w.Flush(); err != nil {
		b.Fatal(err)
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
	return size
}

// BenchmarkBatch reads mixed logs of a batch and judges it, beside grep -c req-.
func BenchmarkBatch(b *testing.B) {
	lab.Need(b, "grep")
	dir, logs, size := b.TempDir(), mixedLogs(), int64(0)
	boots := int(benchBytes(b) / bytesABoot)
	grep := []string{"-c", "req-"}
	for _, m := range logs {
		size += m.write(b, dir, benchBytes(b)/int64(len(logs)), boots)
		grep = append(grep, filepath.Join(dir, m.file))
	}
	var s *Snapshot
	t := lab.Alternate(b, func() {
		cmd := exec.Command("grep", grep...)
		cmd.Env = append(os.Environ(), "LC_ALL=C")
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Fatalf("%s: %v", out, err)
		}
	}, func() {
		s = &Snapshot{Subject: "bench", Taken: now}
		for _, m := range logs {
			m.Now = now.AddDate(0, 0, 7)
			if err := s.Logs.ReadFiles(context.Background(), os.DirFS(dir), m.file, m.Log); err != nil {
				b.Fatal(err)
			}
		}
		lost := 0
		for _, f := range Check(s).Findings {
			if f.Code == CodeHAProxyTimeout {
				lost++
			}
		}
		if n := len(Follow(&s.Logs)); n != boots || lost != boots/100 {
			b.Fatalf("%d instances, %d lost", n, lost)
		}
	})
	runtime.GC()
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	held := float64(memory.HeapAlloc) / 1e6
	runtime.KeepAlive(s)
	speed := func(d time.Duration) float64 { return float64(size) / 1e6 / d.Seconds() }
	b.ReportMetric(float64(size)/1e6, "MB")
	b.ReportMetric(float64(boots), "instances")
	b.ReportMetric(speed(t[0]), "MB/s-grep")
	b.ReportMetric(speed(t[1]), "MB/s")
	b.ReportMetric(speed(t[1])/speed(t[0]), "x-grep")
	b.ReportMetric(held, "MB-held")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkJSON reads oslo.log's JSON, of which one line in some hundred
// matters, beside grep -c req-. The lines are recorded ones.
func BenchmarkJSON(b *testing.B) {
	lab.Need(b, "grep")
	var matter, other []string
	for _, line := range jsonLines(b) {
		if message, _, logger, _ := glance([]byte(line)); mayMatterIn(string(logger), message) {
			matter = append(matter, line)
		} else {
			other = append(other, line)
		}
	}
	path := filepath.Join(b.TempDir(), "cinder-api.log")
	var text strings.Builder
	for n := 0; int64(text.Len()) < benchBytes(b)/2; n++ {
		text.WriteString(other[n%len(other)])
		if n%400 == 0 {
			text.WriteString(matter[n/400%len(matter)])
		}
	}
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	size := float64(text.Len()) / 1e6
	t := lab.Alternate(b, func() {
		cmd := exec.Command("grep", "-c", "req-", path)
		cmd.Env = append(os.Environ(), "LC_ALL=C")
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Fatalf("%s: %v", out, err)
		}
	}, func() {
		var l Logs
		if err := l.ReadFiles(context.Background(), os.DirFS(filepath.Dir(path)), "cinder-api.log", Log{Source: API, Host: "ctl1", Now: now}); err != nil {
			b.Fatal(err)
		}
		if len(l.Events) == 0 || l.Unread > 0 {
			b.Fatalf("%d events, %d unread", len(l.Events), l.Unread)
		}
	})
	b.ReportMetric(size, "MB")
	b.ReportMetric(size/t[0].Seconds(), "MB/s-grep")
	b.ReportMetric(size/t[1].Seconds(), "MB/s")
	b.ReportMetric(t[0].Seconds()/t[1].Seconds(), "x-grep")
	b.ReportMetric(0, "ns/op")
}
