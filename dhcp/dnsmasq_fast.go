package dhcp

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"math/bits"
	"slices"
)

// stampLen is the length of a stamp of RFC 3164.
const stampLen = len("Jan _2 15:04:05")

// take makes records of whole lines from the beginning of a text, as many as
// can be read the short way: nearly all of a busy server's log begin as the
// line before, but for the time. It returns their length and number. A test
// holds the short way to the long one.
func (s *scanner) take(text []byte, before int64) (n int, lines int64) {
	at := len(s.text) - len(text)
	for n < len(text) {
		used := s.takeLine(text[n:], at+n, int32(before+lines-s.before))
		if used == 0 {
			break
		}
		n += used
		lines++
	}
	return n, lines
}

// takeLine reads one line and returns its length with its end; 0, having done
// nothing, where anything is unusual.
func (s *scanner) takeLine(b []byte, at int, line int32) int {
	if len(s.same) == 0 || !bytes.HasPrefix(b, s.same) || !s.hasXID && digit(b[len(s.same)]) {
		if !s.begin(b) || !s.beginXID(b) {
			s.same = s.same[:0]
			return 0
		}
	}
	h := len(s.same)
	rest := b[h:]
	end := bytes.IndexByte(rest, '\n')
	if end <= 0 || h+end > maxLine || rest[end-1] == '\r' {
		return 0
	}
	s.at, s.size, s.nth = int32(at), int32(h+end), line
	text := rest[:end]
	if text[0] == 'D' {
		if !s.takeMessage(text) {
			return 0
		}
	} else if !s.takePhrase(text) {
		return 0
	}
	return h + end + 1
}

// begin makes the beginning of a line the last head. It reports false, having
// done nothing, where that is not what dnsmasq's lines begin with.
func (s *scanner) begin(b []byte) bool {
	if len(s.head) > 0 && bytes.HasPrefix(b, s.head) {
		return true
	}
	if !classic(b) {
		return false
	}
	tail := s.tail
	if len(tail) == 0 || !bytes.HasPrefix(b[stampLen:], tail) {
		if tail = dnsmasqTail(b[stampLen:min(len(b), stampLen+maxWord)]); tail == nil {
			return false
		}
		s.worded = s.hasWord(tail)
	}
	s.moment = s.moment || len(s.head) == 0 || !bytes.HasPrefix(b, s.head[:stampLen])
	s.head = append(s.head[:0], b[:stampLen+len(tail)]...)
	s.tail = s.head[stampLen:]
	return true
}

// dnsmasqTail returns " host dnsmasq-dhcp[270]: " or " dnsmasq-dhcp[270]: "
// from the beginning of what stands behind a stamp; nil: something else.
func dnsmasqTail(b []byte) []byte {
	end := bytes.Index(b, []byte("]: "))
	if end < 0 || bytes.IndexByte(b[:end], '\n') >= 0 || !plain(b) {
		return nil
	}
	program := b[1:end]
	if host, rest, ok := bytes.Cut(program, space); ok {
		if host[len(host)-1] == ':' {
			return nil
		}
		program = rest
	}
	if !prefix(&program, "dnsmasq-dhcp[") || bytes.IndexByte(program, ' ') >= 0 {
		return nil
	}
	return b[:end+len("]: ")]
}

// plain reports whether what stands behind a stamp of RFC 3164 cannot be of
// the stamp: a year or a zone.
func plain(tail []byte) bool {
	return len(tail) > 4 && tail[0] == ' ' && letter(tail[1]) && string(tail[1:4]) != "UTC" && string(tail[1:4]) != "GMT"
}

// classic reports whether a text begins with a stamp of RFC 3164 of the usual
// width.
func classic(b []byte) bool {
	if len(b) <= stampLen || b[3] != ' ' || b[6] != ' ' || b[9] != ':' || b[12] != ':' || b[15] != ' ' {
		return false
	}
	day, hour, minute, second := two(b[4:]), two(b[7:]), two(b[10:]), two(b[13:])
	if b[4] == ' ' && digit(b[5]) {
		day = int(b[5] - '0')
	}
	return day >= 1 && day <= daysOf(string(b[:3])) && hour >= 0 && hour <= 23 && minute >= 0 && minute <= 59 && second >= 0 && second <= 60
}

// daysOf is how many days a month has at most; none: 0.
func daysOf(month string) int {
	switch month {
	case "Jan", "Mar", "May", "Jul", "Aug", "Oct", "Dec":
		return 31
	case "Apr", "Jun", "Sep", "Nov":
		return 30
	case "Feb":
		return 29
	}
	return 0
}

// two reads two digits; -1: they are none.
func two(b []byte) int {
	if !digit(b[0]) || !digit(b[1]) {
		return -1
	}
	return 10*int(b[0]-'0') + int(b[1]-'0')
}

func digit(c byte) bool  { return c-'0' <= 9 }
func letter(c byte) bool { return c|0x20-'a' < 26 }

// hasWord reports whether a text has a word that lines are looked for by.
func (s *scanner) hasWord(text []byte) bool {
	for _, w := range s.look {
		if bytes.Contains(text, []byte(w)) {
			return true
		}
	}
	return false
}

