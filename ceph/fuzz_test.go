package ceph

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// FuzzSources gives any bytes to every parser of an answer. Nothing panics,
// and what they make of it can be judged.
func FuzzSources(f *testing.F) {
	names, err := filepath.Glob("testdata/*/*.json")
	if err != nil || len(names) == 0 {
		f.Fatal(names, err)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		if len(b) < 20<<10 {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s := &Snapshot{OSDs: []OSD{{ID: 0, Up: true}, {ID: 3}}}
		d := &Daemon{}
		for _, src := range append(append(monSources(1), mgrSources()...), osdMapSource(), statusSource(), osdPerfSource()) {
			_ = src.read(s, bytes.NewReader(b)) // an error is an answer
		}
		for _, src := range daemonSources() {
			_ = src.read(d, bytes.NewReader(b))
		}
		_, _ = readPGQuery(bytes.NewReader(b))
		for i := range s.OSDs {
			s.OSDs[i].Daemon = d
		}
		_ = Check(Observed{Cluster: s, Earlier: s}, Policy{})
	})
}

// FuzzTexts gives any text to the parsers of logs and of kernel files.
func FuzzTexts(f *testing.F) {
	for _, s := range []string{
		"Tcp: RetransSegs OutSegs InCsumErrors\nTcp: 1 2 3\n", "   NET_RX:   5 6\n", "MemTotal: 5 kB\n", "TCP: inuse 1 orphan 0 tw 7 alloc 8 mem 9\n",
		"btime 1700000000\n", "ipv4 2 tcp 6 431999 ESTABLISHED src=1.1.1.1 dst=2.2.2.2 sport=6800 dport=5\n",
		"Id=ceph-osd@3.service\nNRestarts=2\nResult=success\nStartLimitBurst=3\nStartLimitIntervalUSec=30min\n",
		"6,1,5,-;Memory cgroup out of memory: Killed process 7 (ceph-osd) total-vm:1kB\n",
		"2026-11-22T08:21:00.262892+0000 mon.a (mon.0) 145 : cluster [INF] osd.1 failed (x)\n",
		"2026-11-22T08:21:00.2+0000 7f rocksdb: Compaction error: Corruption: block checksum mismatch\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r := func() io.Reader { return bytes.NewReader(b) }
		_, _ = parseSNMP(r())
		_, _ = parseNetRX(r())
		_, _ = parseKB(r())
		_, _ = parseTimeWait(r())
		_, _ = parseBooted(r())
		_, _, _ = parseConntrack(r())
		_, _ = parseUnits(r())
		_, _ = parseKernelLog(r(), time.Unix(0, 0))
		_, _, _ = parseDiag(b)
		_, _ = ParseVersion(string(b))
		_, _ = osdNumber(strings.Fields(string(b)))
		_, _, _ = inBand(b)
		if log, err := ReadOSDLog("x", r()); err == nil {
			_ = Check(Observed{OSDLogs: []OSDLog{log}}, Policy{})
		}
		if log, err := ReadClusterLog(r()); err == nil {
			_ = downs(log)
		}
	})
}
