package logtail

import (
	"testing"
	"time"
)

func TestStamp(t *testing.T) {
	now := time.Date(2025, 1, 5, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct{ in, want, doubt, rest string }{
		{"Jan  5 10:52:01 sw1 x", "2025-01-05T10:52:01Z", "year inferred, zone assumed", " sw1 x"},
		{"Dec 31 23:59:59 sw1 x", "2024-12-31T23:59:59Z", "year inferred, zone assumed", " sw1 x"},
		{"Jan  6 10:00:00 a clock ahead", "2025-01-06T10:00:00Z", "year inferred, zone assumed", " a clock ahead"},
		{"Jan  8 10:00:00 x", "2024-01-08T10:00:00Z", "year inferred, zone assumed", " x"},
		{"Feb 29 10:00:00 x", "2024-02-29T10:00:00Z", "year inferred, zone assumed", " x"},
		{"*Mar  1 00:00:05.123: %X", "2024-03-01T00:00:05.123Z", "year inferred, zone assumed, clock not authoritative", ": %X"},
		{".Jan  1 00:00:05.123 UTC: %X", "2025-01-01T00:00:05.123Z", "year inferred, clock not authoritative", ": %X"},
		{"Jan 15 2024 10:52:01 HW %%01", "2024-01-15T10:52:01Z", "zone assumed", " HW %%01"},
		{"Jan 15 10:52:01 2024: x", "2024-01-15T10:52:01Z", "zone assumed", ": x"},
		{"2024 Jan 15 10:52:01.5 n9k %X", "2024-01-15T10:52:01.5Z", "zone assumed", " n9k %X"},
		{"2024 Jan 15 10:52:01 UTC: %X", "2024-01-15T10:52:01Z", "", ": %X"},
		{"2024-01-15T10:52:01.123456+01:00 h", "2024-01-15T09:52:01.123456Z", "", " h"},
		{"2024-01-15T10:52:01.123-0930 7f", "2024-01-15T20:22:01.123Z", "", " 7f"},
		{"2024-01-15 10:52:01.123 1234 INFO nova", "2024-01-15T10:52:01.123Z", "zone assumed", " 1234 INFO nova"},
		{"2024-01-15 10:52:01,123 - root", "2024-01-15T10:52:01.123Z", "zone assumed", " - root"},
		{"2024-01-15  1:02:03 0 [Note]", "2024-01-15T01:02:03Z", "zone assumed", " 0 [Note]"},
		{"2024-01-15 10:52:01.123+0000: starting up", "2024-01-15T10:52:01.123Z", "", ": starting up"},
		{"[15/Jan/2024:10:52:01.123] http", "2024-01-15T10:52:01.123Z", "zone assumed", " http"},
		{"2025-02-01T00:00:00Z x", "2025-02-01T00:00:00Z", "in the future", " x"},
	} {
		clock := Clock{Now: now}
		s, rest, ok := clock.Stamp([]byte(c.in))
		if got := s.Time.UTC().Format(time.RFC3339Nano); !ok || got != c.want || s.Doubt.String() != c.doubt || string(rest) != c.rest {
			t.Errorf("%q: %v %s %q, rest %q; want %s %q, rest %q", c.in, ok, got, s.Doubt, rest, c.want, c.doubt, c.rest)
		}
	}
	for _, in := range []string{"", "Jan", "Jan 32 10:00:00 x", "Feb 30 10:00:00 x", "2024-02-30T10:00:00Z", "2024-13-01 10:00:00 ",
		"2024-01-15 25:00:00", "2024-01-15T10:52", "15/Foo/2024:10:52:01", "Jan 15 10:99:01 x", "1046: x: Jan 15 10:52:01"} {
		clock := Clock{Now: now}
		if s, _, ok := clock.Stamp([]byte(in)); ok {
			t.Errorf("%q: %v", in, s.Time)
		}
	}
	var zero Clock
	if s, _, ok := zero.Stamp([]byte("Jan  5 10:52:01 sw1 x")); ok {
		t.Errorf("a year out of nowhere: %v", s.Time)
	}
}

func TestZone(t *testing.T) {
	tokyo := time.FixedZone("", 9*3600)
	clock := Clock{Now: time.Date(2024, 12, 31, 16, 0, 0, 0, time.UTC), Zone: tokyo} // 01:00 on 1 January there
	s, _, ok := clock.Stamp([]byte("Jan  1 00:30:00 x"))
	if want := time.Date(2025, 1, 1, 0, 30, 0, 0, tokyo); !ok || !s.Time.Equal(want) {
		t.Errorf("%v, want %v", s.Time, want)
	}
}

func TestRunsBackwards(t *testing.T) {
	clock := Clock{Now: time.Date(2025, 1, 5, 0, 0, 0, 0, time.UTC)}
	for _, c := range []struct {
		in   string
		back bool
	}{{"Jan  1 10:00:00 x", false}, {"Jan  1 09:59:30 x", false}, {"Jan  1 09:00:00 x", true}, {"Jan  1 09:00:01 x", false}} {
		if s, _, _ := clock.Stamp([]byte(c.in)); s.Doubt&RunsBackwards != 0 != c.back {
			t.Errorf("%q: %v", c.in, s.Doubt)
		}
	}
}

func TestHeader(t *testing.T) {
	for _, c := range []struct {
		in             string
		priority       int
		host, tag, pid string
		message        string
	}{
		{"Jan 15 10:52:01 node7 sshd[123]: hello", -1, "node7", "sshd", "123", "hello"},
		{"<189>Feb 15 01:40:18 SW-1 Stp: %SPANTREE-4-X: text", 189, "SW-1", "Stp", "", "%SPANTREE-4-X: text"},
		{"<34>1 2024-10-11T22:14:15.003Z host su - ID47 - \xef\xbb\xbfmsg", 34, "host", "su", "", "msg"},
		{`<34>1 2024-10-11T22:14:15.003Z - evntslog 8 ID47 [a@1 x="]\"]"][b y="1"] msg`, 34, "", "evntslog", "8", "msg"},
		{"2024-01-15T10:52:01.123456+01:00 sw2 kernel: x: y", -1, "sw2", "kernel", "", "x: y"},
		{"Jan 15 10:52:01 mstpd: text", -1, "", "mstpd", "", "text"},
		{"Jan 15 10:52:01 sw %LINK-3-UPDOWN: text", -1, "sw", "", "", "%LINK-3-UPDOWN: text"},
		{"Jan 15 10:52:01", -1, "", "", "", ""},
		{"no stamp at all here", -1, "", "", "", "no stamp at all here"},
	} {
		clock := Clock{Now: time.Date(2025, 1, 5, 0, 0, 0, 0, time.UTC)}
		h, _ := clock.Header([]byte(c.in))
		if h.Priority != c.priority || h.Host != c.host || h.Tag != c.tag || h.PID != c.pid || string(h.Message) != c.message {
			t.Errorf("%q: %d host %q tag %q pid %q message %q", c.in, h.Priority, h.Host, h.Tag, h.PID, h.Message)
		}
	}
}

// FuzzHeader: no panic, the message is the end of the line, and no day that
// does not exist.
func FuzzHeader(f *testing.F) {
	f.Add("<34>1 2024-10-11T22:14:15.003Z - evntslog 8 ID47 [a x=\"]\"] msg")
	f.Add("*Feb 29 10:00:00.1 UTC sw: %X")
	f.Add("2024 Jan 15 10:52:01 n9k %X")
	f.Fuzz(func(t *testing.T, in string) {
		clock := Clock{Now: time.Date(2025, 1, 5, 0, 0, 0, 0, time.UTC)}
		h, ok := clock.Header([]byte(in))
		if !ok && string(h.Message) != in {
			t.Fatalf("without a stamp the message is %q", h.Message)
		}
		if n := len(in) - len(h.Message); n < 0 || in[n:] != string(h.Message) {
			t.Fatalf("%q is not the end of %q", h.Message, in)
		}
		if ok && h.Doubt&YearInferred != 0 && h.Time.After(clock.Now.Add(24*time.Hour)) {
			t.Fatalf("inferred a year in the future: %v", h.Time)
		}
	})
}
