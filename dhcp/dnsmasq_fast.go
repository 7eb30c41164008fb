package dhcp

import (
	"bytes"
	"time"

	"github.com/stackmend/stackmend/internal/logtail"
)

// quick is how lines of dnsmasq are read the short way: nearly all of a busy
// server's log begin as one that was read the long way, but for the time. A
// test holds the short way to the long one.
type quick struct {
	head    []byte // how the last line began: its time, host and program
	tail    []byte // of head, without the time
	worded  bool   // tail has a word that lines are looked for by
	tails   map[string]bool
	iface   []byte // of the last message
	xid     uint32 // of the last line, and its text
	xidText []byte
	phrases [256]phrase
}

// stampLen is the length of a stamp of RFC 3164.
const stampLen = len("Jan _2 15:04:05")

// maxTails bounds the hosts and programs of one log that are known.
const maxTails = 4_096

// remember keeps how a line of dnsmasq began, for the next ones.
func (l *logReader) remember(line logtail.Line) {
	m, q := &l.m, &l.quick
	n := len(line.Text) - len(m.text)
	if l.format != Dnsmasq && l.format != Auto || l.spoke.format != Dnsmasq || string(m.tag) != l.tag || n < stampLen+2 || line.Text[n-1] != ' ' || !classic(line.Text) {
		return
	}
	tail := line.Text[stampLen:n]
	if !letter(tail[1]) || bytes.HasPrefix(tail, []byte(" UTC")) || bytes.HasPrefix(tail, []byte(" GMT")) { // may be of the stamp
		return
	}
	worded, known := q.tails[string(tail)]
	if !known {
		if q.tails == nil {
			q.tails = map[string]bool{}
		}
		worded = l.worded(tail)
		if len(q.tails) < maxTails {
			q.tails[string(tail)] = worded
		}
	}
	q.begin(line.Text[:n], worded)
}

// begin makes this the beginning of the last line.
func (q *quick) begin(head []byte, worded bool) {
	q.head = append(q.head[:0], head...)
	q.tail, q.worded = q.head[stampLen:], worded
}

// classic reports whether a text begins with a stamp of RFC 3164 of the usual
// width, or with what is no stamp at all.
func classic(b []byte) bool {
	return len(b) > stampLen && letter(b[0]) && letter(b[1]) && letter(b[2]) && b[3] == ' ' && b[6] == ' ' && digit(b[7]) && digit(b[8]) && b[9] == ':' &&
		digit(b[10]) && digit(b[11]) && b[12] == ':' && digit(b[13]) && digit(b[14]) && b[15] == ' '
}

func digit(c byte) bool  { return c-'0' <= 9 }
func letter(c byte) bool { return c|0x20-'a' < 26 }

// worded reports whether a text has a word that lines are looked for by.
func (l *logReader) worded(text []byte) bool {
	for _, w := range l.look {
		if bytes.Contains(text, []byte(w)) {
			return true
		}
	}
	return false
}

