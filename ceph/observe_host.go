package ceph

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"
)

// HostOptions say what of a host is looked at. The zero value is this host.
type HostOptions struct {
	Proc, Sys fs.FS         // nil: /proc and /sys
	KernelLog string        // empty: /dev/kmsg; or a file with dmesg's text
	Between   time.Duration // of the two looks; 0: 5 s
	Name      string        // empty: the kernel's name of the host
}

// sysctls that are read, by their names under /proc/sys.
var sysctls = [...]string{
	"vm.min_free_kbytes", "vm.swappiness", "net.ipv4.tcp_tw_recycle", "net.ipv4.tcp_tw_reuse", "net.ipv4.tcp_max_tw_buckets",
	"net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem", "net.core.rmem_max", "net.core.wmem_max", "net.core.somaxconn", "net.core.netdev_max_backlog",
	"net.netfilter.nf_conntrack_count", "net.netfilter.nf_conntrack_max",
}

// hostReader fills a Host.
type hostReader struct {
	HostOptions
	h *Host
}

// see notes what could not be read; what is simply not there is no fault.
func (r *hostReader) see(source string, err error) {
	if err != nil {
		r.h.Unseen = append(r.h.Unseen, Unseen{Source: source, Reason: err.Error(), Denied: os.IsPermission(err)})
	}
}

// parse reads one file of a tree.
func parse[T any](tree fs.FS, name string, f func(io.Reader) (T, error)) (T, error) {
	file, err := tree.Open(name)
	if err != nil {
		var zero T
		return zero, err
	}
	defer file.Close()
	return f(file)
}

// files reads what is files; the rest is the system's.
func (r *hostReader) files(ctx context.Context) error {
	h := r.h
	first, err1 := parse(r.Proc, "net/snmp", parseSNMP)
	rx1, err2 := parse(r.Proc, "softirqs", parseNetRX)
	peers1, err3 := storagePeers()
	begun := time.Now()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(r.Between):
	}
	second, err4 := parse(r.Proc, "net/snmp", parseSNMP)
	rx2, err5 := parse(r.Proc, "softirqs", parseNetRX)
	peers2, err6 := storagePeers()
	h.Span = time.Since(begun)
	if err := firstOf(err1, err4); err != nil {
		r.see("/proc/net/snmp", err)
	} else {
		h.TCP = TCPCounters{second.Out - first.Out, second.Retransmitted - first.Retransmitted, second.ChecksumErrors - first.ChecksumErrors}
	}
	if err := firstOf(err2, err5); err != nil || len(rx1) != len(rx2) {
		r.see("/proc/softirqs", firstOf(err, fmt.Errorf("the number of CPUs changed")))
	} else {
		for i := range rx2 {
			h.NetRX = append(h.NetRX, rx2[i]-rx1[i])
		}
		h.CPUs = len(rx2)
	}
	r.see("sock_diag", firstOf(err3, err6))
	h.Peers = added(peers1, peers2)
	r.once()
	return nil
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// once reads what needs one look.
func (r *hostReader) once() {
	h := r.h
	memory, err := parse(r.Proc, "meminfo", parseKB)
	r.see("/proc/meminfo", err)
	h.Memory = HostMemory{memory["MemTotal"], memory["MemAvailable"]}
	h.TimeWait, err = parse(r.Proc, "net/sockstat", parseTimeWait)
	r.see("/proc/net/sockstat", err)
	h.Sysctl = map[string]string{}
	for _, name := range sysctls {
		b, err := fs.ReadFile(r.Proc, "sys/"+strings.ReplaceAll(name, ".", "/"))
		if err == nil {
			h.Sysctl[name] = strings.Join(strings.Fields(string(b)), " ")
		}
	}
	r.conntrack()
	r.processes()
}

// conntrack: a kernel without the module has no such file.
func (r *hostReader) conntrack() {
	r.h.Tracked, r.h.TrackedStorage = -1, -1
	file, err := r.Proc.Open("net/nf_conntrack")
	if err != nil {
		return
	}
	defer file.Close()
	all, storage, err := parseConntrack(file)
	if err != nil {
		r.see("/proc/net/nf_conntrack", err)
		return
	}
	r.h.Tracked, r.h.TrackedStorage = all, storage
}

// processes finds the OSDs that run here.
func (r *hostReader) processes() {
	names, err := fs.ReadDir(r.Proc, ".")
	r.see("/proc", err)
	for _, e := range names {
		if pid, ok := isPID(e.Name()); ok {
			if p, ok := r.process(pid, e.Name()); ok {
				r.h.Processes = append(r.h.Processes, p)
			}
		}
	}
}

func isPID(name string) (int, bool) {
	n := 0
	for _, c := range name {
		if c < '0' || c > '9' || n > 1<<26 {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, n > 0
}

// process reads one; it may be gone at any moment.
func (r *hostReader) process(pid int, dir string) (p Process, ok bool) {
	comm, err := fs.ReadFile(r.Proc, dir+"/comm")
	if err != nil || strings.TrimSpace(string(comm)) != "ceph-osd" {
		return p, false
	}
	cmdline, err := fs.ReadFile(r.Proc, dir+"/cmdline")
	if err != nil {
		return p, false
	}
	id, ok := osdNumber(strings.Split(string(cmdline), "\x00"))
	if !ok {
		return p, false
	}
	status, err := parse(r.Proc, dir+"/status", parseKB)
	if err != nil {
		return p, false
	}
	p = Process{PID: pid, OSD: id, Anon: status["RssAnon"], CgroupLimit: -1, Used: -1}
	if b, err := fs.ReadFile(r.Proc, dir+"/cgroup"); err == nil {
		p.CgroupLimit, p.Used = r.cgroup(string(b))
	}
	return p, true
}

// cgroup finds the memory limit of a process, of either version of cgroups.
func (r *hostReader) cgroup(text string) (limit, used int64) {
	for line := range strings.Lines(text) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 || strings.Contains(f[2], "..") {
			continue
		}
		dir, max, now := "fs/cgroup/memory"+f[2], "memory.limit_in_bytes", "memory.usage_in_bytes"
		if f[1] == "" {
			dir, max, now = "fs/cgroup"+f[2], "memory.max", "memory.current"
		} else if f[1] != "memory" {
			continue
		}
		limit, err1 := r.number(dir, max)
		used, err2 := r.number(dir, now)
		if err1 == nil && err2 == nil && limit < 1<<60 { // more is how version 1 writes "none"
			return limit, used
		}
	}
	return -1, -1
}
