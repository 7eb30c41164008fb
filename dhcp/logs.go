package dhcp

import (
	"bytes"
	"fmt"
	"hash/maphash"

	"github.com/stackmend/stackmend/internal/logtail"
)

// A message is what a line of a log says, apart from its form.
type message struct {
	Event
	mac    MAC    // of the client, where it is told
	host   []byte // that the line names
	tag    []byte // program
	text   []byte // what the program says
	iface  []byte
	name   []byte // host name of the client
	id     []byte // client identifier
	daemon bool   // not of one client
	note   bool   // no event: name, id, MAC or times alone
	lease  Lease  // times that are told
}

// A dialect reads what one program writes. It reports false if the text is no
// word of DHCP.
type dialect func(l *logReader, m *message) bool

// A speaker is a program by its name in logs.
type speaker struct {
	format Format
	read   dialect
}

// speakers are the programs whose lines are read, by the tag of syslog.
var speakers = map[string]speaker{
	"dnsmasq-dhcp":     {Dnsmasq, readDnsmasq},
	"dnsmasq":          {Dnsmasq, readDnsmasq},
	"dhcpd":            {Dhcpd, readDhcpd},
	"isc-dhcp-server":  {Dhcpd, readDhcpd},
	"kea-dhcp4":        {Kea, readKea},
	"dhclient":         {Dhclient, readDhclient},
	"dhclient-script":  {Dhclient, readDhclient},
	"dhcpcd":           {Dhcpcd, readDhcpcd},
	"udhcpc":           {Udhcpc, readUdhcpc},
	"systemd-networkd": {Networkd, readNetworkd},
	"networkd":         {Networkd, readNetworkd},
	"kernel":           {Console, readKernel},
}

// words are what lines are looked for by.
func (f Format) words() []string {
	switch f {
	case Dnsmasq:
		return []string{"DHCP", "option: 5", "client provides name", "dnsmasq["}
	case Dhcpd:
		return []string{"DHCP", "dhcpd"}
	case Kea:
		return []string{"DHCP4", "ALLOC_ENGINE_V4"}
	}
	return []string{"DHCP", "dhclient", "dhcpcd", "udhcpc", "networkd", "kea-dhcp4", "dnsmasq", "dhcpd", "bound to ", "oom-kill", "Out of memory"}
}

// A logReader makes events of lines.
type logReader struct {
	*recorder
	format  Format
	look    []string // words that lines are looked for by
	seed    maphash.Seed
	clock   logtail.Clock
	stamped [15]byte // the last stamp of RFC 3164, and what it means
	stamp   logtail.Stamp
	m       message
	tag     string // of the last line, and who that is
	spoke   speaker
	now     moment // of the last record
	iface   []byte // of the last message, and its number among the words
	ifaceAt uint16
	touched int            // so that touching is not in vain
	asker   *station       // of a client's log: whose answers come next
	ifaces  map[string]MAC // of a client's log, by host and interface
	sends   Cast           // how dhcpcd sends its next requests
	packets bool           // Kea tells of packets: what it says of leases is told already
	reboot  uint32         // transaction of the last client that asked Kea for the lease that it had before
	other   int64          // lines of programs of the other side
	nameOf  struct {       // dnsmasq tells a client's name before its message
		xid  uint32
		name []byte
	}
}

func newLogReader(name string, f Format, o ReadOptions) *logReader {
	at := f.Point()
	if f == Auto {
		at = "" // the first program that is met says it
	}
	return &logReader{recorder: newRecorder(name, at, o), format: f, look: f.words(), seed: maphash.MakeSeed(), clock: logtail.Clock{Now: o.Now, Zone: o.Zone}, ifaces: map[string]MAC{}}
}

// line reads one line. What was cut is not read: it could name another client
// than it meant.
func (l *logReader) line(line logtail.Line) {
	l.trace.Units++
	m := &l.m
	*m = message{}
	m.Number = line.Number
	if line.Dropped > 0 || !l.head(line.Text) {
		l.trace.Unread++
		return
	}
	s, known := l.speaker()
	switch {
	case !known || line.Partial && !complete(m.text):
		l.trace.Unread++
	case !l.ours(s.format):
		l.other++
	case !s.read(l, m):
		l.trace.Unread++
	default:
		l.note()
	}
}