// take reads whole lines from the beginning of a text, as many as can be read
// the short way, and returns their length and number. It is called by the
// Reader of the log, which reads the next line the long way then.
func (l *logReader) take(text []byte, before int64) (n int, lines int64) {
	if len(l.quick.head) == 0 {
		return 0, 0
	}
	for n < len(text) {
		used := l.takeLine(text[n:], before+lines+1)
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
func (l *logReader) takeLine(b []byte, number int64) int {
	q := &l.quick
	h := len(q.head)
	same := bytes.HasPrefix(b, q.head)
	if !same {
		if h = l.otherHead(b); h == 0 {
			return 0
		}
	}
	rest := b[h:]
	end := bytes.IndexByte(rest, '\n')
	if end <= 0 || h+end > maxLine || rest[end-1] == '\r' {
		return 0
	}
	text := rest[:end]
	xid := uint32(0)
	if digit(text[0]) {
		if !q.takeXID(&text) || len(text) == 0 {
			return 0
		}
		xid = q.xid
	}
	known := false
	if text[0] == 'D' {
		known = l.takeMessage(b, text, xid, number)
	} else {
		known = l.takePhrase(b, text, xid)
	}
	if !known {
		return 0
	}
	return h + end + 1
}

// otherHead returns the length of the head of a line that begins with another
// time, host or program than the last one, if all of them are known.
func (l *logReader) otherHead(b []byte) int {
	q := &l.quick
	if !classic(b) {
		return 0
	}
	if bytes.HasPrefix(b[stampLen:], q.tail) {
		return len(q.head)
	}
	end := bytes.Index(b[stampLen:min(len(b), stampLen+maxWord)], []byte("]: "))
	if end < 0 {
		return 0
	}
	h := stampLen + end + len("]: ")
	worded, known := q.tails[string(b[stampLen:h])]
	if !known {
		return 0
	}
	q.begin(b[:h], worded)
	return h
}

// takeXID takes the transaction of --log-dhcp and the space behind it.
func (q *quick) takeXID(text *[]byte) bool {
	b := *text
	if len(q.xidText) > 0 && bytes.HasPrefix(b, q.xidText) {
		*text = b[len(q.xidText):]
		return true
	}
	n := bytes.IndexByte(b[:min(len(b), len("4294967295 "))], ' ')
	if n < 0 {
		return false
	}
	xid, ok := parseDecimal(b[:n])
	if !ok {
		return false
	}
	q.xid, q.xidText = xid, append(q.xidText[:0], b[:n+1]...)
	*text = b[n+1:]
	return true
}

// quickKinds are the messages that are read the short way.
var quickKinds = []struct {
	word string
	kind Kind
}{{"DHCPREQUEST(", Request}, {"DHCPACK(", Ack}, {"DHCPDISCOVER(", Discover}, {"DHCPOFFER(", Offer}}

// takeMessage reads "DHCPACK(tap1) 10.2.0.21 fa:16:3e:24:e7:22 name".
func (l *logReader) takeMessage(line, text []byte, xid uint32, number int64) bool {
	var kind Kind
	for i := range quickKinds {
		if k := &quickKinds[i]; prefix(&text, k.word) {
			kind = k.kind
			break
		}
	}
	if kind == 0 {
		return false
	}
	q := &l.quick
	n := len(q.iface)
	if n == 0 || n >= len(text) || text[n] != ')' || !bytes.HasPrefix(text, q.iface) {
		n = bytes.IndexByte(text, ')')
	}
	if n <= 0 || n+2 > len(text) || text[n+1] != ' ' {
		return false
	}
	iface, text := text[:n], text[n+2:]
	addr, n := leadingIPv4(text)
	if n == 0 && kind != Discover {
		return false
	}
	text = text[n:]
	if len(text) < macLen || len(text) > macLen && text[macLen] != ' ' {
		return false
	}
	mac, ok := parseMAC(text[:macLen])
	if !ok {
		return false
	}
	name := bytes.TrimSpace(text[macLen:])
	if len(name) > 0 && kind != Ack { // why it is not served
		return false
	}
	if kind.Asks() && xid != 0 && xid == l.nameOf.xid {
		name = l.nameOf.name
	}
	m := &l.m
	m.Event = Event{Number: number, Kind: kind, XID: xid, Addr: addr}
	if !l.timed(line) {
		return false
	}
	m.mac, m.iface, m.name, m.id = mac, iface, name, nil
	m.note, m.daemon, m.lease = false, false, Lease{}
	l.trace.Units++
	l.note()
	if string(q.iface) != string(iface) {
		q.iface = append(q.iface[:0], iface...)
	}
	return true
}

const macLen = len("fa:16:3e:24:e7:22")

// timed reads the time of a line whose stamp is classic in form.
func (l *logReader) timed(line []byte) bool {
	rest, ok := l.stampOf(line)
	if !ok || len(rest) != len(line)-stampLen {
		return false
	}
	copy(l.quick.head, line[:stampLen])
	return true
}

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

// A phrase is what dnsmasq says again and again behind the transaction, and
// what it means.
type phrase struct {
	text   []byte
	worded bool // said behind such a head
	means  meaning
	lease  Lease
}

type meaning uint8

const (
	unusual meaning = iota // to be read the long way
	silent                 // no word that lines are looked for by
	idle                   // nothing that is kept
	unread                 // nothing that is known
	timing                 // a time of the lease that was just given
)

// longestPhrase bounds what is remembered, in bytes.
const longestPhrase = 200

// takePhrase reads what is not a message.
func (l *logReader) takePhrase(line, text []byte, xid uint32) bool {
	if name := text; prefix(&name, "client provides name: ") {
		if !l.timed(line) {
			return false
		}
		l.trace.Units++
		l.m.XID = xid
		return l.dnsmasqName(&l.m, name)
	}
	q := &l.quick
	p := &q.phrases[(len(text)*31+int(text[len(text)/2])*7+int(text[len(text)-1]))%len(q.phrases)]
	if p.worded != q.worded || string(p.text) != string(text) {
		if len(text) > longestPhrase {
			return false
		}
		*p = phrase{text: append(p.text[:0], text...), worded: q.worded}
		l.classify(p)
	}
	if p.means == unusual || p.means == silent && string(line[:stampLen]) != string(l.stamped[:]) {
		return false
	}
	if p.means == silent {
		return true
	}
	if !l.timed(line) {
		return false
	}
	l.trace.Units++
	switch {
	case p.means == unread:
		l.trace.Unread++
	case p.means == timing && l.last != nil:
		l.last.Lease.tell(p.lease)
		l.last.told(p.lease)
	}
	return true
}

// classify finds what a phrase means.
func (l *logReader) classify(p *phrase) {
	text := p.text
	if !p.worded && !l.worded(text) {
		p.means = silent
		return
	}
	switch {
	case prefix(&text, "sent size:"):
		p.means = idle
		if p.lease = leaseOption(text); p.lease != (Lease{}) {
			p.means = timing
		}
	case prefix(&text, "available DHCP"), prefix(&text, "tags: "):
		p.means = idle
	case prefix(&text, "next server: "), prefix(&text, "requested options: "), prefix(&text, "vendor class: "), prefix(&text, "bootfile name: "):
		p.means = unread
	}
}

// tell takes over the times that are told.
func (l *Lease) tell(told Lease) {
	for _, t := range []struct{ to, from *time.Duration }{{&l.Time, &told.Time}, {&l.T1, &told.T1}, {&l.T2, &told.T2}} {
		if *t.from > 0 {
			*t.to = *t.from
		}
	}
}
