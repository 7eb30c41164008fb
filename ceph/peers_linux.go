package ceph

import (
	"encoding/binary"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// sockDiagByFamily is SOCK_DIAG_BY_FAMILY (include/uapi/linux/sock_diag.h).
const sockDiagByFamily = 20

// storagePeers asks the kernel for the established connections of storage
// traffic.
func storagePeers() (map[flow]Peer, error) {
	conn, err := netlink.Dial(unix.NETLINK_SOCK_DIAG, nil)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return nil, err
	}
	out := map[flow]Peer{}
	for _, family := range []byte{familyInet, familyInet6} {
		request := make([]byte, 56) // struct inet_diag_req_v2
		request[0], request[1] = family, unix.IPPROTO_TCP
		request[2] = 1 << (diagInfo - 1)
		binary.NativeEndian.PutUint32(request[4:], 1<<1) // TCP_ESTABLISHED
		messages, err := conn.Execute(netlink.Message{
			Header: netlink.Header{Type: sockDiagByFamily, Flags: netlink.Request | netlink.Dump}, Data: request,
		})
		if err != nil {
			return nil, err
		}
		for _, m := range messages {
			f, p, err := parseDiag(m.Data)
			if err == nil && (storagePort(int(f.local.Port())) || storagePort(int(f.remote.Port()))) {
				out[f] = p
			}
		}
	}
	return out, nil
}
