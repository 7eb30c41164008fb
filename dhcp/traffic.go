package dhcp

import (
	"encoding/binary"
	"time"
)

// A flow is the traffic of one MAC, in bounded memory.
type flow struct {
	mac                 MAC
	first, from, to, at int64 // nanoseconds since 1970: first frame, last from, last to, last sent
	frames              [2]int64
	asked, replies      uint32
	vain                int64 // the first ARP request since the last reply
	bytes               int64
	width               int64             // of a slot, in nanoseconds
	slots               *[loadSlots]int64 // nil: no load yet
}

// loadSlots is how finely the load of a capture is kept: its time is cut into
// so many parts at most.
const loadSlots = 48

// flow returns the flow of a MAC, nil where there are too many.
func (c *capture) flow(m MAC) *flow {
	slot := &c.recent[(m[5]^m[4]<<3)%uint8(len(c.recent))]
	if f := *slot; f != nil && f.mac == m {
		return f
	}
	f := c.traffic.get(m)
	if f == nil {
		if len(c.traffic.all) >= 2*c.o.MaxClients {
			return nil
		}
		if len(c.idle) == 0 {
			c.idle = make([]flow, min(len(c.traffic.all)/8+1, pageLen))
		}
		f, c.idle = &c.idle[0], c.idle[1:]
		f.mac, f.width = m, int64(time.Second)
		c.traffic.put(m, f)
	}
	*slot = f
	return f
}

// other notes a frame that is not DHCP.
func (c *capture) other(f *frame) {
	if f.kind == typeARP {
		c.arp(f)
		return
	}
	if f.src[0]&1 == 0 {
		if fl := c.flow(f.src); fl != nil {
			fl.sent(f)
			if f.dst[0]&1 == 0 {
				fl.from, fl.frames[0] = fl.at, fl.frames[0]+1
			}
			fl.load(f)
		}
	}
	if f.dst[0]&1 == 0 && f.dst != (MAC{}) {
		if fl := c.flow(f.dst); fl != nil {
			fl.to, fl.frames[1] = f.at.UnixNano(), fl.frames[1]+1
			fl.load(f)
		}
	}
}

// arp counts requests from an instance and replies to it.
func (c *capture) arp(f *frame) {
	if len(f.ip) < 28 {
		return
	}
	request := binary.BigEndian.Uint16(f.ip[6:]) == 1
	if fl := c.flow(f.src); fl != nil && f.src[0]&1 == 0 {
		fl.sent(f)
		if request {
			fl.asked++
			if fl.vain == 0 {
				fl.vain = fl.at
			}
		} else {
			fl.from, fl.frames[0] = fl.at, fl.frames[0]+1
		}
	}
	if !request && f.dst[0]&1 == 0 {
		if fl := c.flow(f.dst); fl != nil {
			fl.replies++
			fl.vain = 0
			fl.to, fl.frames[1] = f.at.UnixNano(), fl.frames[1]+1
		}
	}
}

// unreachable notes that nobody listens at the server.
func (c *capture) unreachable(f *frame) {
	t := c.tracks.get(f.dst)
	if t == nil {
		return
	}
	e := Event{Time: f.at, Number: c.trace.Units, Kind: Unreachable}
	copy(e.Server[:], f.ip[12:16])
	c.add(t, e)
}

// sent notes that the instance sent something.
func (fl *flow) sent(f *frame) {
	if fl == nil {
		return
	}
	fl.at = f.at.UnixNano()
	if fl.first == 0 {
		fl.first = fl.at
	}
}

// load adds the bytes to the slot of their time; when time goes beyond the
// last slot, slots become twice as wide.
func (fl *flow) load(f *frame) {
	at := f.at.UnixNano()
	if fl.first == 0 {
		fl.first = at
	}
	if fl.slots == nil {
		fl.slots = new([loadSlots]int64)
	}
	fl.bytes += int64(f.size)
	i := (at - fl.first) / fl.width
	if i < 0 {
		return
	}
	for ; i >= loadSlots; i /= 2 {
		for n := range loadSlots / 2 {
			fl.slots[n] = fl.slots[2*n] + fl.slots[2*n+1]
		}
		clear(fl.slots[loadSlots/2:])
		if fl.width *= 2; fl.width > 1<<60 {
			return
		}
	}
	fl.slots[i] += int64(f.size)
}

func (fl *flow) before() Before {
	return Before{From: fl.from, To: fl.to, ARPSince: fl.vain, ARPAsked: fl.asked, ARPReplies: fl.replies}
}

func (fl *flow) traffic() Traffic {
	t := Traffic{First: nanos(fl.first), LastFrom: nanos(fl.from), LastTo: nanos(fl.to), LastSent: nanos(fl.at), From: fl.frames[0], To: fl.frames[1],
		ARPAsked: int64(fl.asked), ARPReplies: int64(fl.replies), Bytes: fl.bytes}
	if fl.bytes == 0 {
		return t
	}
	last := 0
	for i, n := range fl.slots {
		if n > 0 {
			last = i
		}
	}
	for i, n := range fl.slots[:last+1] {
		t.Load = append(t.Load, Load{Since: nanos(fl.first + int64(i)*fl.width), For: time.Duration(fl.width), Bytes: n})
	}
	return t
}

// nanos is the instant of nanoseconds since 1970; 0: none.
func nanos(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}
