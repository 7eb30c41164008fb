package dhcp

import (
	"hash/maphash"
	"time"

	"github.com/stackmend/stackmend/internal/logtail"
)

// A batch is a piece of a log, and what is in it. What depends on this piece
// alone is found by scanners, several at once; a logReader then takes the
// batches one after the other.
type batch struct {
	buf     []byte // of an ahead, which text is part of
	text    []byte // whole lines
	before  int64  // number of the line before it
	records []record
	lines   []logtail.Line // to be read the long way
	scanned chan struct{}  // has one item when the records are there
}

// A record is what a line says, and which lines behind it tell of the same
// moment nothing but times of the lease.
type record struct {
	told           times  // that are told behind it
	nameHash       uint64 // of the name, keyed: who has it already is found without a look at it
	at, size       int32  // of its line in the text; at: in lines, where it is whole
	line           int32  // which of the batch it is, from 0
	units, unread  uint32
	xid            uint32
	iface, name    span // in its line
	addr           IPv4
	mac            MAC
	kind           Kind // of a message
	is             saying
	moment, around bool // its time, its interface may differ from those of the record before
}

// A span is a part of a line.
type span struct{ from, to uint16 }

func (s span) of(line []byte) []byte { return line[s.from:s.to] }

// saying is what a record is.
type saying uint8

const (
	saysLine    saying = iota // is read the long way
	saysMessage               // of a client
	saysName                  // of a client whose message comes
	saysTime                  // and nothing else: it is one of its own units
)

// line returns the line of a record that is not whole.
func (b *batch) line(r *record) []byte { return b.text[r.at : r.at+r.size] }

func (b *batch) number(r *record) int64 { return b.before + int64(r.line) + 1 }

// A scanner makes records of a batch.
type scanner struct {
	*batch
	scan    *logtail.Scanner
	short   bool // the format may have lines that are read the short way
	look    []string
	seed    maphash.Seed
	at      int32 // of the line that is read, as in its record
	size    int32
	nth     int32
	head    []byte // how the last line began: its time, host and program
	tail    []byte // of head, without the time
	worded  bool   // tail has a word that lines are looked for by
	same    []byte // head, and the transaction behind it
	xid     uint32
	hasXID  bool
	iface   []byte // of the last message
	whom    []byte // the address and MAC of a message before it in this batch, as they are written
	addr    IPv4
	mac     MAC
	phrases [256]phrase
	moment  bool // the next record's time may differ from that of the last one
	around  bool
}

func newScanner(l *logReader) *scanner {
	s := &scanner{seed: l.seed, short: !l.o.Now.IsZero() && (l.format == Dnsmasq || l.format == Auto), look: l.look}
	o := logtail.Options{MaxLine: maxLine, Match: l.look}
	if s.short {
		o.Take = s.take
	}
	s.scan = logtail.NewScanner(o)
	return s
}

// read fills in the records of a batch.
func (s *scanner) read(b *batch) {
	s.batch = b
	b.records, b.lines = b.records[:0], b.lines[:0]
	s.moment, s.around, s.whom = true, true, nil
	for line := range s.scan.Lines(b.text, b.before) {
		b.records = append(b.records, record{at: int32(len(b.lines))})
		b.lines = append(b.lines, line)
		s.moment = true
	}
}

// groupLen is how many records are applied together.
const groupLen = 64

// apply takes what a batch says. Of many clients none is in a processor's
// cache: those of several records are fetched together.
func (l *logReader) apply(b *batch) {
	var clients [groupLen]*station
	for rest := b.records; len(rest) > 0; {
		group := rest[:min(len(rest), groupLen)]
		rest = rest[len(group):]
		l.fetch(group, &clients)
		for i := range group {
			l.record(b, &group[i], clients[i])
		}
	}
}

// fetch finds the clients of messages, and touches what is needed of them: a
// processor waits for several at once where none depends on another.
func (l *logReader) fetch(group []record, clients *[groupLen]*station) {
	touched := 0
	for i := range group {
		if follows(group, i) {
			continue
		}
		if group[i].is == saysMessage {
			touched += l.known.touch(group[i].mac)
		}
	}
	for i := range group {
		switch r := &group[i]; {
		case follows(group, i):
			clients[i] = clients[i-1]
		case r.is == saysMessage:
			clients[i] = l.knownClient(r.mac)
		default:
			clients[i] = nil
		}
	}
	for i, c := range clients[:len(group)] {
		if c != nil && !follows(group, i) {
			touched += int(c.n)
		}
	}
	for i, c := range clients[:len(group)] {
		if c != nil && !follows(group, i) {
			touched += c.touch(l.events)
		}
	}
	l.touched += touched
}

