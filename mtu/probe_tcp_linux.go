package mtu

import (
	"context"
	"fmt"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// A SegmentReport is what became of single TCP segments.
type SegmentReport struct {
	Segments []Segments
	MSS      int // bytes of payload in the largest segment that the kernel would send
}

// Segments is one size of segment. The IP packet has 20 (IPv6: 40) bytes of
// IP and at least 20 of TCP header more.
type Segments struct {
	Size  int
	Acked bool
	Took  time.Duration
}

// Hangs reports that small segments are acknowledged and larger ones are not:
// the connection on which ls works and ps aux hangs.
func (r SegmentReport) Hangs() bool {
	n := len(r.Segments)
	return n > 1 && r.Segments[0].Acked && !r.Segments[n-1].Acked
}

// ProbeTCP writes single segments of growing size to a connection, each as a
// packet of its own, and sees whether they are acknowledged. A large write
// would be handed to the device in one piece, which on virtual links passes
// where real segments do not (GSO); one segment is what it is.
//
// What it writes are zeros, and the service at the other end will make
// nothing of them: use a connection of your own. It stops at the first size
// that is not acknowledged within wait; the connection is then of no use any
// more. It needs no privilege.
func ProbeTCP(ctx context.Context, c *net.TCPConn, wait time.Duration) (SegmentReport, error) {
	var r SegmentReport
	if err := c.SetNoDelay(true); err != nil {
		return r, fmt.Errorf("mtu: tcp probe: %w", err)
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return r, fmt.Errorf("mtu: tcp probe: %w", err)
	}
	p := tcpProbe{c, raw.Control, wait}
	if r.MSS, err = p.mss(); err != nil {
		return r, fmt.Errorf("mtu: tcp probe: %w", err)
	}
	for _, size := range segmentSizes(r.MSS) {
		s, err := p.segment(ctx, size)
		if err != nil {
			return r, fmt.Errorf("mtu: tcp probe: segment of %d bytes: %w", size, err)
		}
		r.Segments = append(r.Segments, s)
		if !s.Acked {
			break
		}
	}
	return r, nil
}

// segmentSizes grows to the largest in the steps of what usually makes the
// difference: a tunnel, two tags, one tag.
func segmentSizes(mss int) []int {
	var out []int
	for _, n := range []int{64, mss / 2, mss - 100, mss - 50, mss - 8, mss - 4, mss} {
		if n > 0 && (len(out) == 0 || n > out[len(out)-1]) {
			out = append(out, n)
		}
	}
	return out
}

type tcpProbe struct {
	c       *net.TCPConn
	control func(func(uintptr)) error
	wait    time.Duration
}

func (p tcpProbe) mss() (mss int, err error) {
	var info *unix.TCPInfo
	if cerr := p.control(func(fd uintptr) { info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO) }); cerr != nil {
		return 0, cerr
	}
	if err != nil {
		return 0, err
	}
	return int(info.Snd_mss), nil
}

// unacked is how many bytes were written and not acknowledged.
func (p tcpProbe) unacked() (n int, err error) {
	if cerr := p.control(func(fd uintptr) { n, err = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) }); cerr != nil {
		return 0, cerr
	}
	return n, err
}

func (p tcpProbe) segment(ctx context.Context, size int) (Segments, error) {
	s := Segments{Size: size}
	began := time.Now()
	if err := p.c.SetWriteDeadline(began.Add(p.wait)); err != nil {
		return s, err
	}
	if _, err := p.c.Write(make([]byte, size)); err != nil {
		return s, err
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for time.Since(began) < p.wait {
		n, err := p.unacked()
		if err != nil {
			return s, err
		}
		if n == 0 {
			s.Acked, s.Took = true, time.Since(began)
			return s, nil
		}
		select {
		case <-ctx.Done():
			return s, ctx.Err()
		case <-tick.C:
		}
	}
	return s, nil
}
