package ceph

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A Daemon is what an OSD says of itself. A part that was not seen is nil, or
// empty.
type Daemon struct {
	State  string            // active, booting, waiting_for_healthy..
	Config map[string]string // the settings in effect that matter here
	Pools  *Mempools
	Heap   *Heap
	Perf   *Perf
}

// Mempools is memory by what it is used for, in bytes.
type Mempools struct {
	Bytes, Items map[string]int64
	Total        int64
}

// A Heap is how tcmalloc sees the process, in bytes.
type Heap struct {
	InUse    int64 // by the program
	Freelist int64 // free within the allocator, not given back to the kernel
	Physical int64 // actual memory used
	Released int64 // given back
}

// Perf are the counters that matter here.
type Perf struct {
	Mapped, HeapBytes, Unmapped int64 // bluestore-pricache; 0 without tcmalloc
	CacheTarget                 int64
	ReadRetries                 int64 // bluestore reads that failed their checksum and succeeded when read again
}

// daemonSettings are the settings that are kept of `config show`.
var daemonSettings = [...]string{
	"osd_op_queue", "osd_max_backfills", "osd_recovery_max_active", "osd_recovery_max_active_hdd", "osd_recovery_max_active_ssd",
	"osd_recovery_sleep", "osd_recovery_sleep_hdd", "osd_recovery_sleep_ssd", "osd_recovery_sleep_hybrid", "osd_recovery_op_priority",
	"osd_recovery_max_single_start",
	"osd_mclock_profile", "osd_mclock_max_capacity_iops_hdd", "osd_mclock_max_capacity_iops_ssd", "osd_mclock_override_recovery_settings",
	"osd_memory_target", "osd_memory_target_autotune", "osd_min_pg_log_entries", "osd_max_pg_log_entries", "osd_pg_log_dups_tracked",
	"osd_pg_log_trim_min", "osd_pg_log_trim_max", "osd_target_pg_log_entries_per_osd",
	"osd_fast_shutdown", "osd_fast_shutdown_notify_mon", "osd_max_markdown_count", "osd_max_markdown_period",
	"osd_heartbeat_grace", "osd_op_thread_timeout", "osd_op_thread_suicide_timeout",
	"osd_recovery_thread_timeout", "osd_recovery_thread_suicide_timeout", // before Nautilus
	"osd_pg_max_concurrent_snap_trims", "osd_snap_trim_priority", "osd_snap_trim_sleep", "osd_scrub_during_recovery",
}

// readConfigShow keeps what matters of `config show`.
func (d *Daemon) readConfigShow(r io.Reader) error {
	var all map[string]any
	if err := decodeJSON(r, &all); err != nil {
		return err
	}
	kept := map[string]string{}
	for _, name := range daemonSettings {
		if v, ok := all[name].(string); ok {
			kept[name] = v
		}
	}
	if len(kept) == 0 {
		return errors.New("ceph: config show without a setting of an OSD")
	}
	d.Config = kept
	return nil
}

type poolSize struct {
	Items int64 `json:"items"`
	Bytes int64 `json:"bytes"`
}

// readMempools reads `dump_mempools`: by_pool within mempool, or the pools
// themselves as the first Luminous had them.
func (d *Daemon) readMempools(r io.Reader) error {
	var m struct {
		Mempool struct {
			Pools map[string]poolSize `json:"by_pool"`
			Total *poolSize           `json:"total"`
		} `json:"mempool"`
	}
	body, err := io.ReadAll(io.LimitReader(r, maxAnswer))
	if err != nil {
		return err
	}
	if err := decodeJSON(bytes.NewReader(body), &m); err != nil {
		return err
	}
	pools, total := m.Mempool.Pools, m.Mempool.Total
	if pools == nil {
		if err := decodeJSON(bytes.NewReader(body), &pools); err != nil {
			return err
		}
		if t, ok := pools["total"]; ok {
			total = &t
		}
		delete(pools, "total")
	}
	if len(pools) == 0 || total == nil {
		return errors.New("ceph: dump_mempools without pools or without a total")
	}
	d.Pools = &Mempools{Bytes: map[string]int64{}, Items: map[string]int64{}, Total: total.Bytes}
	for name, p := range pools {
		d.Pools.Bytes[name], d.Pools.Items[name] = p.Bytes, p.Items
	}
	return nil
}

