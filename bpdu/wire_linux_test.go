package bpdu

import (
	"bytes"
	"encoding/binary"
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The frames that tests send. Each has a source MAC of its own, by which it is
// known on the other side: the last byte is its place in frameNames.
var frameNames = []string{"sentinel", "config", "rstp", "mstp", "tcn", "provider", "config-tag100", "pvst", "pvst-tag100", "lacp", "lldp", "ordinary"}

func frameOf(name string) []byte {
	place := slices.Index(frameNames, name)
	src := []byte{0xfa, 0x16, 0x3e, 0, 0, byte(place)}
	id := append([]byte{0x80, 0}, src...)
	vector := slices.Concat(id, []byte{0, 0, 0, 0}, id, []byte{0x80, 1, 0, 0, 20, 0, 2, 0, 15, 0})
	stp := func(version, kind, flags byte) []byte {
		return slices.Concat([]byte{0x42, 0x42, 3, 0, 0, version, kind, flags}, vector)
	}
	pvst := slices.Concat([]byte{0xaa, 0xaa, 3, 0, 0, 0x0c, 1, 0x0b, 0, 0, 2, 2, 0x3e}, vector, []byte{0, 0, 0, 0, 2, 0, 100})
	group, tag := hw("01:80:c2:00:00:00"), []byte{0x81, 0, 0, 100}
	llc := func(to, tag, p []byte) []byte {
		return slices.Concat(to, src, tag, binary.BigEndian.AppendUint16(nil, uint16(len(p))), p)
	}
	var f []byte
	switch name {
	case "config":
		f = llc(group, nil, stp(0, 0, 0))
	case "rstp":
		f = llc(group, nil, append(stp(2, 2, 0x3e), 0))
	case "mstp":
		f = llc(group, nil, append(stp(3, 2, 0x7c), make([]byte, 67)...))
	case "tcn":
		f = llc(group, nil, []byte{0x42, 0x42, 3, 0, 0, 0, 0x80})
	case "provider":
		f = llc(hw("01:80:c2:00:00:08"), nil, append(stp(2, 2, 0x3e), 0))
	case "config-tag100":
		f = llc(group, tag, stp(0, 0, 0))
	case "pvst":
		f = llc(hw("01:00:0c:cc:cc:cd"), nil, pvst)
	case "pvst-tag100":
		f = llc(hw("01:00:0c:cc:cc:cd"), tag, pvst)
	case "lacp":
		f = slices.Concat(hw("01:80:c2:00:00:02"), src, []byte{0x88, 0x09, 1, 1})
	case "lldp":
		f = slices.Concat(hw("01:80:c2:00:00:0e"), src, []byte{0x88, 0xcc, 2, 7, 4}, src)
	default:
		f = slices.Concat(hw("ff:ff:ff:ff:ff:ff"), src, []byte{0x88, 0xb5})
	}
	return append(f, make([]byte, max(0, 60-len(f)))...)
}

// wire is a raw socket on a device.
type wire struct {
	t  testing.TB
	fd int
}

func (n *namespace) wire(device string) *wire {
	n.t.Helper()
	w := &wire{t: n.t}
	l, err := n.LinkByName(device)
	n.must(err)
	n.must(n.In(func() error {
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, int(bigEndian(unix.ETH_P_ALL)))
		if err == nil {
			w.fd = fd
			err = errors.Join(unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: bigEndian(unix.ETH_P_ALL), Ifindex: l.Attrs().Index}),
				unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 20}),
				unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 16<<20))
		}
		return err
	}))
	n.t.Cleanup(func() { unix.Close(w.fd) })
	return w
}

func (w *wire) send(frame []byte) {
	w.t.Helper()
	if _, err := unix.Write(w.fd, frame); err != nil {
		w.t.Fatal(err)
	}
}

