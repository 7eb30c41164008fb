package ceph

import (
	"cmp"
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"
)

// A flow is one TCP connection.
type flow struct{ local, remote netip.AddrPort }

// added sums up what each peer's connections have sent between two looks.
// A connection that was not there before counts whole.
func added(before, after map[flow]Peer) []Peer {
	by := map[string]Peer{}
	for f, p := range after {
		old := before[f]
		sum := by[p.Addr]
		sum.Addr = p.Addr
		sum.Out += max(0, p.Out-old.Out)
		sum.Retransmitted += max(0, p.Retransmitted-old.Retransmitted)
		by[p.Addr] = sum
	}
	var out []Peer
	for _, addr := range sorted(by) {
		out = append(out, by[addr])
	}
	slices.SortStableFunc(out, func(a, b Peer) int { return cmp.Compare(b.Retransmitted, a.Retransmitted) })
	return out
}

// Where things stand in the kernel's answer (include/uapi/linux/inet_diag.h
// and tcp.h at v6.1): struct inet_diag_msg, then attributes.
const (
	diagMsgLen     = 72
	diagInfo       = 2 // INET_DIAG_INFO
	tcpTotalRetr   = 100
	tcpSegsOut     = 136
	tcpInfoNeeded  = tcpSegsOut + 4
	familyInet     = 2
	familyInet6    = 10
	sockIDLocal    = 4
	sockIDAddrFrom = 8
)

var errDiag = errors.New("ceph: malformed answer of sock_diag")

// parseDiag reads one message of sock_diag.
func parseDiag(b []byte) (flow, Peer, error) {
	if len(b) < diagMsgLen {
		return flow{}, Peer{}, errDiag
	}
	local, ok1 := netip.AddrFromSlice(addrBytes(b[0], b[sockIDAddrFrom:sockIDAddrFrom+16]))
	remote, ok2 := netip.AddrFromSlice(addrBytes(b[0], b[sockIDAddrFrom+16:sockIDAddrFrom+32]))
	if !ok1 || !ok2 {
		return flow{}, Peer{}, errDiag
	}
	f := flow{
		netip.AddrPortFrom(local.Unmap(), binary.BigEndian.Uint16(b[sockIDLocal:])),
		netip.AddrPortFrom(remote.Unmap(), binary.BigEndian.Uint16(b[sockIDLocal+2:])),
	}
	info, err := diagAttribute(b[diagMsgLen:], diagInfo)
	if err != nil || len(info) < tcpInfoNeeded {
		return f, Peer{}, errDiag
	}
	return f, Peer{
		Addr:          f.remote.Addr().String(),
		Out:           int64(binary.NativeEndian.Uint32(info[tcpSegsOut:])),
		Retransmitted: int64(binary.NativeEndian.Uint32(info[tcpTotalRetr:])),
	}, nil
}

func addrBytes(family byte, b []byte) []byte {
	switch family {
	case familyInet:
		return b[:4]
	case familyInet6:
		return b
	}
	return nil
}

// diagAttribute finds an attribute: length and type of 16 bits each, padded
// to four bytes.
func diagAttribute(b []byte, want uint16) ([]byte, error) {
	for len(b) >= 4 {
		n := int(binary.NativeEndian.Uint16(b))
		if n < 4 || n > len(b) {
			return nil, errDiag
		}
		if binary.NativeEndian.Uint16(b[2:]) == want {
			return b[4:n], nil
		}
		b = b[min(len(b), (n+3)&^3):]
	}
	return nil, errDiag
}
