package dhcp

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
	"github.com/stackmend/stackmend/internal/logtail"
)

// ReadCapture reads a pcap or pcapng file, plain or compressed, that was taken
// at the point. Of a file that is cut or damaged it gives what stands before
// that, and says so in Trace.Unseen. The error is of r or says that it is no
// capture.
func ReadCapture(ctx context.Context, r io.Reader, name string, at Point, o ReadOptions) (*Trace, error) {
	if !at.Capture() {
		return nil, fmt.Errorf("dhcp: %s: %q is no point of a capture", name, at)
	}
	packets, err := openPackets(r, name)
	if err != nil {
		return nil, fmt.Errorf("dhcp: %s: %w", name, err)
	}
	defer packets.close()
	c := newCapture(name, at, o)
	for {
		if c.trace.Units%1024 == 0 && ctx.Err() != nil {
			return c.finish(), context.Cause(ctx)
		}
		data, info, err := packets.next()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				c.trace.Unseen = append(c.trace.Unseen, fmt.Sprintf("%s after frame %d: %v", name, c.trace.Units, err))
			}
			return c.finish(), nil
		}
		c.frame(data, info.Timestamp, info.Length > len(data), packets.link(info))
	}
}

// packets reads the records of a file.
type packets struct {
	gopacket.ZeroCopyPacketDataSource
	plain   io.Closer
	file    layers.LinkType // of all records
	perFile bool
}

// snaplen bounds a frame. Files tell their own, which may be anything.
const snaplen = 256 << 10

func openPackets(r io.Reader, name string) (p *packets, err error) {
	defer malformed(&err)
	plain, err := logtail.Decompress(r, name)
	if err != nil {
		return nil, err
	}
	b := bufio.NewReaderSize(plain, 1<<20)
	magic, _ := b.Peek(4)
	if bytes.Equal(magic, []byte{0x0a, 0x0d, 0x0d, 0x0a}) {
		ng, err := pcapgo.NewNgReader(b, pcapgo.NgReaderOptions{WantMixedLinkType: true, SkipUnknownVersion: true})
		if err != nil {
			return nil, errors.Join(err, plain.Close())
		}
		return &packets{ZeroCopyPacketDataSource: ng, plain: plain}, nil
	}
	classic, err := pcapgo.NewReader(b)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("no capture: %w", err), plain.Close())
	}
	classic.SetSnaplen(snaplen)
	return &packets{ZeroCopyPacketDataSource: classic, plain: plain, file: classic.LinkType(), perFile: true}, nil
}

// malformed makes an error of a panic: pcapgo takes the lengths of pcapng's
// options on trust.
func malformed(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("malformed: %v", p)
	}
}

func (p *packets) next() (data []byte, info gopacket.CaptureInfo, err error) {
	defer malformed(&err)
	return p.ZeroCopyReadPacketData()
}

func (p *packets) link(info gopacket.CaptureInfo) layers.LinkType {
	if p.perFile {
		return p.file
	}
	if len(info.AncillaryData) > 0 {
		if l, ok := info.AncillaryData[0].(layers.LinkType); ok {
			return l
		}
	}
	return layers.LinkTypeEthernet
}

func (p *packets) close() { _ = p.plain.Close() }

// capture makes events of frames.
type capture struct {
	*recorder
	flows  pages[flow]
	loads  pages[[loadSlots]int64]
	recent [64]*flow // the flows that were met last, by the end of their MAC
	f      frame
	newest time.Time
	hex    [2 * 255]byte
}

func newCapture(name string, at Point, o ReadOptions) *capture {
	c := &capture{recorder: newRecorder(name, at, o)}
	c.beside = c.tellTraffic
	return c
}

// frame reads one frame.
func (c *capture) frame(data []byte, at time.Time, cut bool, link layers.LinkType) {
	c.trace.Units++
	if at.After(c.newest) {
		c.newest = at
	}
	if c.trace.Units == 1 {
		c.see(at)
	}
	f := &c.f
	*f = frame{at: at, cut: cut}
	if !f.ethernet(data, link) || at.Before(c.o.Since) {
		return
	}
	switch f.class() {
	case isDHCP:
		c.dhcp(f)
	case isV6:
		c.trace.V6.Messages++
		c.trace.V6.see(at)
	case isRA:
		c.trace.V6.Advertisements++
		c.trace.V6.see(at)
	case isUnreachable:
		c.unreachable(f)
	default:
		c.other(f)
	}
}

func (c *capture) finish() *Trace {
	c.see(c.newest)
	trace := c.recorder.finish()
	if trace.Point != ServerCapture {
		trace.Tracks = own(trace.Tracks, c.o.MAC)
	}
	return trace
}

// own keeps those clients of a capture at an instance that are at this
// instance, with its MAC if that is known: others are heard by their broadcasts
// alone.
func own(tracks []*Track, m MAC) []*Track {
	near := 0
	for _, t := range tracks {
		if t.Heard = t.MAC != m && !t.near(); !t.Heard {
			near++
		}
	}
	if near > 0 {
		tracks = slices.DeleteFunc(tracks, func(t *Track) bool { return t.Heard })
	}
	if len(tracks) == 1 {
		tracks[0].Heard = false
	}
	return tracks
}

// near reports whether anything was seen of the client that would not be
// flooded to the whole network.
func (t *Track) near() bool {
	if t.traffic().From+t.traffic().To > 0 {
		return true
	}
	for i := range t.Events.Len() {
		if t.Events.fromEnd(t.Events.in, i).cast == Unicast {
			return true
		}
	}
	return false
}
