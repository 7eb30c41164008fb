package logtail

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

	"github.com/stackmend/stackmend/internal/lab"
)

// corpus writes 256 MiB of mixed syslog with the word BPDU in every 10,000th
// line, and returns its path and how many lines have it.
func corpus(b *testing.B) (path string, size int64, hits int) {
	b.Helper()
	path = filepath.Join(b.TempDir(), "syslog")
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	rnd := rand.New(rand.NewPCG(1, 2))
	var block bytes.Buffer
	words := strings.Fields("session opened for user nova by uid connection from port closed request GET 200 HTTP/1.1 rbd ceph osd heartbeat slow ops")
	for line := 0; size < 256<<20; {
		block.Reset()
		for block.Len() < 1<<20 {
			fmt.Fprintf(&block, "Jan 15 10:%02d:%02d node%03d service[%d]:", line/60%60, line%60, rnd.IntN(300), rnd.IntN(30000))
			for range 4 + rnd.IntN(12) {
				block.WriteByte(' ')
				block.WriteString(words[rnd.IntN(len(words))])
			}
			if line++; line%10000 == 0 {
				block.WriteString(" %SPANTREE-2-BLOCK_BPDUGUARD: Received BPDU")
				hits++
			}
			block.WriteByte('\n')
		}
		n, err := f.Write(block.Bytes())
		if err != nil {
			b.Fatal(err)
		}
		size += int64(n)
	}
	return path, size, hits
}

// BenchmarkReader: all lines, and those with a word, beside grep -c.
func BenchmarkReader(b *testing.B) {
	lab.Need(b, "grep")
	path, size, hits := corpus(b)
	run := func(name string, f func() int) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(size)
			for b.Loop() {
				if n := f(); n < hits {
					b.Fatalf("%d lines, want %d", n, hits)
				}
			}
		})
	}
	for name, words := range map[string][]string{"all lines": nil, "one word": {"BPDU"}, "five words": {"BPDU", "bpdu", "UPDOWN", "errdisable", "LINK_DOWN"}} {
		run(name, func() int { return count(b, path, Options{Match: words}) })
	}
	run("grep -c", func() int {
		cmd := exec.Command("grep", "-c", "BPDU", path)
		cmd.Env = append(os.Environ(), "LC_ALL=C")
		out, err := cmd.Output()
		n := 0
		if _, e := fmt.Sscan(string(out), &n); err != nil || e != nil {
			b.Fatal(err, e)
		}
		return n
	})
}

func count(b *testing.B, path string, o Options) (n int) {
	b.Helper()
	f, err := os.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	r := New(context.Background(), f, path, o)
	for range r.Lines() {
		n++
	}
	if r.Err() != nil {
		b.Fatal(r.Err())
	}
	return n
}
