package mtu

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

func (s *Socket) reply(b []byte) (Answer, bool) {
	if s.method == "udp" {
		if len(b) < 2 {
			return Answer{}, false
		}
		return Answer{Seq: binary.BigEndian.Uint16(b)}, true
	}
	if s.raw && !s.v6() {
		if len(b) < ipv4Header || len(b) < int(b[0]&0xf)*4 {
			return Answer{}, false
		}
		b = b[int(b[0]&0xf)*4:]
	}
	want := byte(0)
	if s.v6() {
		want = 129
	}
	if len(b) < 8 || b[0] != want || s.raw && binary.BigEndian.Uint16(b[4:]) != s.id {
		return Answer{}, false
	}
	return Answer{Seq: binary.BigEndian.Uint16(b[6:])}, true
}

// readError returns one message of a router, or of the target.
func (s *Socket) readError() (Answer, bool) {
	if len(s.pending) > 0 {
		a := s.pending[0]
		s.pending = s.pending[1:]
		return a, true
	}
	e, quoted, ok := s.errorQueue()
	if !ok || e.local {
		return Answer{}, false
	}
	return s.told(e, quoted)
}

// errorQueue reads the next entry of the socket's error queue, and the packet
// that it is about, as far as it is quoted.
func (s *Socket) errorQueue() (e sockError, quoted []byte, ok bool) {
	oob := make([]byte, 512)
	n, oobn, _, _, err := unix.Recvmsg(s.fd, s.buf, oob, unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
	if err != nil {
		return e, nil, false
	}
	messages, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil {
		return e, nil, false
	}
	for _, m := range messages {
		if e, ok := extendedError(m); ok {
			return e, s.buf[:n], true
		}
	}
	return sockError{local: true}, nil, true // nothing that says anything
}

// told makes an answer of a message.
func (s *Socket) told(e sockError, quoted []byte) (Answer, bool) {
	a := Answer{By: e.from, NoSeq: true}
	at := 0
	if s.method == "icmp" {
		at = 6
		if s.raw && len(quoted) >= 8 && binary.BigEndian.Uint16(quoted[4:]) != s.id {
			return a, false // another ping's
		}
	}
	if len(quoted) >= at+2 {
		a.Seq, a.NoSeq = binary.BigEndian.Uint16(quoted[at:]), false
	}
	switch {
	case e.errno == unix.EMSGSIZE:
		a.TooBig = max(int(e.info), 1)
		return a, e.info > 0
	case s.method == "udp" && e.errno == unix.ECONNREFUSED && !a.NoSeq:
		return a, true // the target's "port unreachable" is the reply
	}
	return a, false
}
