package bpdu

import (
	"errors"
	"fmt"
	"runtime"
	"slices"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/stackmend/stackmend"
)

// prove sends BPDUs through a filter of the same rules and sees that they do
// not arrive, while another frame does. A frame cannot be made to come in by
// an instance's own tap, so this is done in a network namespace that goes when
// it is done: an instance, its tap, a bridge, an uplink. The error is
// compatible with errors.Is(err, stackmend.ErrNotDone) if a BPDU arrived;
// another one says that it could not be seen.
func prove(f Family) error {
	s, err := newStage()
	if err != nil {
		return fmt.Errorf("bpdu: a namespace to try a frame in: %w", err)
	}
	defer s.close()
	if err := s.kernel.replace(f, nil, []string{stageTap}); err != nil {
		return err
	}
	arrived, err := s.send(proofs())
	if err != nil {
		return fmt.Errorf("bpdu: trying a frame: %w", err)
	}
	_, t, err := s.kernel.filters()
	if err != nil {
		return err
	}
	filter, _ := t.filter(stageTap)
	if arrived > 0 || filter.Packets != uint64(len(proofs())) {
		return fmt.Errorf("%w: of %d BPDUs sent through such a filter %d arrived and %d were dropped", stackmend.ErrNotDone, len(proofs()), arrived, filter.Packets)
	}
	return nil
}

// proofs are BPDUs as they are sent in the trial: of spanning tree and PVST+.
func proofs() [][]byte {
	config := append([]byte{0x42, 0x42, 0x03}, make([]byte, 43)...)
	pvst := append([]byte{0xaa, 0xaa, 0x03, 0x00, 0x00, 0x0c, 0x01, 0x0b}, make([]byte, 38)...)
	return [][]byte{
		frame([6]byte{0x01, 0x80, 0xc2}, [2]byte{0, byte(len(config))}, config),
		frame([6]byte{0x01, 0x00, 0x0c, 0xcc, 0xcc, 0xcd}, [2]byte{0, byte(len(pvst))}, pvst),
	}
}

// ordinary is a frame that must arrive.
func ordinary(number byte) []byte {
	payload := make([]byte, 46)
	payload[0] = number
	return frame([6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, trialType, payload)
}

var (
	stageMAC  = [6]byte{0x02, 's', 't', 'a', 'g', 'e'}
	trialType = [2]byte{0x88, 0xb5} // IEEE's EtherType for experiments
)

func frame(to [6]byte, typeOrLength [2]byte, payload []byte) []byte {
	return slices.Concat(to[:], stageMAC[:], typeOrLength[:], payload)
}

// stage is a host of one instance in a namespace of its own.
type stage struct {
	kernel         Kernel
	instance, wire int // sockets at the far ends
}

const stageTap = "tap0"

func newStage() (*stage, error) {
	fd, err := ownNamespace()
	if err != nil {
		return nil, err
	}
	s := &stage{Kernel{NetNS: fd}, -1, -1}
	if err := s.build(); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *stage) close() {
	for _, fd := range []int{s.instance, s.wire, s.kernel.NetNS} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

// ownNamespace makes a network namespace, which lasts as long as its
// descriptor.
func ownNamespace() (fd int, err error) {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			fd, err = unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		}
		done <- err
	}()
	err = <-done
	return fd, err
}

func (s *stage) build() error {
	h, err := netlink.NewHandleAt(netns.NsHandle(s.kernel.NetNS), unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer h.Close()
	bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br0"}}
	if err := errors.Join(h.LinkAdd(bridge), h.LinkSetUp(bridge)); err != nil {
		return err
	}
	for port, far := range map[string]string{stageTap: "instance", "up0": "wire"} {
		veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: port}, PeerName: far}
		if err := errors.Join(h.LinkAdd(veth), h.LinkSetUp(veth)); err != nil {
			return err
		}
		peer, err := h.LinkByName(far)
		if err != nil {
			return err
		}
		if err := errors.Join(h.LinkSetUp(peer), h.LinkSetMaster(veth, bridge)); err != nil {
			return err
		}
	}
	return s.listen(h)
}

func (s *stage) listen(h *netlink.Handle) error {
	for name, fd := range map[string]*int{"instance": &s.instance, "wire": &s.wire} {
		l, err := h.LinkByName(name)
		if err != nil {
			return err
		}
		err = s.kernel.inside(func() (err error) {
			*fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
			return err
		})
		tenth := unix.Timeval{Usec: 100_000}
		if err == nil {
			err = errors.Join(unix.SetsockoptTimeval(*fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tenth),
				unix.Bind(*fd, &unix.SockaddrLinklayer{Protocol: bigEndian(unix.ETH_P_ALL), Ifindex: l.Attrs().Index}))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// send sends the frames and then an ordinary one, and returns how many of the
// former arrived before the latter.
func (s *stage) send(frames [][]byte) (arrived int, err error) {
	if _, err := s.until(0, nil); err != nil {
		return 0, fmt.Errorf("an ordinary frame does not arrive either: %w", err)
	}
	return s.until(1, frames)
}

// until sends the frames once, and the ordinary one of that number until it
// arrives: a bridge may take a moment before it forwards.
func (s *stage) until(number byte, frames [][]byte) (arrived int, err error) {
	for _, f := range frames {
		if _, err := unix.Write(s.instance, f); err != nil {
			return 0, err
		}
	}
	for range patience {
		if _, err = unix.Write(s.instance, ordinary(number)); err != nil {
			return 0, err
		}
		var came bool
		if came, err = s.receive(number, &arrived); came || err != nil && !errors.Is(err, unix.EAGAIN) {
			return arrived, err
		}
	}
	return arrived, err
}

// patience is how often an ordinary frame is sent, ten a second.
const patience = 100

// receive counts frames until the ordinary one of that number comes, or
// nothing for a while.
func (s *stage) receive(number byte, others *int) (came bool, err error) {
	buf := make([]byte, 2048)
	for {
		n, _, err := unix.Recvfrom(s.wire, buf, 0)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return false, err
		case slices.Equal(buf[:n], ordinary(number)):
			return true, nil
		case n >= 14 && [6]byte(buf[6:12]) == stageMAC && [2]byte(buf[12:14]) != trialType:
			*others++
		}
	}
}
