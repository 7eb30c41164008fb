package ceph

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stackmend/stackmend/internal/lab"
)

// The size that is judged: 100,000 PGs on 5,000 OSDs.
const (
	benchPGs  = 100_000
	benchOSDs = 5_000
)

// big writes a `pg dump` of that size, its PGs like those of a real one.
func big(b *testing.B) string {
	b.Helper()
	var dump struct {
		PGMap struct {
			PGs []map[string]any `json:"pg_stats"`
		} `json:"pg_map"`
	}
	raw, err := os.ReadFile("testdata/pacific-healthy/pg_dump.json")
	if err != nil {
		b.Fatal(err)
	}
	if err := json.Unmarshal(raw, &dump); err != nil {
		b.Fatal(err)
	}
	name := filepath.Join(b.TempDir(), "pg_dump.json")
	f, err := os.Create(name)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, 1<<20)
	fmt.Fprint(w, `{"pg_ready":true,"pg_map":{"version":1,"pg_stats":[`)
	for i := range benchPGs {
		pg := dump.PGMap.PGs[i%len(dump.PGMap.PGs)]
		pg["pgid"] = fmt.Sprintf("%d.%x", 1+i/16384, i%16384)
		osds := []int{i % benchOSDs, (i*7 + 1) % benchOSDs, (i*13 + 2) % benchOSDs}
		pg["up"], pg["acting"], pg["log_size"] = osds, osds, i%12000
		one, err := json.Marshal(pg)
		if err != nil {
			b.Fatal(err)
		}
		if i > 0 {
			fmt.Fprint(w, ",")
		}
		w.Write(one)
	}
	fmt.Fprint(w, `],"osd_stats":[]}}`)
	if err := w.Flush(); err != nil {
		b.Fatal(err)
	}
	return name
}

// bigOSDs are 5,000 OSDs of which everything was seen.
func bigOSDs(b *testing.B) *Snapshot {
	s := calm(b).Cluster
	one := s.OSDs[0]
	s.OSDs = nil
	for i := range benchOSDs {
		d := *one.Daemon // its own maps, as 5,000 answers have
		pools := Mempools{maps.Clone(d.Pools.Bytes), maps.Clone(d.Pools.Items), d.Pools.Total}
		d.Pools, d.Config = &pools, maps.Clone(d.Config)
		o := one
		o.ID, o.Host, o.Daemon = i, fmt.Sprintf("host%d", i/20), &d
		s.OSDs = append(s.OSDs, o)
	}
	return s
}

// BenchmarkPGDump decodes and judges a pg dump of 100,000 PGs and 5,000 OSDs;
// beside it jq reads the same file. peak-MiB is the most that the heap held.
func BenchmarkPGDump(b *testing.B) {
	name := big(b)
	size, err := os.Stat(name)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("stackmend", func(b *testing.B) {
		b.SetBytes(size.Size())
		var peak uint64
		for b.Loop() {
			peak = max(peak, judgeBig(b, name))
		}
		b.ReportMetric(float64(peak)/(1<<20), "peak-MiB")
	})
	b.Run("jq", func(b *testing.B) {
		lab.Need(b, "jq")
		b.SetBytes(size.Size())
		for b.Loop() {
			if out, err := exec.Command("jq", ".pg_map.pg_stats | length", name).Output(); err != nil || strings.TrimSpace(string(out)) != fmt.Sprint(benchPGs) {
				b.Fatalf("%s %v", out, err)
			}
		}
	})
}

// judgeBig returns the largest heap that was seen on the way.
func judgeBig(b *testing.B, name string) uint64 {
	f, err := os.Open(name)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	s := bigOSDs(b)
	watch := &heapWatch{Reader: f}
	if err := s.readPGDump(watch); err != nil {
		b.Fatal(err)
	}
	if s.PGs.Total != benchPGs || !slices.ContainsFunc(s.OSDs, func(o OSD) bool { return o.Load.PGs > 0 }) {
		b.Fatal(s.PGs.Total)
	}
	_ = Check(Observed{Cluster: s}, Policy{})
	watch.look()
	return watch.peak
}

// heapWatch looks at the heap every few reads.
type heapWatch struct {
	Reader *os.File
	n      int
	peak   uint64
}

func (h *heapWatch) Read(p []byte) (int, error) {
	if h.n++; h.n%16 == 0 {
		h.look()
	}
	return h.Reader.Read(p)
}

func (h *heapWatch) look() {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	h.peak = max(h.peak, m.HeapInuse+m.StackInuse)
}
