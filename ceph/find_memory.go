package ceph

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/stackmend/stackmend"
)

// An osdMemory is an OSD and what it uses.
type osdMemory struct {
	osd OSD
	Memory
}

// memories are the OSDs whose memory was seen.
func (o Observed) memories() []osdMemory {
	var out []osdMemory
	for _, osd := range o.Cluster.OSDs {
		if m, ok := o.MemoryOf(&osd); ok && osd.Up {
			out = append(out, osdMemory{osd, m})
		}
	}
	return out
}

// findMemory: osd_memory_target is no limit. It tunes caches; a PG log or a
// leak goes past it.
func findMemory(o Observed, p Policy) []stackmend.Finding {
	var over []osdMemory
	for _, m := range o.memories() {
		if m.Target > 0 && float64(max(m.Total, m.Pools)) > p.Overshoot*float64(m.Target) {
			over = append(over, m)
		}
	}
	slices.SortFunc(over, func(a, b osdMemory) int { return cmp.Compare(b.excess(), a.excess()) })
	var out []stackmend.Finding
	for _, m := range over[:min(len(over), shown)] {
		out = append(out, m.finding())
	}
	if more := len(over) - shown; more > 0 {
		out = append(out, finding(stackmend.Warn, "cluster", "%d more OSDs use more than %.1f times their osd_memory_target", more, p.Overshoot))
	}
	return append(out, promises(o.Cluster, p)...)
}

// excess is how many times its target an OSD uses.
func (m osdMemory) excess() float64 { return float64(max(m.Total, m.Pools)) / float64(m.Target) }

func (m osdMemory) finding() stackmend.Finding {
	f := finding(stackmend.Warn, osdName(m.osd.ID), "uses %.1f times its osd_memory_target, most of it for %s", m.excess(), m.most())
	if m.excess() >= 2 {
		f.Status = stackmend.Fail
	}
	f.Evidence = []stackmend.Evidence{seen(cmp.Or(m.Source, "dump_mempools"), "%s", m.Memory)}
	if m.osd.Daemon.Pools != nil {
		f.Evidence = append(f.Evidence, seen("dump_mempools", "%s", some(m.osd.Daemon.Pools.Largest(4), 4)))
	}
	f.Fix = map[string]string{
		"the PG log":   "the log shrinks only by trimming (see pg-log-large), not by a restart: it comes back at once",
		"caches":       "lower osd_memory_target; without tcmalloc it is not heeded",
		"other pools":  "compare the pools with those of a quiet OSD; buffer_anon that grows is a leak",
		"no pool":      "see memory-fragmented",
		"what unknown": "ask the OSD again; its pools were not seen",
	}[m.most()]
	return f
}

// most is the largest part of the memory.
func (m Memory) most() string {
	best, name := int64(-1), "what unknown"
	for _, p := range []struct {
		n    int64
		name string
	}{{m.PGLog, "the PG log"}, {m.Caches, "caches"}, {m.Other, "other pools"}, {m.Unpooled, "no pool"}} {
		if p.n > best {
			best, name = p.n, p.name
		}
	}
	return name
}

// promises finds hosts whose OSDs were promised more memory than there is.
func promises(s *Snapshot, p Policy) []stackmend.Finding {
	type host struct {
		sum, memory int64
		osds        int
	}
	hosts := map[string]*host{}
	for _, o := range s.OSDs {
		m, ok := Observed{}.MemoryOf(&o)
		if !o.Up || !ok || m.Target <= 0 || o.MemTotal <= 0 || o.Hostname == "" {
			continue
		}
		h := hosts[o.Hostname]
		if h == nil {
			h = &host{memory: o.MemTotal}
			hosts[o.Hostname] = h
		}
		h.sum += m.Target
		h.osds++
	}
	var out []stackmend.Finding
	for _, name := range sorted(hosts) {
		h := hosts[name]
		share := float64(h.sum) / float64(h.memory)
		if share <= p.HostPromise {
			continue
		}
		f := finding(stackmend.Warn, name, "its %d OSDs may take %s of %s for their caches, and go past that in recovery", h.osds, bytesText(h.sum), bytesText(h.memory))
		if share >= 1 {
			f.Status = stackmend.Fail
		}
		f.Evidence = []stackmend.Evidence{seen("config show", "osd_memory_target sums to %.0f%% of the host's memory", 100*share)}
		f.Fix = fmt.Sprintf("lower osd_memory_target to at most %s; raising it feeds the OOM killer", bytesText(int64(float64(h.memory)*0.7)/int64(h.osds)))
		out = append(out, f)
	}
	return out
}
