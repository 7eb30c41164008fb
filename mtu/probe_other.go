//go:build !linux

package mtu

import (
	"context"
	"net"
	"net/netip"
	"time"
)

// A Socket is a Prober over one socket. There is none here.
type Socket struct{}

// ListenProbe returns an error compatible with errors.ErrUnsupported.
func ListenProbe(string, netip.AddrPort) (*Socket, error) { return nil, unsupported("probe") }

// Close does nothing.
func (s *Socket) Close() error { return nil }

// Send returns an error compatible with errors.ErrUnsupported.
func (s *Socket) Send(int, uint16) error { return unsupported("probe") }

// Receive returns an error compatible with errors.ErrUnsupported.
func (s *Socket) Receive(context.Context) (Answer, error) { return Answer{}, unsupported("probe") }

// ProbeTCP returns an error compatible with errors.ErrUnsupported.
func ProbeTCP(context.Context, *net.TCPConn, time.Duration) (SegmentReport, error) {
	return SegmentReport{}, unsupported("probe")
}
