package dhcp

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"
)

// head takes what stands before a program's words: the time, the host and the
// program. It reports false where a line has no form that is known.
func (l *logReader) head(text []byte) bool {
	m := &l.m
	if len(text) > 0 && text[0] == '{' {
		return l.journal(text)
	}
	if len(text) > 0 && text[0] == '<' {
		h, ok := l.clock.Header(text)
		m.Time, m.Doubt = h.Time, h.Doubt
		m.host, m.tag, m.text = []byte(h.Host), []byte(h.Tag), h.Message
		return ok
	}
	rest, ok := l.stampOf(text)
	if !ok {
		rest = l.uptime(bytes.TrimLeft(text, " \r"))
	}
	m.program(bytes.TrimLeft(rest, " "))
	return len(m.text) > 0
}

// stampOf takes the time. Busy servers write many lines in one second: a stamp
// that stands there again is not read again.
func (l *logReader) stampOf(text []byte) ([]byte, bool) {
	m := &l.m
	classic := len(text) > 16 && text[3] == ' ' && text[15] == ' ' && plain(text[15:])
	if classic && string(text[:15]) == string(l.stamped[:]) {
		m.Time, m.Doubt = l.stamp.Time, l.stamp.Doubt
		return text[15:], true
	}
	s, rest, ok := l.clock.Stamp(text)
	if !ok {
		return text, false
	}
	m.Time, m.Doubt = s.Time, s.Doubt
	if classic && len(rest) == len(text)-15 {
		copy(l.stamped[:], text)
		l.stamp = s
	}
	return rest, true
}

// uptime takes "[   12.345678] " of the kernel and of cloud-init.
func (l *logReader) uptime(text []byte) []byte {
	if len(text) == 0 || text[0] != '[' {
		return text
	}
	end := bytes.IndexByte(text, ']')
	if end < 0 {
		return text
	}
	seconds, err := strconv.ParseFloat(string(bytes.TrimSpace(text[1:end])), 64)
	if err != nil || seconds < 0 || seconds > 1e9 {
		return text
	}
	if !l.o.Boot.IsZero() {
		l.m.Time = l.o.Boot.Add(time.Duration(seconds * float64(time.Second)))
	}
	return bytes.TrimLeft(text[end+1:], " ")
}

// program takes "host program[123]: " or "program[123]: ".
func (m *message) program(text []byte) {
	word, rest, ok := bytes.Cut(text, space)
	if tag, is := tagOf(word); is {
		m.tag, m.text = tag, rest
		return
	}
	if ok {
		if second, after, _ := bytes.Cut(rest, space); len(second) > 0 {
			if tag, is := tagOf(second); is {
				m.host, m.tag, m.text = word, tag, after
				return
			}
		}
	}
	m.text = text
}

var space = []byte{' '}

// tagOf reads "dhclient[123]:". A name that is none of a program which is read
// here is none: "eth0:" begins what dhcpcd says.
func tagOf(word []byte) ([]byte, bool) {
	n := len(word)
	if n < 2 || word[n-1] != ':' {
		return nil, false
	}
	name := word[:n-1]
	if name[n-2] == ']' {
		if pid := bytes.IndexByte(name, '['); pid > 0 {
			return name[:pid], true
		}
	}
	_, known := speakers[string(name)]
	return name, known
}

// journal reads a line of journalctl -o json.
func (l *logReader) journal(text []byte) bool {
	var j struct {
		Message    string `json:"MESSAGE"`
		Identifier string `json:"SYSLOG_IDENTIFIER"`
		Comm       string `json:"_COMM"`
		Host       string `json:"_HOSTNAME"`
		Micros     string `json:"__REALTIME_TIMESTAMP"`
		Source     string `json:"_SOURCE_REALTIME_TIMESTAMP"`
	}
	if json.Unmarshal(text, &j) != nil || j.Message == "" {
		return false
	}
	if j.Source == "" {
		j.Source = j.Micros
	}
	m := &l.m
	if us, err := strconv.ParseInt(j.Source, 10, 64); err == nil && us > 0 && us < 1<<53 {
		m.Time = time.UnixMicro(us).UTC()
	}
	if j.Identifier == "" {
		j.Identifier = j.Comm
	}
	m.host, m.tag, m.text = []byte(j.Host), []byte(j.Identifier), []byte(j.Message)
	return true
}
