package bpdu

import (
	"cmp"
	"slices"
	"time"
)

// Capture is what was heard on the host's devices in a while.
type Capture struct {
	Since, Until time.Time
	Talkers      []Talker
	Frames       int    // BPDUs seen
	Lost         uint32 // frames that the kernel dropped because we were too slow
	Limited      bool   // ended by the limit of frames, not by the time
}

// A Talker is a source of BPDUs at a device.
type Talker struct {
	Device string
	MAC    string
	// Out: the host sent them by this device. In: they came in, from the
	// instance of a tap or from the network of an uplink.
	Out        bool
	Types      []Type
	Frames     int
	First      time.Time
	Last       time.Time
	Example    BPDU
	Unreadable int // frames to the addresses of BPDUs that were none
}

// hear notes a frame.
func (c *Capture) hear(device string, out bool, at time.Time, b BPDU, readable bool) {
	i := slices.IndexFunc(c.Talkers, func(t Talker) bool { return t.Device == device && t.MAC == b.Source && t.Out == out })
	if i < 0 {
		if len(c.Talkers) == maxTalkers {
			c.Limited = true
			return
		}
		c.Talkers = append(c.Talkers, Talker{Device: device, MAC: b.Source, Out: out, First: at, Example: b})
		i = len(c.Talkers) - 1
	}
	t := &c.Talkers[i]
	t.Last = at
	c.Frames++
	if !readable {
		t.Unreadable++
		return
	}
	if t.Frames++; !slices.Contains(t.Types, b.Type) {
		t.Types = append(t.Types, b.Type)
	}
}

// maxTalkers bounds the memory of a capture: an instance may invent sources.
const maxTalkers = 4096

func (c *Capture) sort() {
	slices.SortFunc(c.Talkers, func(a, b Talker) int { return cmp.Or(cmp.Compare(a.Device, b.Device), cmp.Compare(a.MAC, b.MAC)) })
}
