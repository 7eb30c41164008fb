package dhcp

import (
	"time"

	"github.com/stackmend/stackmend/internal/logtail"
)

// A batch is a piece of a log, and what is in it. What depends on this piece
// alone is found by scanners, several at once; a logReader then takes the
// batches one after the other.
type batch struct {
	text    []byte // whole lines
	before  int64  // number of the line before it
	records []record
	lines   []logtail.Line // to be read the long way
	scanned chan struct{}  // has one item when the records are there
}

// A record is what a line says, and which lines behind it tell of the same
// moment nothing but times of the lease.
type record struct {
	told           Lease // the times that are told behind it
	at, size       int32 // of its line in the text; at: in lines, where it is whole
	number         int64 // of its line
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

// A scanner makes records of a batch.
type scanner struct {
	*batch
	scan    *logtail.Scanner
	short   bool // the format may have lines that are read the short way
	look    []string
	head    []byte // how the last line began: its time, host and program
	tail    []byte // of head, without the time
	worded  bool   // tail has a word that lines are looked for by
	iface   []byte // of the last message
	xid     uint32 // of the last line, and its text
	xidText []byte
	phrases [256]phrase
	moment  bool // the next record's time may differ from that of the last one
	around  bool
}

func newScanner(l *logReader) *scanner {
	s := &scanner{short: !l.o.Now.IsZero() && (l.format == Dnsmasq || l.format == Auto), look: l.look}
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
	s.moment, s.around = true, true
	for line := range s.scan.Lines(b.text, b.before) {
		b.records = append(b.records, record{at: int32(len(b.lines))})
		b.lines = append(b.lines, line)
		s.moment = true
	}
}

// apply takes what a batch says. Tracks of many clients lie in memory that no
// cache has: those of several records are fetched together.
func (l *logReader) apply(b *batch) {
	var tracks [32]*Track
	for rest := b.records; len(rest) > 0; {
		group := rest[:min(len(rest), len(tracks))]
		rest = rest[len(group):]
		l.fetch(group, &tracks)
		for i := range group {
			l.record(b, &group[i], tracks[i])
		}
	}
}

// fetch finds the tracks of messages, and touches what is needed of them: a
// processor waits for several at once where none depends on another.
func (l *logReader) fetch(group []record, tracks *[32]*Track) {
	for i := range group {
		if group[i].is == saysMessage {
			l.touched += l.tracks.touch(group[i].mac)
		}
	}
	for i := range group {
		switch r := &group[i]; {
		case r.is != saysMessage:
			tracks[i] = nil
		case i > 0 && r.mac == group[i-1].mac && group[i-1].is == saysMessage:
			tracks[i] = tracks[i-1]
		default:
			tracks[i] = l.tracks.get(r.mac)
		}
	}
	for i := range group {
		if t := tracks[i]; t != nil {
			l.touched += len(t.Names) + t.Events.n
		}
	}
	for i := range group {
		if t := tracks[i]; t != nil {
			l.touched += t.touch()
		}
	}
}

// touch reads a little of all that an event needs.
func (t *Track) touch() (n int) {
	if len(t.Names) > 0 && len(t.Names[0]) > 0 {
		n = int(t.Names[0][0])
	}
	if t.Events.n > 0 {
		c := t.Events.in.chunks.at(t.Events.last)
		n += int(c.before) + int(c.events[t.Events.n%chunkLen].kind)
	}
	return n
}

// record takes one record. The track is that of its client, nil where there is
// none as yet.
func (l *logReader) record(b *batch, r *record, t *Track) {
	if r.is == saysLine {
		l.line(b.lines[r.at])
		l.now = moment{}
		return
	}
	if r.around {
		l.iface = l.word(r.iface.of(b.line(r)))
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
		l.message(b, r, t)
	case saysName:
		l.m.XID = r.xid
		l.dnsmasqName(&l.m, r.name.of(b.line(r)))
	}
	if r.told != (Lease{}) && l.last != nil {
		l.last.Lease.tell(r.told)
		l.last.told(r.told)
	}
}

// late reads a record the long way whose time is none after all.
func (l *logReader) late(b *batch, r *record) {
	l.now = moment{}
	if r.is != saysTime {
		l.line(logtail.Line{Text: b.line(r), Number: r.number})
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
func (l *logReader) message(b *batch, r *record, t *Track) {
	if t == nil {
		if t = l.recorder.track(r.mac); t == nil {
			l.full++
			return
		}
	}
	l.last = t
	line := b.line(r)
	if t.Interface != l.iface {
		t.Interface = l.iface
	}
	k := kept{at: l.now.kept, number: uint32(r.number), numberHigh: uint8(r.number >> 32), xid: r.xid, addr: r.addr, kind: r.kind, doubt: uint8(l.now.doubt)}
	name := r.name.of(line)
	if r.kind.Asks() && r.xid != 0 && r.xid == l.nameOf.xid {
		name = l.nameOf.name
	}
	k.who = l.who(&t.Names, name)
	switch r.kind {
	case Ack:
		t.Lease.At = l.now.time
		setAddr(&t.Lease.Addr, r.addr)
		k.lease = wholeSeconds(t.Lease.Time)
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
	t.Events.push(k)
	l.bound(t, l.now.time)
}
