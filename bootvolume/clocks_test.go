package bootvolume

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
)

// Of one machine the clocks do not differ, however busy it was.
func TestSameClock(t *testing.T) {
	for _, s := range []*Snapshot{batch(t), zed(t)} {
		offsets := Clocks(&s.Logs)
		if len(offsets) < 2 {
			t.Errorf("%v", offsets)
		}
		for _, o := range offsets {
			if o.Differs() {
				t.Errorf("%+v", o)
			}
		}
	}
}

// shift sets the clock of one log wrong.
func shift(l *Logs, source Source, host string, by time.Duration) {
	is := func(s Source, h string) bool { return s == source && (host == "" || h == host) }
	for i, e := range l.Events {
		if is(e.Kind.source(), e.Host) {
			l.Events[i].At = e.At.Add(by)
		}
	}
	for i, f := range l.Files {
		if is(f.Source, f.Host) {
			l.Files[i].Span = Span{f.First.Add(by), f.Last.Add(by)}
		}
	}
}

// Clocks that are wrong are found, by how much, and what follows from times is
// the same; the doubt is stated.
func TestWrongClocks(t *testing.T) {
	want := lostOf(Check(batch(t)))
	for _, by := range []time.Duration{-40 * time.Second, 17 * time.Second, time.Hour} {
		s := batch(t)
		shift(&s.Logs, API, "cinder-api-2", by)
		shift(&s.Logs, Compute, "nova-compute-c03", -by)
		before := slices.Clone(s.Logs.Events)
		r := Check(s)
		if !slices.Equal(s.Logs.Events, before) {
			t.Error("what was given was changed")
		}
		if got := lostOf(r); !maps.Equal(got, want) {
			t.Errorf("%v: %v, want %v", by, got, want)
		}
		found := map[string]bool{}
		for _, f := range r.Findings {
			if f.Code == CodeClocksDiffer && f.Status == stackmend.Warn && strings.Contains(f.Message, "give or take") {
				found[f.Subject] = strings.Contains(f.Fix, "time zone") == (by == time.Hour)
			}
		}
		if !maps.Equal(found, map[string]bool{"cinder-api log of cinder-api-2": true, "nova-compute log of nova-compute-c03": true}) {
			t.Errorf("%v: %v", by, found)
		}
		for _, o := range Clocks(&s.Logs) {
			d, doubt, ok := o.Correction()
			if ok && ((o.Source == API && (d-by).Abs() > doubt) || (o.Source == Compute && (d+by).Abs() > doubt)) {
				t.Errorf("%v: %+v", by, o)
			}
		}
	}
}

// A clock that was set while it ran cannot be corrected.
func TestClockThatWasSet(t *testing.T) {
	s := batch(t)
	half := at(0).Add(-9*time.Hour - 54*time.Minute) // in the middle of the batch
	for i, e := range s.Logs.Events {
		if e.Kind.source() == API && e.Host == "cinder-api-2" && e.At.After(half) {
			s.Logs.Events[i].At = e.At.Add(time.Minute)
		}
	}
	for _, f := range Check(s).Findings {
		if f.Code == CodeClocksDiffer && strings.Contains(f.Message, "contradict") {
			return
		}
	}
	t.Error(Clocks(&s.Logs))
}

// Without HAProxy's log, cinder-api's tells the time.
func TestClocksWithoutHAProxy(t *testing.T) {
	s := zed(t, HAProxy)
	shift(&s.Logs, Compute, "c01", time.Minute)
	all := Clocks(&s.Logs)
	if len(all) != 1 || all[0].Source != Compute {
		t.Fatal(all)
	}
	if d, doubt, ok := all[0].Correction(); !ok || (d-time.Minute).Abs() > doubt || doubt > 5*time.Second {
		t.Errorf("%+v: %v, give or take %v", all[0], d, doubt)
	}
}

// Without IDs nothing is corrected.
func TestClocksWithoutIDs(t *testing.T) {
	s := batch(t)
	withoutIDs(&s.Logs)
	shift(&s.Logs, API, "cinder-api-2", time.Minute)
	if o := Clocks(&s.Logs); len(o) > 0 {
		t.Error(o)
	}
}
