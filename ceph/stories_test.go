package ceph

import (
	"fmt"
	"time"

	"github.com/stackmend/stackmend"
)

// fell adds to the log that an OSD went down n times, a minute apart.
func fell(o *Observed, id, n int, text string) {
	for i := range n {
		at := o.Cluster.Taken.Add(time.Duration(i-n) * time.Minute)
		o.ClusterLog = append(o.ClusterLog, LogLine{at, "mon.a", "[INF]", fmt.Sprintf(text, id)})
	}
}

const (
	refused = "osd.%d failed (root=default,host=host1) (connection refused reported by osd.2)"
	silent  = "osd.%d failed (root=default,host=host1) (2 reporters from different host after 22.000 >= grace 20.000)"
	itself  = "osd.%d marked itself down and dead"
)

// many makes a cluster of n OSDs on n/4 hosts.
func many(o *Observed, n int) {
	for i := 3; i < n; i++ {
		osd := o.Cluster.OSDs[0]
		osd.ID, osd.Host = i, fmt.Sprintf("host%d", i/4)
		o.Cluster.OSDs = append(o.Cluster.OSDs, osd)
	}
}

func flapStories() []story {
	return []story{
		{"killed", func(o *Observed) { fell(o, 1, 2, refused) }, CodeFlapping, stackmend.Warn, "ended without a word"},
		{"silent", func(o *Observed) { fell(o, 1, 2, silent) }, CodeFlapping, stackmend.Warn, "no answer to heartbeats"},
		{"restarted", func(o *Observed) { fell(o, 1, 2, itself) }, CodeFlapping, stackmend.Warn, "osd_fast_shutdown true"},
		{"crashed", func(o *Observed) {
			fell(o, 1, 2, refused)
			o.Cluster.Crashes = []Crash{{"2026-11-22_crash", "osd.1", o.Cluster.Taken.Add(-time.Minute)}}
		}, CodeFlapping, stackmend.Warn, "it crashes"},
		{"out of memory", func(o *Observed) {
			fell(o, 1, 2, refused)
			o.Host = &Host{Name: o.Cluster.OSDs[1].Hostname, OOMKills: []OOMKill{{Name: "ceph-osd", PID: 7, Text: "Killed process 7 (ceph-osd)"}}}
		}, CodeFlapping, stackmend.Warn, "want of memory"},
		{"budget used up", func(o *Observed) { fell(o, 1, 6, silent) }, CodeFlapping, stackmend.Fail, "markdown budget"},
		{"one host", func(o *Observed) {
			many(o, 24)
			for id := 8; id < 12; id++ {
				fell(o, id, 2, refused)
			}
		}, CodeFlapping, stackmend.Warn, "have the host host2"},
		{"one disk model", func(o *Observed) {
			many(o, 24)
			for id := 4; id < 24; id += 5 {
				o.Cluster.OSDs[id].Model = "SEAGATE_ST4000NM0035"
				fell(o, id, 2, refused)
			}
			o.Cluster.OSDs[5].Model = "HGST_HUS726040ALA610"
		}, CodeFlapping, stackmend.Warn, "have the disk model SEAGATE_ST4000NM0035"},
		{"no pattern", func(o *Observed) {
			many(o, 24)
			for id := 4; id < 24; id += 5 {
				fell(o, id, 2, refused)
			}
		}, CodeFlapping, stackmend.Warn, "nothing in common"},
		{"a new life between snapshots", func(o *Observed) {
			earlier := calmCopy(o.Cluster)
			earlier.OSDs[1].UpFrom--
			o.Earlier = earlier
		}, CodeFlapping, stackmend.Warn, "between the two snapshots"},
		{"the log is short", func(o *Observed) { o.Cluster.LastUpChange = o.Cluster.Taken.Add(-10 * time.Minute) }, CodeFlapping, stackmend.Unknown, "the log begins only"},
		{"given up by systemd", func(o *Observed) {
			o.Host = &Host{Name: "h", Units: []Unit{{OSD: 2, Result: "start-limit-hit", Burst: 3}}}
		}, CodeFlapping, stackmend.Fail, "given it up"},
	}
}

