package imagecache

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// The forms in which a line tells when it was written, and for some of them
// by whom: rsyslog's RFC 3339 and RFC 5424 forms, the old syslog form without
// a year, and what oslo.log writes itself.
var (
	rfcStamp    = regexp.MustCompile(`^(?:<\d+>1? ?)?(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)) (\S+) `)
	syslogStamp = regexp.MustCompile(`^(?:<\d+>)?([A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d) (\S+) `)
	osloStamp   = regexp.MustCompile(`(?:^|[^\d-])(\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:[.,]\d+)?)`)
	jsonHost    = regexp.MustCompile(`"hostname": ?"([^"\\]+)"`)
)

// stamp is when a line was written and by which host. A time that has its
// zone is believed before one that has none, and the host in the line before
// that of the file.
func (l NovaLog) stamp(text string) (at time.Time, host string) {
	host = l.Host
	if m := jsonHost.FindStringSubmatch(text); m != nil {
		host = m[1]
	}
	old := syslogStamp.FindStringSubmatch(text)
	if old != nil {
		host = old[2]
	}
	if m := rfcStamp.FindStringSubmatch(text); m != nil {
		if m[2] != "stdout" && m[2] != "stderr" { // of a container's log
			host = m[2]
		}
		return zoned(m[1]), host
	}
	before, _, _ := strings.Cut(text, string(said))
	if m := osloStamp.FindStringSubmatch(before); m != nil {
		return l.local(m[1]), host
	}
	if m := osloStamp.FindStringSubmatch(text); m != nil && strings.Contains(text, `{"`) {
		return l.local(m[1]), host
	}
	if old != nil {
		return l.yearless(old[1]), host
	}
	return time.Time{}, host
}

func zoned(s string) time.Time {
	s = strings.Replace(s, ",", ".", 1)
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05Z0700"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t
		}
	}
	return time.Time{}
}

func (l NovaLog) zone() *time.Location {
	if l.Zone == nil {
		return time.UTC
	}
	return l.Zone
}

func (l NovaLog) local(s string) time.Time {
	s = strings.Replace(strings.Replace(s, ",", ".", 1), "T", " ", 1)
	t, err := time.ParseInLocation("2006-01-02 15:04:05", s, l.zone())
	if err != nil {
		return time.Time{}
	}
	return t
}

// yearless takes the last year in which the time was not after the file was
// last written. Without that it is not known.
func (l NovaLog) yearless(s string) time.Time {
	if l.Modified.IsZero() {
		return time.Time{}
	}
	latest := l.Modified.Add(24 * time.Hour).In(l.zone())
	for year := latest.Year(); year > latest.Year()-5; year-- { // 29 February comes every fourth
		t, err := time.ParseInLocation("2006 Jan _2 15:04:05", fmt.Sprintf("%04d %s", year, s), l.zone())
		if err == nil && !t.After(latest) {
			return t
		}
	}
	return time.Time{}
}