// follows reports whether a record is a message of the same client as the one
// before it.
func follows(group []record, i int) bool {
	return i > 0 && group[i].is == saysMessage && group[i-1].is == saysMessage && group[i].mac == group[i-1].mac
}

// touch reads a little of where the next event of a client goes, unless that
// is a chunk that it has not yet.
func (c *chain) touch(s *store) int {
	if c.n%chunkLen == 0 {
		return 0
	}
	return int(s.chunks.at(c.last)[c.n%chunkLen].kind)
}

// record takes one record, of a client if it is known as yet.
func (l *logReader) record(b *batch, r *record, c *station) {
	if r.is == saysLine {
		l.line(b.lines[r.at])
		l.now = moment{}
		return
	}
	if r.around {
		l.iface = append(l.iface[:0], r.iface.of(b.line(r))...)
		l.ifaceAt = l.words[l.word(l.iface)]
	}
	if (r.moment || !l.now.known) && !l.at(b.line(r)) {
		l.late(b, r)
		return
	}
	own := int64(1)
	if r.is == saysTime {
		own = 0
	}
	l.trace.Units += own + int64(r.units)
	if !l.ours(Dnsmasq) {
		l.other += own + int64(r.units)
		return
	}
	l.trace.Unread += int64(r.unread)
	switch r.is {
	case saysMessage:
		l.message(b, r, c)
	case saysName:
		l.m.XID = r.xid
		l.dnsmasqName(&l.m, r.name.of(b.line(r)))
	}
	if r.told != (times{}) && l.last != nil {
		l.last.lease.tell(r.told)
		l.told(l.last, r.told.lease)
	}
}

// late reads a record the long way whose time is none after all.
func (l *logReader) late(b *batch, r *record) {
	l.now = moment{}
	if r.is != saysTime {
		l.line(logtail.Line{Text: b.line(r), Number: b.number(r)})
	}
	l.trace.Units += int64(r.units)
	l.trace.Unread += int64(r.units)
}

// A moment is the time of the last record.
type moment struct {
	known bool
	time  time.Time
	kept  int64 // as a store keeps it
	doubt logtail.Doubt
	early bool // before ReadOptions.Since
	seen  bool // an event of it was recorded
}

// at makes the time of a line whose stamp is classic in form the last one.
func (l *logReader) at(line []byte) bool {
	rest, ok := l.stampOf(line)
	if !ok || len(rest) != len(line)-stampLen {
		return false
	}
	now := l.m.Time
	l.now = moment{known: true, time: now, kept: keptTime(now), doubt: l.m.Doubt, early: now.Before(l.o.Since)}
	return true
}

// message takes a message: what [logReader.note] does, for nearly all lines of
// a busy server.
func (l *logReader) message(b *batch, r *record, c *station) {
	if c == nil {
		if c = l.client(r.mac); c == nil {
			l.full++
			return
		}
	}
	l.last = c
	number := b.number(r)
	if c.iface != l.ifaceAt || l.ifaceAt == 0 {
		l.setInterface(c, l.iface)
	}
	who := l.named(b, r, c)
	var lease uint32
	switch r.kind {
	case Ack:
		c.given = l.now.kept
		setAddr(&c.addr, r.addr)
		lease = c.lease.lease
	case Request:
		l.minute.add(l.now.time)
	}
	if l.now.early {
		return
	}
	if !l.now.seen {
		l.see(l.now.time)
		l.now.seen = true
	}
	k := c.next(l.events)
	*k = kept{at: l.now.kept, number: uint32(number), numberHigh: uint8(number >> 32), xid: r.xid, addr: r.addr, kind: r.kind, who: who, doubt: uint8(l.now.doubt)}
	if lease != 0 {
		l.events.detail(k, terms{lease: lease}, extra{})
	}
	l.bound(c, l.now.time)
}

// named is who of the name in a message, or before it.
func (l *logReader) named(b *batch, r *record, c *station) uint8 {
	switch {
	case r.kind.Asks() && r.xid != 0 && r.xid == l.nameOf.xid:
		return l.who(c, hostNames, l.nameOf.name)
	case r.nameHash == 0:
		return 0
	case r.nameHash == c.nameHash:
		return 1
	}
	who := l.who(c, hostNames, r.name.of(b.line(r)))
	if who == 1 {
		c.nameHash = r.nameHash
	}
	return who
}