// complete: the last line of a file that is being written may be cut within
// an address.
func complete(text []byte) bool {
	return len(text) > 0 && !bytes.ContainsAny(text[len(text)-1:], ".:0123456789abcdef")
}

// speaker finds who wrote the line.
func (l *logReader) speaker() (speaker, bool) {
	m := &l.m
	if l.tag != "" && string(m.tag) == l.tag {
		return l.spoke, true
	}
	if s, ok := speakers[string(m.tag)]; ok {
		l.tag, l.spoke = string(m.tag), s
		return s, true
	}
	if bytes.Contains(m.text, []byte("DHCP4_")) || bytes.Contains(m.text, []byte("ALLOC_ENGINE_V4")) {
		return speaker{Kea, readKea}, true
	}
	switch l.format {
	case Auto:
		return speaker{}, false
	case Console, Dhclient:
		return speaker{Dhclient, readDhclient}, true
	case Dnsmasq, Dhcpd, Dhcpcd, Udhcpc, Networkd:
		for _, s := range speakers {
			if s.format == l.format {
				return s, true
			}
		}
	}
	return speaker{}, false
}

// ours reports whether a line is of the side whose log this is.
func (l *logReader) ours(f Format) bool {
	at := f.Point()
	if l.trace.Point == "" {
		l.trace.Point, l.trace.Format = at, f
	}
	if l.trace.Format == "" {
		l.trace.Format = f
	}
	return at == l.trace.Point
}

// note records the message.
func (l *logReader) note() {
	m := &l.m
	if m.daemon {
		if !m.note {
			l.daemon(m.Event)
		}
		return
	}
	var c *station
	if l.trace.Point == ServerLog {
		c = l.client(m.mac)
	} else {
		c = l.clientOf(m)
	}
	if c == nil {
		l.full++
		return
	}
	l.fill(c)
	if m.note {
		return
	}
	if m.Kind == Request {
		l.minute.add(m.Time)
	}
	l.add(c, m.Event)
}

// fill notes what the message tells of the client itself.
func (l *logReader) fill(c *station) {
	m := &l.m
	if len(m.iface) > 0 && string(m.iface) != l.interfaceOf(c) {
		l.setInterface(c, m.iface)
	}
	if len(m.name) > 0 {
		m.Who = l.who(c, hostNames, m.name)
	}
	if len(m.id) > 0 {
		if n := l.who(c, clientIDs, m.id); len(m.name) == 0 {
			m.Who = n
		}
	}
	c.lease.tell(m.lease.times())
	if m.Kind == Ack || m.Kind == Bound {
		c.given = keptTime(m.Time)
		setAddr(&c.addr, m.Addr)
		setAddr(&c.server, m.Server)
	}
	if m.Kind == Ack && m.Event.Lease == 0 {
		m.Event.Lease = inSeconds(c.lease.lease)
	}
}

func setAddr(a *IPv4, b IPv4) {
	if b != (IPv4{}) {
		*a = b
	}
}

// clientOf finds the client of a client's own log: by the MAC that was told
// for the interface, or by host and interface. Answers do not name the
// interface: they are of who asked last.
func (l *logReader) clientOf(m *message) *station {
	if a := l.asker; a != nil && (len(m.iface) == 0 && l.hostOf(a) == string(m.host) || len(m.host) == 0 && l.interfaceOf(a) == string(m.iface)) {
		return a
	}
	key := string(m.host) + "/" + string(m.iface)
	if m.mac != (MAC{}) {
		if len(l.ifaces) < maxWords {
			l.ifaces[key] = m.mac
		}
	}
	c := l.clientAt(key)
	if c == nil {
		return nil
	}
	if l.hostOf(c) == "" && len(m.host) > 0 {
		l.restOf(c).host = l.word(m.host)
	}
	if mac, ok := l.ifaces[key]; ok {
		c.mac = mac
	}
	if !m.note || m.mac != (MAC{}) {
		l.asker = c
	}
	return c
}

func (l *logReader) finish() *Trace {
	t := l.recorder.finish()
	t.Server.lend(t.Tracks)
	if t.Point == "" {
		t.Point = ClientLog
		if l.format.Point() == ServerLog {
			t.Point = ServerLog
		}
	}
	if l.other > 0 {
		t.Unseen = append(t.Unseen, fmt.Sprintf("%s: %d lines of programs of the other side: read it once more as their log", t.Name, l.other))
	}
	return t
}
