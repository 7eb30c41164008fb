package ceph

import "io"

// source is one command whose answer becomes part of a Snapshot.
type source struct {
	command Command
	read    func(*Snapshot, io.Reader) error
	quiet   bool // that it fails says nothing: a module may be off
}

// osdMapSource comes first: it says which OSDs there are.
func osdMapSource() source {
	return source{command: Command{To: Target{Kind: KindMon}, Prefix: "osd dump"}, read: (*Snapshot).readOSDMap}
}

// statusSource comes last: it says whether the map has moved meanwhile.
func statusSource() source {
	return source{command: Command{To: Target{Kind: KindMon}, Prefix: "status"}, read: (*Snapshot).readStatus}
}

// osdPerfSource is the first question to the manager, and a cheap one.
func osdPerfSource() source {
	return source{command: Command{To: Target{Kind: KindMgr}, Prefix: "osd perf"}, read: (*Snapshot).readOSDPerf}
}

// monSources are answered by the monitors.
func monSources(logLines int) []source {
	mon := Target{Kind: KindMon}
	return []source{
		{command: Command{To: mon, Prefix: "health", Args: []Arg{{"detail", "detail"}}}, read: (*Snapshot).readHealth},
		{command: Command{To: mon, Prefix: "osd tree"}, read: (*Snapshot).readTree},
		{command: Command{To: mon, Prefix: "versions"}, read: (*Snapshot).readVersions},
		{command: Command{To: mon, Prefix: "mgr dump"}, read: (*Snapshot).readMgr},
		{command: Command{To: mon, Prefix: "config dump"}, read: (*Snapshot).readConfig},
		{command: Command{To: mon, Prefix: "osd metadata"}, read: (*Snapshot).readMetadata},
		{command: Command{To: mon, Prefix: "log last", Args: []Arg{{"num", logLines}, {"level", "info"}, {"channel", "cluster"}}}, read: (*Snapshot).readLog},
	}
}

// mgrSources are answered by the manager.
func mgrSources() []source {
	mgr := Target{Kind: KindMgr}
	return []source{
		{command: Command{To: mgr, Prefix: "osd df"}, read: (*Snapshot).readDF},
		{command: Command{To: mgr, Prefix: "pg dump", Args: []Arg{{"dumpcontents", []string{"pgs"}}}}, read: (*Snapshot).readPGDump},
		{command: Command{To: mgr, Prefix: "crash ls"}, read: (*Snapshot).readCrashes, quiet: true},
		{command: Command{To: mgr, Prefix: "balancer status"}, read: (*Snapshot).readBalancer, quiet: true},
	}
}

// daemonSource is one command whose answer becomes part of a Daemon.
type daemonSource struct {
	prefix string
	text   bool
	read   func(*Daemon, io.Reader) error
	quiet  bool // not every OSD can: heap statistics need tcmalloc
}

func daemonSources() []daemonSource {
	return []daemonSource{
		{prefix: "status", read: (*Daemon).readDaemonStatus},
		{prefix: "dump_mempools", read: (*Daemon).readMempools},
		{prefix: "config show", read: (*Daemon).readConfigShow},
		{prefix: "perf dump", read: (*Daemon).readPerf},
		{prefix: "heap stats", text: true, read: (*Daemon).readHeap, quiet: true},
	}
}

func (d daemonSource) command(id int) Command {
	c := Command{To: ToOSD(id), Prefix: d.prefix, Text: d.text}
	if d.prefix == "heap stats" { // one command with an argument, to the daemon
		c.Prefix, c.Args = "heap", []Arg{{"heapcmd", "stats"}}
	}
	return c
}
