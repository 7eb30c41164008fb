package logtail

import (
	"time"
)

// parser reads time stamps from the front of b. Its methods take what they
// name and report whether it was there.
type parser struct{ b []byte }

func (p *parser) char(c byte) bool {
	if len(p.b) == 0 || p.b[0] != c {
		return false
	}
	p.b = p.b[1:]
	return true
}

// number takes at least min and at most max digits.
func (p *parser) number(min, max int) (n int, ok bool) {
	i := 0
	for i < len(p.b) && i < max && p.b[i] >= '0' && p.b[i] <= '9' {
		n = n*10 + int(p.b[i]-'0')
		i++
	}
	if i < min {
		return 0, false
	}
	p.b = p.b[i:]
	return n, true
}

// stamp takes a stamp in any of the forms that are known.
func (p *parser) stamp() (fields, bool) {
	if len(p.b) < len("Jan 1 00:00:00") {
		return fields{}, false
	}
	var doubt Doubt
	if p.char('*') || p.char('.') { // Cisco: never set, or set and since lost
		doubt = ClockUnset
	}
	bracket := p.char('[')
	f, ok := p.form()
	if bracket {
		p.char(']')
	}
	f.doubt = doubt
	return f, ok && f.valid()
}

func (p *parser) form() (fields, bool) {
	start := p.b
	for _, form := range []func(*fields) bool{p.iso, p.monthFirst, p.yearMonth, p.common} {
		var f fields
		p.b = start
		if form(&f) {
			return f, true
		}
	}
	return fields{}, false
}

// iso: 2024-01-15T10:52:01.123+01:00, 2024-01-15 10:52:01,123, and MariaDB's
// hour without a leading zero.
func (p *parser) iso(f *fields) (ok bool) {
	if f.year, ok = p.number(4, 4); !ok || !p.char('-') {
		return false
	}
	if f.month, ok = p.number(2, 2); !ok || !p.char('-') {
		return false
	}
	if f.day, ok = p.number(2, 2); !ok {
		return false
	}
	if !p.char('T') && !p.char(' ') {
		return false
	}
	p.char(' ')
	return p.clock(f) && p.zone(f)
}

// monthFirst: Jan 15 10:52:01 of RFC 3164, with a fraction, with the year
// before or after the time, with a zone, as switches print them.
func (p *parser) monthFirst(f *fields) (ok bool) {
	if f.month, ok = p.month(); !ok || !p.char(' ') {
		return false
	}
	p.char(' ')
	if f.day, ok = p.number(1, 2); !ok || !p.char(' ') {
		return false
	}
	p.year(f)
	if !p.clock(f) {
		return false
	}
	if rest := p.b; p.char(' ') && p.year(f) {
		return true
	} else {
		p.b = rest
	}
	return p.zone(f)
}

// year takes a year and the space after it.
func (p *parser) year(f *fields) bool {
	rest := p.b
	y, ok := p.number(4, 4)
	if ok && y >= 1970 && y < 2200 && (p.char(' ') || len(p.b) > 0 && p.b[0] == ':') {
		f.year = y
		return true
	}
	p.b = rest
	return false
}

// yearMonth: 2024 Jan 15 10:52:01 of NX-OS.
func (p *parser) yearMonth(f *fields) (ok bool) {
	if !p.year(f) {
		return false
	}
	if f.month, ok = p.month(); !ok || !p.char(' ') {
		return false
	}
	p.char(' ')
	if f.day, ok = p.number(1, 2); !ok || !p.char(' ') {
		return false
	}
	return p.clock(f) && p.zone(f)
}

// common: 15/Jan/2024:10:52:01.123 +0000 of the web servers and HAProxy.
func (p *parser) common(f *fields) (ok bool) {
	if f.day, ok = p.number(2, 2); !ok || !p.char('/') {
		return false
	}
	if f.month, ok = p.month(); !ok || !p.char('/') {
		return false
	}
	if f.year, ok = p.number(4, 4); !ok || !p.char(':') {
		return false
	}
	return p.clock(f) && p.zone(f)
}

// clock: 10:52:01 with any fraction.
func (p *parser) clock(f *fields) (ok bool) {
	if f.hour, ok = p.number(1, 2); !ok || !p.char(':') {
		return false
	}
	if f.minute, ok = p.number(2, 2); !ok || !p.char(':') {
		return false
	}
	if f.second, ok = p.number(2, 2); !ok {
		return false
	}
	rest := p.b
	if p.char('.') || p.char(',') {
		if f.nsn, ok = p.fraction(); !ok {
			p.b = rest
		}
	}
	return true
}

// fraction takes the digits of a fraction, in nanoseconds.
func (p *parser) fraction() (ns int, ok bool) {
	n, scale := 0, int(time.Second)
	for len(p.b) > n && p.b[n] >= '0' && p.b[n] <= '9' {
		scale /= 10
		ns += int(p.b[n]-'0') * scale
		n++
	}
	p.b = p.b[n:]
	return ns, n > 0
}

// zone: Z, +01:00, +0100, " +0000", " UTC". No zone is fine, and an
// abbreviation other than UTC is left where it is: it says little.
func (p *parser) zone(f *fields) bool {
	rest := p.b
	if p.char('Z') {
		f.zone = time.UTC
		return true
	}
	p.char(' ')
	if len(p.b) >= 3 && (string(p.b[:3]) == "UTC" || string(p.b[:3]) == "GMT") && (len(p.b) == 3 || !letter(p.b[3])) {
		f.zone, p.b = time.UTC, p.b[3:]
		return true
	}
	if !p.offset(f) {
		p.b = rest
	}
	return true
}

func (p *parser) offset(f *fields) bool {
	sign := 1
	if p.char('-') {
		sign = -1
	} else if !p.char('+') {
		return false
	}
	h, ok := p.number(2, 2)
	if !ok || h > 14 {
		return false
	}
	p.char(':')
	m, ok := p.number(2, 2)
	if !ok || m > 59 {
		return false
	}
	f.zone = time.UTC
	if seconds := sign * (h*3600 + m*60); seconds != 0 {
		f.zone = time.FixedZone("", seconds)
	}
	return true
}

func letter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

const months = "JanFebMarAprMayJunJulAugSepOctNovDec"

// month takes the English name of a month, in three letters.
func (p *parser) month() (int, bool) {
	if len(p.b) < 3 {
		return 0, false
	}
	for i := 0; i < len(months); i += 3 {
		if string(p.b[:3]) == months[i:i+3] {
			p.b = p.b[3:]
			return i/3 + 1, true
		}
	}
	return 0, false
}