// sendAll sends every frame that tests know, and the sentinel last.
func (w *wire) sendAll() {
	w.t.Helper()
	for _, name := range append(frameNames[1:len(frameNames):len(frameNames)], "sentinel") {
		w.send(frameOf(name))
	}
}

// until returns the names of the test frames that came in before the sentinel
// did, and whether a BPDU of somebody else was among what came.
func (w *wire) until() (names []string, foreign bool) {
	w.t.Helper()
	got := map[string]bool{}
	buf := make([]byte, 2048)
	for {
		n, from, err := unix.Recvfrom(w.fd, buf, 0)
		if err != nil {
			w.t.Fatalf("the sentinel does not come: %v; came: %v", err, slices.Sorted(maps.Keys(got)))
		}
		if ll, ok := from.(*unix.SockaddrLinklayer); ok && ll.Pkttype == unix.PACKET_OUTGOING || n < 14 {
			continue
		}
		if string(buf[6:11]) != "\xfa\x16\x3e\x00\x00" || int(buf[11]) >= len(frameNames) {
			_, err := DecodeFrame(buf[:n])
			foreign = foreign || err == nil
			continue
		}
		if name := frameNames[buf[11]]; name != "sentinel" {
			got[name] = true
			continue
		}
		return slices.Sorted(maps.Keys(got)), foreign
	}
}

// rig is a compute node in a namespace: two instances and an uplink on a bridge.
type rig struct {
	*namespace
	inst1, inst2, uplink *wire
}

func newRig(t testing.TB) *rig {
	t.Helper()
	n := newNamespace(t)
	tap1, _ := n.veth("tap1", "inst1")
	tap2, _ := n.veth("tap2", "inst2")
	up, _ := n.veth("up0", "wire0")
	n.bridge("br0", tap1, tap2, up)
	r := &rig{n, n.wire("inst1"), n.wire("inst2"), n.wire("wire0")}
	for _, from := range []*wire{r.inst1, r.inst2} {
		r.wait("the bridge forwards", func() bool { from.send(warmUp); return r.uplink.hears(warmUp) })
	}
	return r
}

// warmUp is a frame of no name.
var warmUp = append([]byte("\xff\xff\xff\xff\xff\xff\x02warm\x00\x88\xb5"), make([]byte, 46)...)

// hears reports whether a frame has come in, and takes what came before it.
func (w *wire) hears(frame []byte) bool {
	w.t.Helper()
	buf := make([]byte, 2048)
	for {
		n, _, err := unix.Recvfrom(w.fd, buf, unix.MSG_DONTWAIT)
		if errors.Is(err, unix.EAGAIN) {
			return false
		}
		if err != nil {
			w.t.Fatal(err)
		}
		if bytes.Equal(buf[:n], frame) {
			return true
		}
	}
}

// stp turns the kernel's spanning tree on, and waits until the ports forward.
func (r *rig) stp() {
	r.Run("ip", "link", "set", "br0", "type", "bridge", "forward_delay", "200", "stp_state", "1")
	r.wait("ports forward", func() bool {
		h, err := r.Observe(r.t.Context())
		r.must(err)
		return !slices.ContainsFunc(h.ports("br0"), func(l Link) bool { return l.State != "forwarding" })
	})
}

func (n *namespace) wait(what string, ok func() bool) {
	n.t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			n.t.Fatalf("after a minute not: %s", what)
		}
	}
}

func (r *rig) guard() {
	l, err := r.LinkByName("tap1")
	r.must(err)
	r.must(r.LinkSetGuard(l, true))
}

// nft loads rules of somebody else.
func (r *rig) nft(rules string) {
	r.t.Helper()
	r.Run("nft", rules)
}

const bpduGroups = "{ 01:80:c2:00:00:00, 01:80:c2:00:00:08, 01:00:0c:cc:cc:cd }"

// protect filters taps as a plan does.
func (n *namespace) protect(taps ...string) {
	n.t.Helper()
	family, was, err := n.filters()
	n.must(err)
	n.must(n.replace(family, was, taps))
}
