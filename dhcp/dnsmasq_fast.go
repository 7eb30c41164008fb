package dhcp

import "bytes"

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
	r := record{at: int32(at), size: int32(h + end), line: line, xid: s.xid}
	text := rest[:end]
	if text[0] == 'D' {
		if !s.takeMessage(&r, text) {
			return 0
		}
	} else if !s.takePhrase(&r, text) {
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
func (s *scanner) takeMessage(r *record, text []byte) bool {
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
	text = text[n+2:]
	if r.addr, n = leadingIPv4(text); n == 0 && r.kind != Discover {
		return false
	}
	text = text[n:]
	if len(text) < macLen || len(text) > macLen && text[macLen] != ' ' {
		return false
	}
	var ok bool
	if r.mac, ok = parseMAC(text[:macLen]); !ok {
		return false
	}
	name := bytes.TrimSpace(text[macLen:])
	if len(name) > 0 && r.kind != Ack { // why it is not served
		return false
	}
	if len(name) > 0 {
		r.name = r.span(text[cap(text)-cap(name):], len(name))
	}
	r.is = saysMessage
	if string(s.iface) != string(iface) {
		s.iface, s.around = append(s.iface[:0], iface...), true
	}
	r.around, s.around = s.around, false
	s.add(r)
	return true
}

// span is that of the first n bytes of what the record's line ends with.
func (r *record) span(end []byte, n int) span {
	from := int(r.size) - len(end)
	return span{uint16(from), uint16(from + n)}
}

// add adds a record.
func (s *scanner) add(r *record) {
	r.moment, s.moment = s.moment, false
	s.records = append(s.records, *r)
}

const macLen = len("fa:16:3e:24:e7:22")

// leadingIPv4 reads 10.2.0.21 and the space behind it, and returns the length
// of both; 0 if that is not what a text begins with.
func leadingIPv4(b []byte) (a IPv4, n int) {
	for i := range a {
		value, digits := 0, 0
		for ; n < len(b) && digit(b[n]); n++ {
			value = 10*value + int(b[n]-'0')
			if digits++; digits > 3 {
				return IPv4{}, 0
			}
		}
		if digits == 0 || value > 255 || n == len(b) || b[n] != ". "[i/3] {
			return IPv4{}, 0
		}
		a[i] = byte(value)
		n++
	}
	return a, n
}