// beginXID takes the transaction of --log-dhcp behind the head, if there is one.
func (s *scanner) beginXID(b []byte) bool {
	n := 0
	s.xid, s.hasXID = 0, false
	if rest := b[len(s.head):]; digit(rest[0]) {
		n = bytes.IndexByte(rest[:min(len(rest), len("4294967295 "))], ' ') + 1
		if s.xid, s.hasXID = parseDecimal(rest[:max(n-1, 0)]); !s.hasXID {
			return false
		}
	}
	s.same = append(s.same[:0], b[:len(s.head)+n]...)
	return true
}

// quickKinds are the messages that are read the short way.
var quickKinds = [...]struct {
	word string
	kind Kind
}{{"DHCPREQUEST(", Request}, {"DHCPACK(", Ack}, {"DHCPDISCOVER(", Discover}, {"DHCPOFFER(", Offer}}

// takeMessage reads "DHCPACK(tap1) 10.2.0.21 fa:16:3e:24:e7:22 name".
func (s *scanner) takeMessage(text []byte) bool {
	r := s.next()
	for i := range quickKinds {
		if k := &quickKinds[i]; prefix(&text, k.word) {
			r.kind = k.kind
			break
		}
	}
	if r.kind == 0 {
		return false
	}
	n := len(s.iface)
	if n == 0 || n >= len(text) || text[n] != ')' || !bytes.HasPrefix(text, s.iface) {
		n = bytes.IndexByte(text, ')')
	}
	if n <= 0 || n+2 > len(text) || text[n+1] != ' ' {
		return false
	}
	iface := text[:n]
	r.iface = r.span(text, n)
	if text, ok := s.takeClient(r, text[n+2:]); !ok || !s.takeName(r, text) {
		return false
	}
	r.is = saysMessage
	if string(s.iface) != string(iface) {
		s.iface, s.around = append(s.iface[:0], iface...), true
	}
	r.around, s.around = s.around, false
	s.add()
	return true
}

// takeClient reads "10.2.0.21 fa:16:3e:24:e7:22" and returns what follows. An
// answer is most often of the client that asked just before.
func (s *scanner) takeClient(r *record, text []byte) ([]byte, bool) {
	if n := len(s.whom); n > 0 && bytes.HasPrefix(text, s.whom) {
		r.addr, r.mac = s.addr, s.mac
		return text[n:], true
	}
	addr, n := leadingIPv4(text)
	if n == 0 && r.kind != Discover || len(text) < n+macLen {
		return nil, false
	}
	mac, ok := parseMAC(text[n : n+macLen])
	if n > 0 && ok {
		s.whom, s.addr, s.mac = text[:n+macLen], addr, mac
	}
	r.addr, r.mac = addr, mac
	return text[n+macLen:], ok
}

// takeName reads what stands behind the MAC of a message: nothing, or the
// name of a client that got its lease.
func (s *scanner) takeName(r *record, text []byte) bool {
	if len(text) > 0 && text[0] != ' ' {
		return false
	}
	name := bytes.TrimSpace(text)
	if len(name) > 0 {
		r.name = r.span(text[cap(text)-cap(name):], len(name))
		r.nameHash = maphash.Bytes(s.seed, name) | 1
	}
	return len(name) == 0 || r.kind == Ack // else it says why the client is not served
}

// span is that of the first n bytes of what the record's line ends with.
func (r *record) span(end []byte, n int) span {
	from := int(r.size) - len(end)
	return span{uint16(from), uint16(from + n)}
}

// next is the place of a record of this line, which add adds.
func (s *scanner) next() *record {
	n := len(s.records)
	s.records = slices.Grow(s.records, 1)
	r := &s.records[:n+1][n]
	*r = record{at: s.at, size: s.size, line: s.nth, xid: s.xid}
	return r
}

// add adds the record that next returned.
func (s *scanner) add() {
	n := len(s.records)
	s.records = s.records[:n+1]
	s.records[n].moment, s.moment = s.moment, false
}

const macLen = len("fa:16:3e:24:e7:22")

// leadingIPv4 reads 10.2.0.21 and the space behind it, and returns the length
// of both; 0 if that is not what a text begins with. It takes the digits of a
// part together: how many there are cannot be foretold.
func leadingIPv4(b []byte) (a IPv4, n int) {
	if len(b) < len("255.255.255.255 ") {
		return IPv4{}, 0
	}
	for i := range a {
		w := binary.LittleEndian.Uint32(b[n:]) ^ 0x30303030   // "0000"
		other := (w&0x7f7f7f7f + 0x76767676 | w) & 0x80808080 // the bytes that were no digits
		digits := bits.TrailingZeros32(other) / 8
		if digits == 0 || digits > 3 || b[n+digits] != ". "[i/3] {
			return IPv4{}, 0
		}
		w <<= 32 - 8*digits
		value := w>>24 + w>>16&0xff*10 + w>>8&0xff*100
		if value > 255 {
			return IPv4{}, 0
		}
		a[i] = byte(value)
		n += digits + 1
	}
	return a, n
}
