package bootvolume

import "time"

// A Snapshot is all that was observed. What was not looked at is empty, and
// Check says only what follows from the rest.
type Snapshot struct {
	Subject string
	Taken   time.Time
	Logs    Logs
	Proxies []Proxy // of haproxy.cfg, defaults inherited
	Nova    []NovaConf
	Galera  []GaleraConf
	Running []Runtime  // what HAProxy says of itself
	Nodes   []Node     // what the nodes of Galera have in effect
	Rows    []Lateness // what a probe has measured
	Unseen  []string
}

// Logs are the lines that matter here, of any number of hosts: of HAProxy the
// requests that create volumes.
type Logs struct {
	Events   []Event // of nova and cinder
	Requests []Request
	Spans    map[Source]Span // what time the logs of each kind cover
	APIs     map[string]Span // and those of cinder-api, by host
	Unread   int64           // lines of HAProxy without a time, and POSTs of an unknown form
	Cut      int64           // lines that were longer than is read, or without an end
}

// Source is a kind of log.
type Source string

// The kinds of logs.
const (
	Compute Source = "nova-compute"
	API     Source = "cinder-api"
	HAProxy Source = "haproxy"
)

// A Span is the time between the first and the last line of a log.
type Span struct{ First, Last time.Time }

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
func (n NovaConf) Waits() time.Duration { return time.Duration(n.Retries) * n.Interval }

// GaleraConf is what one node's file says.
type GaleraConf struct {
	Host      string
	Variables map[string]string // names with underscores, in lower case
	Includes  []string          // !include and !includedir, which were not read
}
