package bootvolume

import (
	"math"
	"slices"
	"time"
)

// A Snapshot is all that was observed. What was not looked at is empty, and
// Check says only what follows from the rest.
type Snapshot struct {
	Subject string
	Taken   time.Time
	Batch   int64 // instances that are booted at once; zero: what the logs show
	Logs    Logs
	Proxies []Proxy // of haproxy.cfg, defaults inherited
	// ProxiesWritten is when haproxy.cfg was changed last; zero: not known. Each
	// of Running is compared with it, as if it were its own.
	ProxiesWritten time.Time
	Nova           []NovaConf
	Galera         []GaleraConf
	// Services are the configurations of what uses the database: cinder-api,
	// cinder-scheduler and cinder-volume, of every host.
	Services []ServiceConf
	// ComputeServices are nova's services, and Consoles the configurations of
	// the hosts that run nova-consoleauth, which nova has before 20 (Train).
	ComputeServices []ComputeService
	Consoles        []ConsoleConf

	Running  []Runtime  // what HAProxy says of itself
	Nodes    []Node     // what the nodes of Galera have in effect
	NodeLogs []NodeLog  // the error logs of the nodes
	Rows     []Lateness // what a probe has measured
	Unseen   []string
}

// with is the snapshot with other logs.
func (s *Snapshot) with(l *Logs) *Snapshot {
	c := *s
	c.Logs = *l
	return &c
}

// Logs are the lines that matter here, of any number of hosts: of HAProxy the
// requests that create volumes.
type Logs struct {
	Events   []Event // of nova and cinder
	Requests []Request
	Files    []FileSpan // what time each file covers
	Unread   int64      // lines of HAProxy without a time, POSTs of an unknown form, and JSON that is none of oslo.log's
	Cut      int64      // lines that were longer than is read, or without an end
}

// Source is a kind of log.
type Source string

// The kinds of logs.
const (
	NovaAPI   Source = "nova-api"
	Compute   Source = "nova-compute"
	HAProxy   Source = "haproxy"
	API       Source = "cinder-api"
	Scheduler Source = "cinder-scheduler"
	Volume    Source = "cinder-volume"
)

// A Span is the time between the first and the last line of a log.
type Span struct{ First, Last time.Time }

// A FileSpan is the time that one file of a log covers. Between two files one
// may be missing.
type FileSpan struct {
	Source     Source
	Host, Name string
	Span
}

// covers reports whether a log of this kind was written at that time.
func (l *Logs) covers(s Source, t time.Time) bool {
	return slices.ContainsFunc(l.Files, func(f FileSpan) bool { return f.Source == s && f.covers(t) })
}

// hosts is how many hosts' logs of this kind were written at that time.
func (l *Logs) hosts(s Source, t time.Time) int {
	seen := make(map[string]bool)
	for _, f := range l.Files {
		if f.Source == s && f.covers(t) {
			seen[f.Host] = true
		}
	}
	return len(seen)
}

// covers reports whether a log was written at that time. Nothing follows from
// the absence of a line at another time.
func (s Span) covers(t time.Time) bool {
	return !t.IsZero() && !s.First.IsZero() && !t.Before(s.First) && !t.After(s.Last)
}

// NovaConf is what a compute host's nova.conf says of waiting for volumes.
type NovaConf struct {
	Host     string
	Retries  int64         // block_device_allocate_retries
	Interval time.Duration // block_device_allocate_retries_interval
}

// Waits is the age of a volume at nova's last look: it looks Retries+1 times.
func (n NovaConf) Waits() time.Duration {
	if n.Interval > 0 && n.Retries > int64(math.MaxInt64/n.Interval) {
		return math.MaxInt64
	}
	return time.Duration(n.Retries) * n.Interval
}

// GaleraConf is what one node's file says.
type GaleraConf struct {
	Host      string
	Variables map[string]string // names with underscores, in lower case
	Includes  []string          // !include and !includedir, which were not read
}

// ServiceConf is what the configuration of a service says.
type ServiceConf struct {
	Host     string
	SyncWait string // mysql_wsrep_sync_wait; "": not set, the server's wsrep_sync_wait counts
	// Pool is how many sessions one process may open: max_pool_size and
	// max_overflow together. Zero: no limit, or not read.
	Pool int64
	// Recycle is how long it keeps an idle session, connection_recycle_time;
	// negative: for good; zero: not read.
	Recycle time.Duration
}
