package ceph

import (
	"bufio"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/stackmend/stackmend"
)

// A Host is what was seen of one storage host by two looks a moment apart.
type Host struct {
	Name   string
	Taken  time.Time
	Span   time.Duration // between the two looks
	CPUs   int
	TCP    TCPCounters // what was added in between
	Peers  []Peer      // likewise, of storage traffic, by address
	NetRX  []int64     // likewise, network softirqs of each CPU
	Memory HostMemory
	Sysctl map[string]string // by name: vm.min_free_kbytes
	// TimeWait sockets, tracked connections and those of them that are
	// storage traffic; -1: not seen.
	TimeWait, Tracked, TrackedStorage int64
	NICs                              []NIC
	Processes                         []Process // ceph-osd
	OOMKills                          []OOMKill
	Units                             []Unit
	Unseen                            []Unseen
}

// TCPCounters of the kernel (/proc/net/snmp), segments.
type TCPCounters struct{ Out, Retransmitted, ChecksumErrors int64 }

// A Peer that this host exchanges storage traffic with.
type Peer struct {
	Addr               string
	Out, Retransmitted int64 // segments
}

// HostMemory in bytes.
type HostMemory struct{ Total, Available int64 }

// A NIC is a network card.
type NIC struct {
	Name, Driver, Firmware string
	CRCErrors              int64
}

// A Process is a running ceph-osd.
type Process struct {
	PID, OSD          int
	Anon              int64 // bytes that no file backs
	CgroupLimit, Used int64 // bytes; -1: no limit, or not seen
}

// An OOMKill of the kernel.
type OOMKill struct {
	At     time.Time // zero: the line had no time that could be read
	PID    int
	Name   string
	Cgroup bool // a cgroup's limit, not the host's memory
	Text   string
}

// A Unit is systemd's view of an OSD.
type Unit struct {
	OSD, Restarts  int
	Result, Status string // success, start-limit-hit..; exit status or signal
	Burst          int
	Interval       time.Duration
}

func (u Unit) evidence() stackmend.Evidence {
	return seen("systemctl show", "result %s, status %s, %d restarts, start limit %d in %s", u.Result, u.Status, u.Restarts, u.Burst, duration(u.Interval))
}

// oomKills of OSDs on this host; with an OSD that runs on another host: none.
func (h *Host) oomKills(o *OSD) []OOMKill {
	if h == nil || o != nil && o.Hostname != h.Name {
		return nil
	}
	var out []OOMKill
	for _, k := range h.OOMKills {
		if k.Name == "ceph-osd" || o == nil {
			out = append(out, k)
		}
	}
	return out[max(0, len(out)-5):]
}

// process of an OSD on this host, or nil.
func (h *Host) process(o *OSD) *Process {
	if h == nil || o.Hostname != h.Name {
		return nil
	}
	for i, p := range h.Processes {
		if p.OSD == o.ID {
			return &h.Processes[i]
		}
	}
	return nil
}

// unit of an OSD on this host, or nil.
func (h *Host) unit(id int) *Unit {
	if h == nil {
		return nil
	}
	for i, u := range h.Units {
		if u.OSD == id {
			return &h.Units[i]
		}
	}
	return nil
}

var (
	killed   = regexp.MustCompile(`(Memory cgroup out|Out) of memory: Kill(?:ed)? process (\d{1,10}) \(([^)]{1,64})\)`)
	kmsgHead = regexp.MustCompile(`^\d+,\d+,(\d{1,18}),[^;]*;`)
)

// parseKernelLog reads the records of /dev/kmsg, or the lines of dmesg, and
// keeps the OOM kills. booted gives records their time; zero: they have none.
func parseKernelLog(r io.Reader, booted time.Time) ([]OOMKill, error) {
	var out []OOMKill
	lines := bufio.NewReaderSize(r, maxLogLine)
	for {
		line, _, err := lines.ReadLine()
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		m := killed.FindSubmatch(line)
		if m == nil {
			continue
		}
		pid, err := strconv.Atoi(string(m[2]))
		if err != nil {
			continue
		}
		k := OOMKill{PID: pid, Name: string(m[3]), Cgroup: strings.HasPrefix(string(m[1]), "Memory"), Text: string(clip(line, 300))}
		if head := kmsgHead.FindSubmatch(line); head != nil && !booted.IsZero() {
			if us, err := strconv.ParseInt(string(head[1]), 10, 64); err == nil {
				k.At = booted.Add(time.Duration(us) * time.Microsecond)
			}
		}
		out = append(out, k)
	}
}