func calmCopy(s *Snapshot) *Snapshot {
	c := *s
	c.OSDs = append([]OSD(nil), s.OSDs...)
	c.Taken = s.Taken.Add(-time.Minute)
	return &c
}

// pool sets the size of a memory pool of osd.0 and of the process.
func pool(o *Observed, name string, bytes int64) {
	d := o.Cluster.OSDs[0].Daemon
	d.Pools.Total += bytes - d.Pools.Bytes[name]
	d.Pools.Bytes[name] = bytes
	d.Perf.Mapped = d.Pools.Total + 50<<20
}

func memoryStories() []story {
	return []story{
		{"the log eats it", func(o *Observed) { pool(o, "osd_pglog", 3<<30) }, CodeMemory, stackmend.Fail, "most of it for the PG log"},
		{"caches", func(o *Observed) { pool(o, "bluestore_cache_data", 1<<30) }, CodeMemory, stackmend.Warn, "most of it for caches"},
		{"promised twice", func(o *Observed) {
			for i := range o.Cluster.OSDs {
				o.Cluster.OSDs[i].MemTotal = 2 << 30
			}
		}, CodeMemory, stackmend.Fail, "lower osd_memory_target to at most"},
		{"in no pool", func(o *Observed) { o.Cluster.OSDs[0].Daemon.Perf.Mapped = 4 << 30 }, CodeFragmented, stackmend.Warn, "fragmentation or a leak"},
		{"free in the heap", func(o *Observed) {
			o.Cluster.OSDs[0].Daemon.Heap = &Heap{InUse: 1 << 30, Freelist: 3 << 30, Physical: 4 << 30}
		}, CodeFragmented, stackmend.Warn, "ceph tell osd.0 heap release"},
		{"known leak", func(o *Observed) {
			o.Cluster.OSDs[0].Daemon.Perf.Mapped = 4 << 30
			o.Cluster.OSDs[0].Version = Version{14, 2, 9}
		}, CodeFragmented, stackmend.Warn, "46027"},
		{"size not seen", func(o *Observed) { o.Cluster.OSDs[0].Daemon.Perf.Mapped = 0 }, CodeFragmented, stackmend.Unknown, "without tcmalloc"},
		{"near its cgroup's limit", func(o *Observed) {
			o.Host = &Host{Name: "h", Processes: []Process{{PID: 5, OSD: 2, Anon: 95 << 20, CgroupLimit: 100 << 20}}}
		}, CodeMemory, stackmend.Fail, "its cgroup permits"},
		{"host out of memory", func(o *Observed) {
			o.Host = &Host{Name: "h", Memory: HostMemory{100 << 30, 1 << 30}, Processes: []Process{{PID: 5, OSD: 2}}}
		}, CodeMemory, stackmend.Fail, "are available"},
		{"the kernel's word for the size", func(o *Observed) {
			o.Host = &Host{Name: o.Cluster.OSDs[0].Hostname, Processes: []Process{{PID: 77, OSD: 0, Anon: 4 << 30, CgroupLimit: -1}}}
		}, CodeMemory, stackmend.Fail, "process 4.0 GiB"},
	}
}

// long gives one PG a log of n entries.
func long(o *Observed, p PG) {
	p.Acting = []int{0, 1, 2}
	o.Cluster.PGs.LongLogs.Top = append([]PG{p}, o.Cluster.PGs.LongLogs.Top...)
}

func version(o *Observed, v Version) {
	o.Cluster.Versions = []Versions{{"osd", v, 3}}
	for i := range o.Cluster.OSDs {
		o.Cluster.OSDs[i].Version = v
	}
}

