package bpdu

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend/internal/lab"
)

// mixed writes a gigabyte of syslog as a relay of a site has it: hosts'
// services, links that go up and down, and every now and then a BPDU guard.
func mixed(b *testing.B) (path string, size int64, events int) {
	b.Helper()
	real, err := os.ReadFile("testdata/switches.log")
	if err != nil {
		b.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(real)), "\n")
	path = filepath.Join(b.TempDir(), "syslog")
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	rnd := rand.New(rand.NewPCG(1, 2))
	words := strings.Fields("session opened for user nova by uid INFO connection from port closed request GET 200 HTTP/1.1 rbd ERROR ceph osd heartbeat slow ops")
	var block bytes.Buffer
	for range 16 << 10 { // distinct lines, written again and again
		fmt.Fprintf(&block, "Jan 15 10:%02d:%02d node%03d service[%d]:", rnd.IntN(60), rnd.IntN(60), rnd.IntN(300), rnd.IntN(30000))
		for range 4 + rnd.IntN(12) {
			block.WriteString(" " + words[rnd.IntN(len(words))])
		}
		block.WriteByte('\n')
	}
	for n := 0; size < 1<<30; n++ {
		line := lines[n%len(lines)] + "\n"
		for _, p := range [][]byte{block.Bytes(), []byte(line)} {
			if _, err := f.Write(p); err != nil {
				b.Fatal(err)
			}
			size += int64(len(p))
		}
		if strings.Contains(line, "BPDU") {
			events++
		}
	}
	return path, size, events
}

// BenchmarkReadLog reads a gigabyte beside grep -c BPDU, both from the cache.
func BenchmarkReadLog(b *testing.B) {
	lab.Need(b, "grep")
	path, size, events := mixed(b)
	t := lab.Alternate(b, func() {
		cmd := exec.Command("grep", "-c", "BPDU", path)
		cmd.Env = append(os.Environ(), "LC_ALL=C")
		if out, err := cmd.Output(); err != nil {
			b.Fatal(string(out), err)
		}
	}, func() {
		log, err := ReadLogFiles(context.Background(), os.DirFS(filepath.Dir(path)), filepath.Base(path), readAt)
		if err != nil || len(log.Events) < events {
			b.Fatal(len(log.Events), events, err)
		}
	})
	speed := func(d time.Duration) float64 { return float64(size) / 1e9 / d.Seconds() }
	b.ReportMetric(speed(t[0]), "GB/s-grep")
	b.ReportMetric(speed(t[1]), "GB/s")
	b.ReportMetric(speed(t[1])/speed(t[0]), "x-grep")
	b.ReportMetric(0, "ns/op")
}
