package watchdog

import (
	"testing"
	"time"
)

func TestStrain(t *testing.T) {
	type pass struct {
		at           time.Duration
		full, events int64
	}
	for name, c := range map[string]struct {
		passes  []pass
		stalled float64
		met     int64
	}{
		"first":         {[]pass{{0, 9e6, 500}}, 0, 0},
		"calm":          {[]pass{{0, 9e6, 500}, {4 * time.Second, 9e6, 500}}, 0, 0},
		"half stalled":  {[]pass{{0, 9e6, 500}, {4 * time.Second, 11e6, 507}}, 0.5, 7},
		"within window": {[]pass{{0, 9e6, 500}, {time.Second, 11e6, 507}}, 0, 0},
		"has ended":     {[]pass{{0, 9e6, 500}, {4 * time.Second, 11e6, 507}, {8 * time.Second, 11e6, 507}}, 0, 0},
		"made anew":     {[]pass{{0, 9e6, 500}, {4 * time.Second, 1e6, 2}}, 0, 0},
		"not seen":      {[]pass{{0, None, None}, {4 * time.Second, 9e6, 500}}, 0, 0},
		"lost":          {[]pass{{0, 9e6, 500}, {4 * time.Second, None, None}}, 0, 0},
		"clock back":    {[]pass{{9 * time.Second, 9e6, 500}, {time.Second, 11e6, 507}}, 0, 0},
		"wild":          {[]pass{{0, 0, 0}, {4 * time.Second, 1 << 62, 1}}, 1, 1},
	} {
		var s strain
		for _, p := range c.passes {
			s.add(p.at, p.full, p.events)
		}
		if s.stalled != c.stalled || s.met != c.met {
			t.Errorf("%s: stalled %v, met %d; want %v, %d", name, s.stalled, s.met, c.stalled, c.met)
		}
	}
}

// TestStrainDecides: strain brings a warning, or a request for memory, forward;
// it never restarts an OSD, and a limit that page cache alone meets says nothing.
func TestStrainDecides(t *testing.T) {
	h := History{{OSD: 3, At: noon.Add(-time.Hour), Stop: 3 * time.Second}}
	for name, c := range map[string]struct {
		left    time.Duration
		stalled float64
		met     int64
		want    Level
	}{
		"calm":                 {Never, 0, 0, Quiet},
		"stalls":               {Never, 0.2, 0, Near},
		"stalls a little":      {Never, 0.02, 0, Quiet},
		"page cache":           {Never, 0, 900, Quiet},
		"grows into its limit": {time.Hour, 0, 900, Near},
		"near":                 {time.Minute, 0, 0, Near},
		"near and stalls":      {time.Minute, 0.2, 0, Release},
		"release and stalls":   {10 * time.Second, 1, 900, Release},
		"due":                  {8 * time.Second, 1, 900, Due},
	} {
		o := growing(c.left)
		o.Stalled, o.Met = c.stalled, c.met
		if v := Judge(&o, h, noon, Policy{}); v.Level != c.want {
			t.Errorf("%s: %v, want %v", name, v.Level, c.want)
		}
	}
	o := growing(Never)
	o.Steady, o.Stalled = false, 1
	if v := Judge(&o, h, noon, Policy{}); v.Level != Quiet {
		t.Errorf("without history: %v", v.Level)
	}
}

// TestStrainOfAnyLimit: the tracker hands on the worst of the limits above an
// OSD, and nothing of a group it is not in.
func TestStrainOfAnyLimit(t *testing.T) {
	tracker := NewTracker(0.02)
	var out []Outlook
	for s := range int64(8) {
		out = tracker.Add(&Pass{At: time.Duration(s) * time.Second,
			Host: HostSample{Total: 100000 * mib, Available: 50000 * mib, Full: None},
			Groups: []GroupSample{{Path: "a", Parent: -1, Limit: 10000 * mib, Used: 7000 * mib, Full: 5e5 * s, Events: 4 * s},
				{Path: "b", Parent: -1, Limit: 10000 * mib, Used: 7000 * mib, Full: None, Events: None}},
			OSDs: []OSDSample{{ID: 1, PID: 11, Group: 0}, {ID: 2, PID: 22, Group: 1}}})
	}
	if out[0].Stalled != 0.5 || out[0].Met != 12 || out[1].Stalled != 0 || out[1].Met != 0 {
		t.Errorf("%+v", out)
	}
}