func logStories() []story {
	return []story{
		{"long log", func(o *Observed) { long(o, PG{ID: "2.1", State: "active+clean", Log: 20000}) }, CodePGLogLarge, stackmend.Warn, "2.1 with 20000 entries of 10000"},
		{"logs heavy", func(o *Observed) { pool(o, "osd_pglog", 600<<20) }, CodePGLogLarge, stackmend.Fail, "osd_pglog 600.0 MiB"},
		{"counted dups", func(o *Observed) {
			o.Cluster.PGs.DupsSeen = true
			o.Cluster.PGs.ManyDups.Top = []PG{{ID: "2.1", Dups: 10_000_000}}
		}, CodePGLogDups, stackmend.Fail, "trims them by itself"},
		{"estimated dups", func(o *Observed) { pool(o, "osd_pglog", 2<<30) }, CodePGLogDups, stackmend.Warn, "num of dups exceeded"},
		{"dups in a log", func(o *Observed) {
			o.OSDLogs = []OSDLog{{Name: "l", Signs: []Sign{{Kind: signDups, Count: 2, Example: "x"}}}}
		}, CodePGLogDups, stackmend.Fail, "53729"},
		{"inactive", func(o *Observed) { long(o, PG{ID: "2.1", State: "peered", Log: 20000}) }, CodeTrimUnavailable, stackmend.Warn, "not active"},
		{"the incident", func(o *Observed) {
			version(o, Version{12, 2, 13})
			o.Cluster.Flags = nil
			long(o, PG{ID: "2.1", State: "active+undersized+degraded", Log: 20000})
		}, CodeTrimUnavailable, stackmend.Warn, "ceph osd set pglog_hardlimit"},
		{"hardlimit not possible yet", func(o *Observed) {
			version(o, Version{12, 2, 8})
			o.Cluster.Flags = nil
			long(o, PG{ID: "2.1", State: "active+undersized+degraded", Log: 20000})
		}, CodeTrimUnavailable, stackmend.Warn, "must run 12.2.11"},
		{"no writes", func(o *Observed) {
			long(o, PG{ID: "2.1", State: "active+clean", Log: 20000, LastUpdate: "23'20000"})
			o.Earlier = calmCopy(o.Cluster)
		}, CodeTrimUnavailable, stackmend.Warn, "a few writes trim it"},
		{"checksum", func(o *Observed) {
			o.OSDLogs = []OSDLog{{Name: "l", Signs: []Sign{{Kind: signChecksum, Count: 1, Example: "x"}}}}
		}, CodeRocksDB, stackmend.Fail, "read again before you redeploy"},
		{"checksum under pressure", func(o *Observed) {
			o.OSDLogs = []OSDLog{{Name: "l", Signs: []Sign{{Kind: signChecksum, Count: 1, Example: "x"}}}}
			o.Host = &Host{Name: "h", OOMKills: []OOMKill{{Name: "ceph-osd"}}}
		}, CodeRocksDB, stackmend.Fail, "not the disk"},
	}
}

func config(o *Observed, section, name, value string) {
	o.Cluster.Config = append(o.Cluster.Config, Setting{Section: section, Name: name, Value: value})
}

func daemon(o *Observed, id int, name, value string) { o.Cluster.OSDs[id].Daemon.Config[name] = value }

