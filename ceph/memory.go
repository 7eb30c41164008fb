package ceph

import (
	"strconv"
)

// Sizes that were measured on 16.2.15: a log entry with its index, and a dup.
const (
	entryBytes = 520
	dupBytes   = 104
)

// Memory is what an OSD uses, attributed. A field that was not seen is -1.
type Memory struct {
	Total    int64  // of the process
	Source   string // of Total
	PGLog    int64  // log entries and dups
	Dups     int64  // of PGLog, estimated
	Caches   int64  // shrink under pressure
	Other    int64  // in other pools
	Unpooled int64  // in no pool: fragmentation, a leak, code and stacks
	Freelist int64  // of Unpooled: tcmalloc could give it back
	Target   int64  // osd_memory_target in effect
	Pools    int64  // all pools
	Swapped  bool   // Total may include swap
}

// MemoryOf attributes the memory of an OSD of the cluster; ok is false if nothing
// of it was seen.
func (o Observed) MemoryOf(osd *OSD) (m Memory, ok bool) {
	m = Memory{Total: -1, PGLog: -1, Dups: -1, Caches: -1, Other: -1, Unpooled: -1, Freelist: -1, Target: -1, Pools: -1}
	d := osd.Daemon
	if d == nil {
		return m, false
	}
	if n, err := strconv.ParseInt(d.Config["osd_memory_target"], 10, 64); err == nil {
		m.Target = n
	}
	m.process(o.Host.process(osd), d)
	if d.Pools != nil {
		m.Pools, m.PGLog, m.Caches = d.Pools.Total, d.Pools.PGLog(), d.Pools.Caches()
		m.Other = m.Pools - m.PGLog - m.Caches
		m.Dups = osd.dupBytes(m.PGLog)
	}
	if m.Total >= 0 && m.Pools >= 0 {
		m.Unpooled = max(0, m.Total-m.Pools)
	}
	return m, m.Total >= 0 || m.Pools >= 0
}

// process takes the size of the process from the best source there is.
func (m *Memory) process(p *Process, d *Daemon) {
	switch {
	case p != nil:
		m.Total, m.Source = p.Anon, "RssAnon of pid "+strconv.Itoa(p.PID)
	case d.Heap != nil:
		m.Total, m.Source, m.Swapped = d.Heap.Physical, "heap stats", true
	case d.Perf != nil && d.Perf.Mapped > 0:
		m.Total, m.Source = d.Perf.Mapped, "perf dump bluestore-pricache.mapped_bytes"
	}
	if d.Heap != nil {
		m.Freelist = d.Heap.Freelist
	}
}

// dupBytes estimates the dups' part of the log's memory: what the release
// counts, or else what the entries do not explain.
func (o *OSD) dupBytes(log int64) int64 {
	if o.Load.Dups > 0 {
		return o.Load.Dups * dupBytes
	}
	if o.Load.PGs == 0 || log < 0 {
		return -1
	}
	return max(0, log-o.Load.LogEntries*entryBytes)
}

func (m Memory) String() string {
	parts := []struct {
		name string
		n    int64
	}{{"process", m.Total}, {"PG log", m.PGLog}, {"of it dups, about", m.Dups}, {"caches", m.Caches},
		{"other pools", m.Other}, {"in no pool", m.Unpooled}, {"target", m.Target}}
	text := ""
	for _, p := range parts {
		value := "not seen"
		if p.n >= 0 {
			value = bytesText(p.n)
		}
		if text != "" {
			text += ", "
		}
		text += p.name + " " + value
	}
	return text
}
