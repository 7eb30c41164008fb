package dhcp

import (
	"encoding/binary"
	"time"
)

// A flow is the traffic of one MAC, in bounded memory.
type flow struct {
	mac                 MAC
	slots               uint32 // in capture.loads, from 1; 0: no load yet
	asked, replies      uint32
	first, from, to, at int64 // nanoseconds since 1970: first frame, last from, last to, last sent
	frames              [2]int64
	vain                int64 // the first ARP request since the last reply
	bytes               int64
	width               int64 // of a slot, in nanoseconds
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
	n := c.known.get(m).flow
	if n == 0 {
		if int(c.flows.n) >= 2*c.o.MaxClients {
			return nil
		}
		n = c.flows.grow()
		c.known.put(m).flow = n
		*c.flows.at(n) = flow{mac: m, width: int64(time.Second)}
	}
	*slot = c.flows.at(n)
	return *slot
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
			c.load(fl, f)
		}
	}
	if f.dst[0]&1 == 0 && f.dst != (MAC{}) {
		if fl := c.flow(f.dst); fl != nil {
			fl.to, fl.frames[1] = f.at.UnixNano(), fl.frames[1]+1
			c.load(fl, f)
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
	t := c.knownClient(f.dst)
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
func (c *capture) load(fl *flow, f *frame) {
	at := f.at.UnixNano()
	if fl.first == 0 {
		fl.first = at
	}
	if fl.slots == 0 {
		fl.slots = c.loads.grow()
	}
	slots := c.loads.at(fl.slots)
	fl.bytes += int64(f.size)
	i := (at - fl.first) / fl.width
	if i < 0 {
		return
	}
	for ; i >= loadSlots; i /= 2 {
		for n := range loadSlots / 2 {
			slots[n] = slots[2*n] + slots[2*n+1]
		}
		clear(slots[loadSlots/2:])
		if fl.width *= 2; fl.width > 1<<60 {
			return
		}
	}
	slots[i] += int64(f.size)
}

func (fl *flow) before() Before {
	return Before{From: fl.from, To: fl.to, ARPSince: fl.vain, ARPAsked: fl.asked, ARPReplies: fl.replies}
}

// tellTraffic gives a track the traffic of its client.
func (c *capture) tellTraffic(track *Track) {
	n := c.known.get(track.MAC).flow
	if n == 0 {
		return
	}
	fl := c.flows.at(n)
	t := &Traffic{First: nanos(fl.first), LastFrom: nanos(fl.from), LastTo: nanos(fl.to), LastSent: nanos(fl.at),
		From: fl.frames[0], To: fl.frames[1], Bytes: fl.bytes, ARPAsked: int64(fl.asked), ARPReplies: int64(fl.replies)}
	track.Traffic = t
	if fl.slots != 0 {
		t.Load = fl.loads(c.loads.at(fl.slots))
	}
}

func (fl *flow) loads(slots *[loadSlots]int64) (all []Load) {
	last := 0
	for i, n := range slots {
		if n > 0 {
			last = i
		}
	}
	for i, n := range slots[:last+1] {
		all = append(all, Load{Since: nanos(fl.first + int64(i)*fl.width), For: time.Duration(fl.width), Bytes: n})
	}
	return all
}

// nanos is the instant of nanoseconds since 1970; 0: none.
func nanos(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}
