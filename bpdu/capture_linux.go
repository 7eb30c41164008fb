package bpdu

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Capture listens for BPDUs on all devices for a time, or until limit frames
// (zero: 100,000) were heard; a context that ends stops it with what it has.
// One socket serves all devices, and the kernel hands it nothing but frames to
// the addresses of BPDUs. It hears what comes in before a filter drops it: an
// instance is found although it is filtered. It needs CAP_NET_RAW; without, the
// error is compatible with errors.Is(err, fs.ErrPermission).
func (k Kernel) Capture(ctx context.Context, d time.Duration, limit int) (*Capture, error) {
	if limit <= 0 {
		limit = 100_000
	}
	links, err := k.links(ctx)
	if err != nil {
		return nil, err
	}
	names := map[int]string{}
	for _, l := range links {
		names[l.Index] = l.Name
	}
	fd, err := k.listen()
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	c := &Capture{Since: time.Now()}
	end := c.Since.Add(d)
	for c.Frames < limit && ctx.Err() == nil && time.Now().Before(end) {
		if err := c.receive(fd, names); err != nil {
			return nil, err
		}
	}
	c.Limited = c.Limited || c.Frames >= limit
	c.Until = time.Now()
	if s, err := unix.GetsockoptTpacketStats(fd, unix.SOL_PACKET, unix.PACKET_STATISTICS); err == nil {
		c.Lost = s.Drops
	}
	c.sort()
	return c, nil
}

// listen opens the socket in the namespace. It takes no frames until it is
// bound, so the filter is in place before the first.
func (k Kernel) listen() (fd int, err error) {
	err = k.inside(func() error {
		fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		return err
	})
	switch {
	case errors.Is(err, unix.EPERM):
		return 0, fmt.Errorf("bpdu: capture needs CAP_NET_RAW: %w: %w", fs.ErrPermission, err)
	case err != nil:
		return 0, fmt.Errorf("bpdu: capture: %w", err)
	}
	if err := prepare(fd); err != nil {
		unix.Close(fd)
		return 0, fmt.Errorf("bpdu: capture: %w", err)
	}
	return fd, nil
}

func prepare(fd int) error {
	program, err := filterProgram()
	if err != nil {
		return err
	}
	if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, program); err != nil {
		return err
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_AUXDATA, 1); err != nil {
		return err
	}
	wake := unix.Timeval{Usec: 100_000} // to look at the time and the context
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wake); err != nil {
		return err
	}
	return unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: bigEndian(unix.ETH_P_ALL)})
}

func bigEndian(v uint16) uint16 {
	return binary.NativeEndian.Uint16([]byte{byte(v >> 8), byte(v)})
}

// filterProgram passes frames to the addresses of BPDUs: the first four and
// the last two bytes of the destination.
func filterProgram() (*unix.SockFprog, error) {
	raw, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadAbsolute{Off: 0, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0x0180c200, SkipTrue: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0x01000ccc, SkipTrue: 4},
		bpf.RetConstant{Val: 0},
		bpf.LoadAbsolute{Off: 4, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0x0000, SkipTrue: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0x0008, SkipTrue: 3, SkipFalse: 2},
		bpf.LoadAbsolute{Off: 4, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0xcccd, SkipTrue: 1},
		bpf.RetConstant{Val: 0},
		bpf.RetConstant{Val: 1 << 16},
	})
	if err != nil {
		return nil, err
	}
	f := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		f[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	return &unix.SockFprog{Len: uint16(len(f)), Filter: &f[0]}, nil
}

// receive takes one frame, or nothing when it is time to look up.
func (c *Capture) receive(fd int, names map[int]string) error {
	buf, oob := make([]byte, 2048), make([]byte, 256)
	n, oobn, _, from, err := unix.Recvmsg(fd, buf, oob, 0)
	switch {
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR), errors.Is(err, unix.ENETDOWN):
		return nil
	case err != nil:
		return fmt.Errorf("bpdu: capture: %w", err)
	}
	ll, ok := from.(*unix.SockaddrLinklayer)
	if !ok {
		return nil
	}
	b, err := DecodeFrame(buf[:n])
	if errors.Is(err, ErrNotBPDU) && n >= 12 {
		b = BPDU{Destination: macText(buf[:6]), Source: macText(buf[6:12])}
	}
	if tag, ok := auxTag(oob[:oobn]); ok {
		b.Tags = append([]int{tag}, b.Tags...)
	}
	device := names[ll.Ifindex]
	if device == "" {
		device = fmt.Sprintf("device %d", ll.Ifindex)
	}
	c.hear(device, ll.Pkttype == unix.PACKET_OUTGOING, time.Now(), b, err == nil)
	return nil
}

func macText(b []byte) string {
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4], b[5])
}

// auxTag reads the tag that the kernel took off the frame
// (struct tpacket_auxdata).
func auxTag(oob []byte) (int, bool) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return 0, false
	}
	for _, m := range messages {
		if m.Header.Level != unix.SOL_PACKET || m.Header.Type != unix.PACKET_AUXDATA || len(m.Data) < int(unsafe.Sizeof(unix.TpacketAuxdata{})) {
			continue
		}
		if nativeUint32(m.Data[0:4])&unix.TP_STATUS_VLAN_VALID != 0 {
			return int(nativeUint16(m.Data[16:18]) & 0xfff), true
		}
	}
	return 0, false
}

// inside runs f on a thread in the namespace. The thread ends with f.
func (k Kernel) inside(f func() error) error {
	if k.NetNS == 0 {
		return f()
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread stays in the namespace
		if err := unix.Setns(k.NetNS, unix.CLONE_NEWNET); err != nil {
			done <- err
			return
		}
		done <- f()
	}()
	return <-done
}
