package mtu

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"
)

// A Socket is a Prober over one socket. It is not safe for concurrent use.
type Socket struct {
	fd     int
	method string
	target netip.AddrPort
	raw    bool
	id     uint16
	buf    []byte

	pending []Answer // read from the error queue and not yet received
}

// ListenProbe opens a socket that probes the path to an address. Method icmp
// needs CAP_NET_RAW, or a group in net.ipv4.ping_group_range; udp needs
// nothing, and an open port that echoes or a closed one that says so: Linux
// says so of six packets at once and then of one a second
// (net.ipv4.icmp_ratelimit), what is beyond looks like loss.
//
// The socket belongs to the network namespace of the calling thread.
func ListenProbe(method string, to netip.AddrPort) (*Socket, error) {
	return listenProbe(method, to, method == "icmp")
}

func listenProbe(method string, to netip.AddrPort, raw bool) (*Socket, error) {
	s := &Socket{fd: -1, method: method, target: to, raw: raw, buf: make([]byte, 1<<16)}
	if !to.IsValid() || method == "udp" && to.Port() == 0 {
		return nil, fmt.Errorf("mtu: probe %s: no such target: %v", method, to)
	}
	if err := s.open(); err != nil {
		return nil, fmt.Errorf("mtu: probe %s to %v: %w", method, to.Addr(), err)
	}
	if err := s.setup(); err != nil {
		return nil, errors.Join(fmt.Errorf("mtu: probe %s to %v: %w", method, to.Addr(), err), s.Close())
	}
	return s, nil
}

// Close closes the socket.
func (s *Socket) Close() error { return unix.Close(s.fd) }

func (s *Socket) v6() bool { return s.target.Addr().Is6() && !s.target.Addr().Is4In6() }

func (s *Socket) open() (err error) {
	family, proto := unix.AF_INET, unix.IPPROTO_ICMP
	if s.v6() {
		family, proto = unix.AF_INET6, unix.IPPROTO_ICMPV6
	}
	const flags = unix.SOCK_CLOEXEC | unix.SOCK_NONBLOCK
	switch s.method {
	case "udp":
		s.fd, err = unix.Socket(family, unix.SOCK_DGRAM|flags, unix.IPPROTO_UDP)
	case "icmp":
		s.id = uint16(rand.Uint32()) // two probes of one process must not take each other's replies
		if s.raw {
			s.fd, err = unix.Socket(family, unix.SOCK_RAW|flags, proto)
			s.raw = !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EACCES)
		}
		if !s.raw {
			s.fd, err = unix.Socket(family, unix.SOCK_DGRAM|flags, proto)
		}
	default:
		return fmt.Errorf("method %q is neither icmp nor udp", s.method)
	}
	return err
}

// setup sets DF without believing what the kernel has learnt about the path,
// and asks for the errors that routers send.
func (s *Socket) setup() error {
	sa, err := s.sockaddr()
	if err != nil {
		return err
	}
	if s.v6() {
		return errors.Join(
			unix.SetsockoptInt(s.fd, unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_PROBE),
			unix.SetsockoptInt(s.fd, unix.IPPROTO_IPV6, unix.IPV6_DONTFRAG, 1),
			unix.SetsockoptInt(s.fd, unix.IPPROTO_IPV6, unix.IPV6_RECVERR, 1),
			unix.Connect(s.fd, sa))
	}
	return errors.Join(
		unix.SetsockoptInt(s.fd, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_PROBE),
		unix.SetsockoptInt(s.fd, unix.IPPROTO_IP, unix.IP_RECVERR, 1),
		unix.Connect(s.fd, sa))
}

func (s *Socket) sockaddr() (unix.Sockaddr, error) {
	port := int(s.target.Port())
	if s.raw {
		port = 0 // raw sockets mistake it for a protocol
	}
	a := s.target.Addr().Unmap()
	if !s.v6() {
		return &unix.SockaddrInet4{Port: port, Addr: a.As4()}, nil
	}
	sa := &unix.SockaddrInet6{Port: port, Addr: a.As16()}
	if a.Zone() != "" {
		zone, err := zoneIndex(a.Zone())
		if err != nil {
			return nil, err
		}
		sa.ZoneId = zone
	}
	return sa, nil
}

// Send implements Prober.
func (s *Socket) Send(size int, seq uint16) error {
	header := ipv4Header
	if s.v6() {
		header = ipv6Header
	}
	data := make([]byte, size-header-8)
	binary.BigEndian.PutUint16(data, seq)
	if s.method == "icmp" {
		var err error
		if data, err = s.echo(seq, data); err != nil {
			return err
		}
	}
	for try := 0; ; try++ {
		err := unix.Send(s.fd, data, 0)
		switch {
		case err == nil, errors.Is(err, unix.ENOBUFS): // a queue of this host is full: it counts as lost
			return nil
		case errors.Is(err, unix.EMSGSIZE) && try >= maxPending:
			return &TooBigError{MTU: s.ownMTU()}
		case try >= 2*maxPending || !pendingError(err):
			return fmt.Errorf("mtu: sending %d bytes to %v: %w", size, s.target.Addr(), err)
		}
	}
}

// maxPending is how often a send is tried again that failed with what may be
// the error of an earlier packet: the kernel tells such an error once, and
// keeps it in the error queue too.
const maxPending = 3

func pendingError(err error) bool {
	for _, e := range []unix.Errno{unix.EMSGSIZE, unix.EINTR, unix.ECONNREFUSED, unix.EHOSTUNREACH, unix.ENETUNREACH, unix.EACCES, unix.ENOPROTOOPT} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func (s *Socket) echo(seq uint16, data []byte) ([]byte, error) {
	m := icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &icmp.Echo{ID: int(s.id), Seq: int(seq), Data: data}}
	if s.v6() {
		m.Type = ipv6.ICMPTypeEchoRequest // the kernel does the checksum
	}
	return m.Marshal(nil)
}

// ownMTU is what this host's own link takes, as the kernel said when it
// refused a packet. Messages of others that are read on the way are kept.
func (s *Socket) ownMTU() (mtu int) {
	for {
		e, quoted, ok := s.errorQueue()
		if !ok {
			return mtu
		}
		if e.local {
			mtu = int(e.info)
		} else if a, ok := s.told(e, quoted); ok {
			s.pending = append(s.pending, a)
		}
	}
}

// Receive implements Prober.
func (s *Socket) Receive(ctx context.Context) (Answer, error) {
	for {
		if err := ctx.Err(); err != nil {
			return Answer{}, err
		}
		if err := s.poll(ctx); err != nil {
			return Answer{}, err
		}
		if a, ok := s.readError(); ok {
			return a, nil
		}
		n, _, err := unix.Recvfrom(s.fd, s.buf, unix.MSG_DONTWAIT)
		if err != nil {
			continue // nothing, or an error that is in the queue as well
		}
		if a, ok := s.reply(s.buf[:n]); ok {
			return a, nil
		}
	}
}

// poll waits for something to read, in slices so that a cancelled context is
// noticed.
func (s *Socket) poll(ctx context.Context) error {
	const slice = 50 * time.Millisecond
	wait := slice
	if d, ok := ctx.Deadline(); ok {
		wait = max(min(wait, time.Until(d)), time.Millisecond)
	}
	fds := []unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLIN}}
	_, err := unix.Poll(fds, int(wait.Milliseconds()))
	if err != nil && !errors.Is(err, unix.EINTR) {
		return fmt.Errorf("mtu: waiting for answers: %w", err)
	}
	return nil
}
