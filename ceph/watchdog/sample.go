package watchdog

import "time"

// None is a value that was not seen, or a limit that is not set.
const None = int64(-1)

// A Pass is what a [Sampler] saw of a host at one moment. Its slices are the
// Sampler's and are overwritten by the next pass. Sizes are in bytes.
type Pass struct {
	At     time.Duration // on a clock that nobody sets
	Host   HostSample
	Groups []GroupSample
	OSDs   []OSDSample
}

// A HostSample is the host's memory.
type HostSample struct {
	Total     int64
	Available int64 // MemAvailable; on a kernel before 3.14 MemFree and Cached
	SwapFree  int64
	Some      int64 // pressure stall totals in microseconds (PSI)
	Full      int64
	Kills     int64 // OOM kills since the boot, as of the last search for OSDs
}

// A GroupSample is a control group that has a limit, of either version.
type GroupSample struct {
	Path   string
	Parent int   // index in Groups of the nearest group above it with a limit; -1: none
	Limit  int64 // the lower of memory.max and memory.high
	Used   int64 // what cannot be reclaimed: without page cache
	Kills  int64 // oom_kill
	Events int64 // memory.events high and max; failcnt in version 1, which rises harmlessly
	Full   int64 // memory.pressure of this group, microseconds; None in version 1
}

// An OSDSample is one ceph-osd.
type OSDSample struct {
	ID, PID int
	Age     time.Duration // of the process
	Anon    int64         // RssAnon
	Swap    int64
	Group   int // index in Groups of the nearest group with a limit; -1: none
}

// Used is the memory that only the process's end gives back.
func (s OSDSample) Used() int64 { return max(s.Anon, 0) + max(s.Swap, 0) }

// Lacks are the signals that a kernel does not give. Each lowers the
// confidence of what is said.
type Lacks uint8

// The signals that may be missing.
const (
	LacksAnon      Lacks = 1 << iota // RssAnon (before 4.5): resident minus shared stands for it
	LacksAvailable                   // MemAvailable (before 3.14)
	LacksPSI                         // pressure stall information (before 4.20)
	LacksEvents                      // events of the memory controller
)

var lackNames = [...]string{"RssAnon", "MemAvailable", "PSI", "cgroup events"}

// Names lists the missing signals.
func (l Lacks) Names() []string {
	var out []string
	for i, name := range lackNames {
		if l&(1<<i) != 0 {
			out = append(out, name)
		}
	}
	return out
}
