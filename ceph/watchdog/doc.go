// Package watchdog restarts an OSD gracefully before the kernel kills it for
// its memory: early enough, never two of them at once, and not when it does
// not help. It is made from an incident in which OSDs grew until the OOM killer
// took them, the kill corrupted the store of three, and every kill made the
// storm worse.
//
// A [Sampler] reads the memory of this host's OSDs, a [Tracker] says how long
// it is until each meets a limit, [Judge] what is to be done, [Schedule] whose
// turn it is in the whole cluster, and [Claims] keep two hosts from going at
// the same time. They make no change.
//
// # Time to the limit
//
// Not how full an OSD is but how long it has left decides. Growth counts when it
// lasts: over three seconds or more, in each third of them, so that bursts,
// steps and most teeth of a saw do not trip it. Every limit that holds an OSD
// is looked at: its control group and those above it, of version 1 and 2, and
// the host's MemAvailable, with the growth of all OSDs under that limit summed
// up. Page cache does not count, nor does swap count as room. Under a limit
// that several share, the one that grows fastest goes first; where most of the
// growth is not the OSDs' nothing is restarted.
//
// TestSimulation plays thousands of traces against fixed thresholds; `go test
// -run TestSimulation -v ./ceph/watchdog` prints the table.
//
// # Claims
//
// [Claims] stand in the monitors' config-key store. They need `mon 'allow r,
// allow command "config-key set", allow command "config-key rm", allow command
// "config-key dump"'`. What they do not exclude: a watchdog that is frozen
// between its last look at its claim and SIGTERM, for longer than half a lease.
//
// # Compatibility
//
// Sampling needs Linux; elsewhere it is [errors.ErrUnsupported]. What an old
// kernel lacks is told by [Sampler.Lacks]. Version 1 of control groups is
// tested with real limits, version 2 from files alone.
package watchdog