func settingStories() []story {
	mclock := func(o *Observed) {
		for i := range o.Cluster.OSDs {
			daemon(o, i, "osd_op_queue", "mclock_scheduler")
		}
	}
	return []story{
		{"not in effect", func(o *Observed) { config(o, "osd", "osd_max_backfills", "8") }, CodeRecoverySettings, stackmend.Warn, "config diff"},
		{"mClock decides", func(o *Observed) { mclock(o); config(o, "osd", "osd_max_backfills", "8") }, CodeRecoverySettings, stackmend.Warn, "osd_mclock_override_recovery_settings"},
		{"removed by the OSDs", func(o *Observed) {
			mclock(o)
			o.Cluster.Log = append(o.Cluster.Log, LogLine{o.Cluster.Taken, "osd.1", "[WRN]", "Change to osd_max_backfills on osd.1 did not take effect. Enable osd_mclock_override_recovery_settings before setting this option."})
		}, CodeRecoverySettings, stackmend.Warn, "removed it from the database"},
		{"needs a start", func(o *Observed) { config(o, "osd", "osd_op_queue", "mclock_scheduler") }, CodeRecoverySettings, stackmend.Warn, "next start"},
		{"not alike", func(o *Observed) { daemon(o, 1, "osd_max_backfills", "3") }, CodeRecoverySettings, stackmend.Warn, "do not agree"},
		{"no such disk", func(o *Observed) { mclock(o); daemon(o, 1, "osd_mclock_max_capacity_iops_hdd", "54321.0") }, CodeRecoverySettings, stackmend.Warn, "osd.1 osd_mclock_max_capacity_iops_hdd 54321"},
		{"left in the database", func(o *Observed) { config(o, "mon", "mon_osd_down_out_interval", "86400") }, CodeEmergency, stackmend.Warn, "lost OSDs are not replaced"},
		{"left by injectargs", func(o *Observed) { daemon(o, 1, "osd_op_thread_suicide_timeout", "2000") }, CodeEmergency, stackmend.Warn, "injectargs"},
		{"the autotuner", func(o *Observed) {
			config(o, "osd.1", "osd_memory_target", "1")
			daemon(o, 1, "osd_memory_target_autotune", "true")
		}, CodeEmergency, stackmend.Warn, "autotuning will remove it"},
	}
}

func host(h Host) func(*Observed) {
	h.Name, h.Span = "h", time.Second
	return func(o *Observed) { o.Host = &h }
}

func sysctl(name, value string) func(*Observed) {
	return host(Host{Sysctl: map[string]string{name: value}})
}

func hostStories() []story {
	lossy := TCPCounters{Out: 100000, Retransmitted: 3000}
	return []story{
		{"retransmissions", host(Host{TCP: TCPCounters{Out: 100000, Retransmitted: 200}}), CodeRetransmissions, stackmend.Warn, "leave them on"},
		{"the ceiling of the story", host(Host{TCP: lossy, Peers: []Peer{{"10.0.0.2", 1000, 900}}}), CodeRetransmissions, stackmend.Fail, "10.0.0.2: 900 of 1000"},
		{"damaged segments", host(Host{TCP: TCPCounters{100000, 3000, 7}, NICs: []NIC{{"eth0", "mlx5_core", "16.1", 0}}}), CodeRetransmissions, stackmend.Fail, "firmware 16.1"},
		{"min_free", host(Host{Sysctl: map[string]string{"vm.min_free_kbytes": "67584"}, Memory: HostMemory{128 << 30, 64 << 30}, Processes: []Process{{PID: 1}}}), CodeHostTuning, stackmend.Warn, "vm.min_free_kbytes"},
		{"conntrack full", host(Host{Sysctl: map[string]string{"net.netfilter.nf_conntrack_count": "95", "net.netfilter.nf_conntrack_max": "100"}}), CodeHostTuning, stackmend.Fail, "nearly full"},
		{"conntrack for nothing", host(Host{Tracked: 9, TrackedStorage: 5}), CodeHostTuning, stackmend.Warn, "5 of 9"},
		{"TIME_WAIT", host(Host{TimeWait: 30000}), CodeHostTuning, stackmend.Warn, "30000 sockets"},
		{"tw_recycle", sysctl("net.ipv4.tcp_tw_recycle", "1"), CodeHostTuning, stackmend.Fail, "clients behind one address"},
		{"small buffers", sysctl("net.ipv4.tcp_rmem", "4096 87380 212992"), CodeHostTuning, stackmend.Warn, "too small"},
		{"one CPU for all", host(Host{CPUs: 8, NetRX: []int64{9000, 1, 1, 1, 1, 1, 1, 1}}), CodeHostTuning, stackmend.Warn, "CPU 0 took"},
		{"blind", host(Host{Unseen: []Unseen{{Source: "/proc/net/snmp", Reason: "no"}}}), CodeRetransmissions, stackmend.Unknown, "/proc/net/snmp"},
	}
}
