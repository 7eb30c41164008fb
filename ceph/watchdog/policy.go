package watchdog

import (
	"cmp"
	"time"
)

// LastResort is what is done when the kill is near and the cluster cannot
// afford the restart, or cannot be asked. Neither is good: a graceful stop makes
// placement groups inactive until the OSD is back; a kill does the same, and
// may corrupt its store (the incident lost three to that).
type LastResort uint8

// The choices. The zero value refuses: a prediction is not certain, and
// inactive placement groups are. Either is said, in `restart-refused`.
const (
	Refuse LastResort = iota // leave it to the kernel
	Stop                     // stop it gracefully all the same, holding the claim
)

// A Policy holds the thresholds. A field that is zero takes the default that
// stands beside it.
type Policy struct {
	// Margin, 6 s, is added to the time that a stop was measured to take: three
	// seconds until growth is believed, the rest to ask the cluster.
	Margin time.Duration
	// Stop, 10 s, stands for the time of a stop of which none was measured.
	Stop time.Duration
	// Cycle, 25 s, is from SIGTERM until the placement groups are active again
	// where none was measured: how long the next OSD has to wait.
	Cycle time.Duration
	// Horizon, 3 min: an OSD whose limit is nearer is warned about, and tells
	// the other hosts.
	Horizon time.Duration
	// Reserve, 0.02 of a limit, is not counted as room.
	Reserve float64
	// Settle, 30 s: a process that is younger loads its logs, and its growth
	// says nothing.
	Settle time.Duration
	// CoolDown, 150 s, between two restarts of an OSD: no more than four in 600 s,
	// fewer than an OSD bears being marked down (osd_max_markdown_count, 5), and
	// time for recovery, which grows an OSD without any leak.
	CoolDown time.Duration
	// Useless, 0.7: a restart after which the memory is back to this share of
	// what it was, as soon as the OSD has settled, did not help.
	Useless float64
	// Hold, 1 h: for how long a restart that did not help is not repeated.
	Hold time.Duration
	// Full, 0.05: an OSD with less than this share of its limit left is warned
	// about although it does not grow.
	Full float64
	// Stalled, 0.1: an OSD of which all under one of its limits stalled for this
	// share of the time is warned about, or asked for memory, earlier.
	Stalled float64
	// Storm, 3: with as many OSDs of the cluster down, restarting feeds the storm.
	Storm int
	// Burst, 6: after as many restarts in the whole cluster within CoolDown the
	// next waits. As many fit into it one after the other (Cycle).
	Burst int

	LastResort LastResort
}

func (p Policy) orDefaults() Policy {
	p.Margin = cmp.Or(p.Margin, 6*time.Second)
	p.Stop = cmp.Or(p.Stop, 10*time.Second)
	p.Cycle = cmp.Or(p.Cycle, 25*time.Second)
	p.Horizon = cmp.Or(p.Horizon, 3*time.Minute)
	p.Reserve = cmp.Or(p.Reserve, 0.02)
	p.Settle = cmp.Or(p.Settle, 30*time.Second)
	p.CoolDown = cmp.Or(p.CoolDown, 150*time.Second)
	p.Useless = cmp.Or(p.Useless, 0.7)
	p.Hold = cmp.Or(p.Hold, time.Hour)
	p.Full = cmp.Or(p.Full, 0.05)
	p.Stalled = cmp.Or(p.Stalled, 0.1)
	p.Storm = cmp.Or(p.Storm, 3)
	p.Burst = cmp.Or(p.Burst, 6)
	return p
}
