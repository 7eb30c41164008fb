package mtu

import (
	"context"
	"fmt"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

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
