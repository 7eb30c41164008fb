package ceph

import (
	"cmp"
	"time"
)

// A Policy holds the thresholds of Check. A field that is zero takes the
// default that stands beside it.
type Policy struct {
	Flaps           int           // 2: times that an OSD goes down within FlapWindow
	FlapWindow      time.Duration // 1 h
	Overshoot       float64       // 1.2: times osd_memory_target that an OSD may use
	Unpooled        int64         // 1 GiB in no pool, and
	UnpooledShare   float64       // 0.4 of the process, are fragmentation or a leak
	HostPromise     float64       // 0.9 of a host's memory may be promised to its OSDs
	LogShare        float64       // 0.25 of osd_memory_target may be logs of placement groups
	SnapQueue       int64         // 32768 snapshots of one PG (mon_osd_snap_trim_queue_warn_on)
	SlowScore       float64       // 6: distance from the median in median absolute deviations, scaled
	SlowFactor      float64       // 3: and times the median
	Stuck           time.Duration // 5 min without being active: no passing state any more
	RetransmitWarn  float64       // 0.1 percent of the segments sent
	RetransmitFail  float64       // 1 percent
	MinSegments     int64         // 10000 segments, or the share says nothing
	MinFree         int64         // 512 MiB: vm.min_free_kbytes of a storage host
	IRQShare        float64       // 0.7 of the interrupts of network cards on one of many CPUs
	TimeWait        int           // 20000 sockets
	ConntrackFilled float64       // 0.8 of the table of tracked connections
	// Places of addresses in the network, for tcp-retransmissions.
	Places map[string]Place
}

// A Place is where an address is: its host, and the switch that the host
// hangs on.
type Place struct{ Host, Switch string }

func (p Policy) orDefaults() Policy {
	p.Flaps = cmp.Or(p.Flaps, 2)
	p.FlapWindow = cmp.Or(p.FlapWindow, time.Hour)
	p.Overshoot = cmp.Or(p.Overshoot, 1.2)
	p.Unpooled = cmp.Or(p.Unpooled, 1<<30)
	p.UnpooledShare = cmp.Or(p.UnpooledShare, 0.4)
	p.HostPromise = cmp.Or(p.HostPromise, 0.9)
	p.LogShare = cmp.Or(p.LogShare, 0.25)
	p.SnapQueue = cmp.Or(p.SnapQueue, 32768)
	p.SlowScore = cmp.Or(p.SlowScore, 6)
	p.SlowFactor = cmp.Or(p.SlowFactor, 3)
	p.Stuck = cmp.Or(p.Stuck, 5*time.Minute)
	p.RetransmitWarn = cmp.Or(p.RetransmitWarn, 0.1)
	p.RetransmitFail = cmp.Or(p.RetransmitFail, 1)
	p.MinSegments = cmp.Or(p.MinSegments, 10000)
	p.MinFree = cmp.Or(p.MinFree, 512<<20)
	p.IRQShare = cmp.Or(p.IRQShare, 0.7)
	p.TimeWait = cmp.Or(p.TimeWait, 20000)
	p.ConntrackFilled = cmp.Or(p.ConntrackFilled, 0.8)
	return p
}
