package logtail

import (
	"strings"
	"time"
)

// A Doubt is what a time rests on beside the text of its line. Doubts add up.
type Doubt uint8

// The doubts.
const (
	YearInferred  Doubt = 1 << iota // the text has no year
	ZoneAssumed                     // the text has no zone, or an abbreviation that says little
	ClockUnset                      // the device says that its clock is not authoritative
	RunsBackwards                   // earlier than the stamp before it, by more than a minute
	InFuture                        // later than the moment of reading, by more than a day
)

func (d Doubt) String() string {
	var s []string
	for i, text := range []string{"year inferred", "zone assumed", "clock not authoritative", "earlier than the line before", "in the future"} {
		if d&(1<<i) != 0 {
			s = append(s, text)
		}
	}
	return strings.Join(s, ", ")
}

// A Stamp is the time of a line.
type Stamp struct {
	Time  time.Time
	Doubt Doubt
}

// A Clock reads time stamps. It remembers the last one, so use one Clock for
// one log.
type Clock struct {
	// Now is when the log was read or last written; it decides the year of
	// stamps without one: the latest year by which they are not more than a
	// day after Now. A line that is older than a year gets a wrong year
	// then, which shows as RunsBackwards where the log passes it. Zero: such
	// stamps are not read.
	Now time.Time
	// Zone of stamps that do not say theirs. Nil: UTC.
	Zone *time.Location

	last time.Time
}

// slack is how far lines of a healthy log are out of order: several writers,
// relays.
const slack = time.Minute

// Stamp reads the time stamp at the beginning of text, and returns what comes
// after it.
func (c *Clock) Stamp(text []byte) (s Stamp, rest []byte, ok bool) {
	p := &parser{b: text}
	f, ok := p.stamp()
	if !ok {
		return Stamp{}, text, false
	}
	s, ok = c.resolve(f)
	if !ok {
		return Stamp{}, text, false
	}
	return s, p.b, true
}

// resolve makes an instant of what a stamp says.
func (c *Clock) resolve(f fields) (Stamp, bool) {
	s := Stamp{Doubt: f.doubt}
	zone := f.zone
	if zone == nil {
		s.Doubt |= ZoneAssumed
		if zone = c.Zone; zone == nil {
			zone = time.UTC
		}
	}
	if f.year == 0 {
		s.Doubt |= YearInferred
		var ok bool
		if f.year, ok = c.yearOf(f, zone); !ok {
			return Stamp{}, false
		}
	}
	t, ok := f.in(f.year, zone)
	if !ok {
		return Stamp{}, false
	}
	s.Time = t
	c.note(&s)
	return s, true
}

// note compares a stamp with the one before it and with now.
func (c *Clock) note(s *Stamp) {
	if s.Time.Before(c.last.Add(-slack)) {
		s.Doubt |= RunsBackwards
	}
	if !c.Now.IsZero() && s.Time.After(c.Now.Add(24*time.Hour)) {
		s.Doubt |= InFuture
	}
	c.last = s.Time
}

// yearOf finds the latest year in which the day exists and which does not lie
// in the future.
func (c *Clock) yearOf(f fields, zone *time.Location) (int, bool) {
	if c.Now.IsZero() {
		return 0, false
	}
	latest := c.Now.In(zone).Year() + 1
	for year := latest; year > latest-10; year-- { // 29 February may be eight years ago
		if t, ok := f.in(year, zone); ok && !t.After(c.Now.Add(24*time.Hour)) {
			return year, true
		}
	}
	return 0, false
}

// fields are what the text of a stamp says.
type fields struct {
	year, month, day          int // year 0: not said
	hour, minute, second, nsn int
	zone                      *time.Location // nil: not said
	doubt                     Doubt
}

// in returns the instant in a year and a zone, if there is such a day.
func (f fields) in(year int, zone *time.Location) (time.Time, bool) {
	t := time.Date(year, time.Month(f.month), f.day, f.hour, f.minute, f.second, f.nsn, zone)
	day := time.Date(year, time.Month(f.month), f.day, 12, 0, 0, 0, time.UTC)
	return t, day.Day() == f.day && int(day.Month()) == f.month
}

func (f fields) valid() bool {
	return f.month >= 1 && f.month <= 12 && f.day >= 1 && f.day <= 31 &&
		f.hour <= 23 && f.minute <= 59 && f.second <= 60
}
