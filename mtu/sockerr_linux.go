package mtu

import (
	"encoding/binary"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"
)

// sockError is struct sock_extended_err of include/uapi/linux/errqueue.h.
type sockError struct {
	errno unix.Errno
	info  uint32 // of EMSGSIZE: the MTU
	local bool   // this kernel's own refusal
	from  string // who sent it
}

func extendedError(m unix.SocketControlMessage) (sockError, bool) {
	v4 := m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_RECVERR
	v6 := m.Header.Level == unix.IPPROTO_IPV6 && m.Header.Type == unix.IPV6_RECVERR
	const size = 16
	if !v4 && !v6 || len(m.Data) < size {
		return sockError{}, false
	}
	e := sockError{
		errno: unix.Errno(binary.NativeEndian.Uint32(m.Data)),
		info:  binary.NativeEndian.Uint32(m.Data[8:]),
		local: m.Data[4] == unix.SO_EE_ORIGIN_LOCAL,
	}
	switch offender := m.Data[size:]; {
	case v4 && len(offender) >= 8 && binary.NativeEndian.Uint16(offender) == unix.AF_INET:
		e.from = netip.AddrFrom4([4]byte(offender[4:8])).String()
	case v6 && len(offender) >= 24 && binary.NativeEndian.Uint16(offender) == unix.AF_INET6:
		e.from = netip.AddrFrom16([16]byte(offender[8:24])).String()
	}
	return e, true
}

func zoneIndex(zone string) (uint32, error) {
	i, err := net.InterfaceByName(zone)
	if err != nil {
		return 0, err
	}
	return uint32(i.Index), nil
}
