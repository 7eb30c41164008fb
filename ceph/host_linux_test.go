package ceph_test

import (
	"net"
	"os"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stackmend/stackmend/ceph"
	"github.com/stackmend/stackmend/internal/lab"
)

// TestHost looks at the machine that the test runs on.
func TestHost(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:7567") // a port of storage traffic
	if err != nil {
		lab.Without(t, "a free port 7567: "+err.Error())
	}
	defer l.Close()
	go func() {
		if c, err := l.Accept(); err == nil {
			defer c.Close()
			for b := make([]byte, 1024); err == nil; {
				_, err = c.Read(b)
			}
		}
	}()
	c, err := net.Dial("tcp", l.Addr().String())
	must(t, err)
	defer c.Close()
	go func() {
		for err := error(nil); err == nil; time.Sleep(time.Millisecond) {
			_, err = c.Write([]byte("x"))
		}
	}()
	h, err := ceph.ObserveHost(within(t, patience), ceph.HostOptions{Between: time.Second})
	must(t, err)
	if h.Name == "" || h.CPUs < 1 || h.Memory.Total <= 0 || h.Memory.Available <= 0 || h.TCP.Out <= 0 || h.TimeWait < 0 || h.Span < time.Second {
		t.Errorf("%+v", h)
	}
	for _, p := range h.Peers {
		if p.Addr == "127.0.0.1" && p.Out > 0 {
			return
		}
	}
	t.Errorf("the connection was not seen: %+v, unseen %+v", h.Peers, h.Unseen)
}

// TestHostFiles reads a tree of files as a storage host has them.
func TestHostFiles(t *testing.T) {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	proc := fstest.MapFS{
		"net/snmp":               file("Tcp: RtoMin OutSegs RetransSegs InCsumErrors\nTcp: 200 1000 30 1\n"),
		"softirqs":               file("       CPU0 CPU1\n NET_RX: 10 20\n"),
		"meminfo":                file("MemTotal: 1000 kB\nMemAvailable: 10 kB\n"),
		"net/sockstat":           file("sockets: used 1\nTCP: inuse 2 orphan 0 tw 33 alloc 5 mem 1\n"),
		"stat":                   file("cpu 1\nbtime 1700000000\n"),
		"sys/vm/min_free_kbytes": file("67584\n"),
		"net/nf_conntrack":       file("ipv4 2 tcp 6 300 ESTABLISHED src=1.1.1.1 dst=2.2.2.2 sport=40000 dport=6800 src=2.2.2.2\nipv4 2 tcp 6 300 ESTABLISHED sport=1 dport=80\n"),
		"42/comm":                file("ceph-osd\n"),
		"42/cmdline":             file("/usr/bin/ceph-osd\x00-f\x00--cluster\x00ceph\x00--id\x007\x00"),
		"42/status":              file("Name:\tceph-osd\nVmRSS:\t  300 kB\nRssAnon:\t  200 kB\n"),
		"42/cgroup":              file("0::/system.slice/osd\n"),
		"43/comm":                file("bash\n"),
	}
	sys := fstest.MapFS{"fs/cgroup/system.slice/osd/memory.max": file("409600\n"), "fs/cgroup/system.slice/osd/memory.current": file("300000\n")}
	log := t.TempDir() + "/dmesg"
	must(t, os.WriteFile(log, []byte("[ 1.0] oom-kill:constraint=CONSTRAINT_MEMCG,task=ceph-osd,pid=9\n4,1,2000000,-;Memory cgroup out of memory: Killed process 9 (ceph-osd) total-vm:1kB, anon-rss:1kB\n"), 0o600))
	h, err := ceph.ObserveHost(within(t, patience), ceph.HostOptions{Proc: proc, Sys: sys, KernelLog: log, Name: "h", Between: time.Millisecond})
	must(t, err)
	if len(h.Processes) != 1 || h.Processes[0] != (ceph.Process{PID: 42, OSD: 7, Anon: 200 << 10, CgroupLimit: 409600, Used: 300000}) {
		t.Errorf("%+v", h.Processes)
	}
	if h.TimeWait != 33 || h.Tracked != 2 || h.TrackedStorage != 1 || h.CPUs != 2 || h.Sysctl["vm.min_free_kbytes"] != "67584" {
		t.Errorf("%+v", h)
	}
	if len(h.OOMKills) != 1 || h.OOMKills[0].PID != 9 || !h.OOMKills[0].Cgroup || h.OOMKills[0].At.Unix() != 1700000002 {
		t.Errorf("%+v", h.OOMKills)
	}
}