// Caches is what BlueStore and RocksDB keep because there is room.
func (m *Mempools) Caches() int64 {
	var sum int64
	for name, b := range m.Bytes {
		if strings.HasPrefix(name, "bluestore_cache_") || name == "bluestore_Buffer" {
			sum += b
		}
	}
	return sum
}

// PGLog is the memory of the logs of placement groups, dups included.
func (m *Mempools) PGLog() int64 { return m.Bytes["osd_pglog"] }

// Largest are the largest pools, as "name bytes".
func (m *Mempools) Largest(n int) []string {
	names := slices.SortedFunc(maps.Keys(m.Bytes), func(a, b string) int {
		if m.Bytes[a] != m.Bytes[b] {
			return int(max(-1, min(1, m.Bytes[b]-m.Bytes[a])))
		}
		return strings.Compare(a, b)
	})
	var out []string
	for _, name := range names[:min(n, len(names))] {
		out = append(out, name+" "+bytesText(m.Bytes[name]))
	}
	return out
}

// readPerf reads what matters of `perf dump`.
func (d *Daemon) readPerf(r io.Reader) error {
	var p struct {
		Cache struct {
			Target   int64 `json:"target_bytes"`
			Mapped   int64 `json:"mapped_bytes"`
			Unmapped int64 `json:"unmapped_bytes"`
			Heap     int64 `json:"heap_bytes"`
		} `json:"bluestore-pricache"`
		OSD   map[string]any `json:"osd"`
		Store struct {
			Retries int64 `json:"bluestore_reads_with_retries"`
		} `json:"bluestore"`
	}
	if err := decodeJSON(r, &p); err != nil {
		return err
	}
	if len(p.OSD) == 0 {
		return errors.New("ceph: perf dump without the counters of an OSD")
	}
	d.Perf = &Perf{p.Cache.Mapped, p.Cache.Heap, p.Cache.Unmapped, p.Cache.Target, p.Store.Retries}
	return nil
}

// readDaemonStatus reads `status` of an OSD.
func (d *Daemon) readDaemonStatus(r io.Reader) error {
	var s struct {
		State string `json:"state"`
	}
	if err := decodeJSON(r, &s); err != nil {
		return err
	}
	if s.State == "" {
		return errors.New("ceph: status of an OSD without a state")
	}
	d.State = s.State
	return nil
}

var heapLine = regexp.MustCompile(`^MALLOC:\s*[+=]?\s*(\d{1,18}) \(.*\) (.*)$`)

// readHeap reads `heap stats`, which tcmalloc writes as text (gperftools,
// src/tcmalloc.cc, DumpStats).
func (d *Daemon) readHeap(r io.Reader) error {
	h, seen := &Heap{}, 0
	fields := map[string]*int64{
		"Bytes in use by application":          &h.InUse,
		"Bytes in page heap freelist":          &h.Freelist,
		"Actual memory used (physical + swap)": &h.Physical,
		"Bytes released to OS (aka unmapped)":  &h.Released,
	}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		m := heapLine.FindStringSubmatch(strings.TrimSpace(lines.Text()))
		if m == nil || fields[m[2]] == nil {
			continue
		}
		n, err := strconv.ParseInt(m[1], 10, 64)
		if err != nil {
			return err
		}
		*fields[m[2]] = n
		seen++
	}
	if err := lines.Err(); err != nil {
		return err
	}
	if seen != len(fields) {
		return errors.New("ceph: not the heap statistics of tcmalloc")
	}
	d.Heap = h
	return nil
}
