package watchdog

import (
	"testing"
	"time"
)

func FuzzParse(f *testing.F) {
	f.Add([]byte("MemTotal:  12 kB\nRssAnon:\t99999999999999999999 kB\nsome avg10=0.00 total=12\nfull total=\n"))
	f.Add([]byte("1 2 3\n0::/a/b\n9:memory,cpu:/x\n"))
	f.Add([]byte("12 (a) b) S 1 1 1 0 -1 4194560 1 0 1 0 1 1 0 0 20 0 60 0 900000 1"))
	f.Fuzz(func(t *testing.T, b []byte) {
		some, full := parsePSI(b)
		for _, n := range []int64{kib(b, "RssAnon:"), field(b, "oom_kill"), parseStatm(b, 4096), some, full, parseLimit(b)} {
			if n < None {
				t.Errorf("%d", n)
			}
		}
		if d, ok := started(b); ok && d < 0 {
			t.Error(d)
		}
		if d, ok := uptime(b); ok && d < 0 {
			t.Error(d)
		}
		if id, ok := osdOf(b, nil); ok && id < 0 {
			t.Error(id)
		}
		groupsOf(b)
	})
}

func TestOSDOf(t *testing.T) {
	for line, want := range map[string]int{
		"/usr/bin/ceph-osd\x00-f\x00--cluster\x00ceph\x00--id\x0012\x00--setuser\x00ceph\x00": 12,
		"ceph-osd\x00-i\x003\x00": 3, "ceph-osd\x00-i3\x00": 3, "ceph-osd\x00-n\x00osd.4\x00-f\x00": 4, "ceph-osd\x00--name=osd.5\x00": 5,
		"ceph-osd\x00-n\x00mon.a\x00": -1, "ceph-osd\x00-i\x00": -1, "ceph-mon\x00-i\x001\x00": -1, "": -1, "ceph-osd\x00": -1,
	} {
		id, ok := osdOf([]byte(line), nil)
		if ok != (want >= 0) || ok && id != want {
			t.Errorf("%q: %d %t", line, id, ok)
		}
	}
}

func TestUnlimited(t *testing.T) {
	for text, want := range map[string]int64{"max\n": None, "9223372036854771712\n": None, "629145600\n": 629145600, "": None} {
		if got := parseLimit([]byte(text)); got != want {
			t.Errorf("%q: %d", text, got)
		}
	}
}

// TestSlope: what counts as growth, and what does not.
func TestSlope(t *testing.T) {
	for name, c := range map[string]struct {
		v        func(s float64) float64
		low, top float64 // MiB a second
	}{
		"flat":  {func(float64) float64 { return 500 }, 0, 0},
		"leak":  {func(s float64) float64 { return 20 * s }, 19.9, 20.1},
		"falls": {func(s float64) float64 { return 5000 - 20*s }, 0, 0},
		"burst": {func(s float64) float64 { return 250 * min(2, max(0, s-28)) }, 0, 20}, // up for two seconds, the last of them
		"step":  {func(s float64) float64 { return 300 * max(0, min(1, 1000*(s-29))) }, 0, 0},
		"saw":   {func(s float64) float64 { return 60 * mod(s, 3) }, 0, 7}, // three teeth in nine seconds: aligned at the worst
	} {
		var s Series
		for at := time.Duration(0); at <= 30*time.Second; at += tick {
			s.Add(at, int64(c.v(at.Seconds())*float64(mib)))
		}
		got, ok := s.Slope()
		if got /= float64(mib); !ok || got < c.low || got > c.top {
			t.Errorf("%s: %.2f MiB/s, want %v to %v", name, got, c.low, c.top)
		}
	}
}

// TestSlopeWithHoles: a loop that stood still, or a clock that does not move,
// gives no slope rather than a wrong one.
func TestSlopeWithHoles(t *testing.T) {
	var s Series
	for _, at := range []time.Duration{0, 1, 2, 30, 31} {
		s.Add(at*time.Second, int64(at)*mib)
	}
	if v, ok := s.Slope(); ok {
		t.Errorf("%v over a hole of 28 seconds", v)
	}
	s.Add(31*time.Second, 0) // no time has passed
	s.Add(5*time.Second, 0)  // it went back
	if s.n != 5 {
		t.Error("points out of order were taken")
	}
}
