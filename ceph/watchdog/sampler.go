package watchdog

import "time"

// SamplerOptions say what is sampled. The zero value is all OSDs of this host.
type SamplerOptions struct {
	Root  string   // in which proc and sys/fs/cgroup lie; empty: /
	Words []string // that the command lines of the OSDs have: the path of a configuration, where a host has several clusters
}

// rescan is how often a Sampler looks for OSDs that are new, and for limits
// that changed. It looks at once when one that it knows is gone.
const rescan = 10 * time.Second
