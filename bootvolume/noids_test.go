package bootvolume

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stackmend/stackmend"
)

// What became of the instances of testdata/noids.
var lostWithoutIDs = map[string]string{
	"d8130d15": CodeHAProxyTimeout, "64e907cf": CodeHAProxyTimeout, "a10b1e4c": CodeHAProxyRefused,
	"18acdbdd": CodeHAProxyTimeout, "0b4acee5": CodeHAProxyTimeout, "344e8bfd": CodeOverQuota, "551b0d07": CodeOverQuota,
	"6dfeac9a": CodeVolumeFailed, "81415b57": CodeVolumeFailed, "5c8a2a66": CodeTooSlow, "5fa138cf": CodeTooSlow,
}

// A recording in which no service tells another an ID: nova, HAProxy and cinder
// are put together by project, outcome and time, and the finding says so.
func TestOldRelease(t *testing.T) {
	s := recorded(t, "noids")
	if len(Clocks(&s.Logs)) > 0 {
		t.Error("clocks are compared though nothing ties lines together")
	}
	r := Check(s)
	if got := lostOf(r); !maps.Equal(got, lostWithoutIDs) {
		t.Errorf("%v, want %v", got, lostWithoutIDs)
	}
	for id, want := range map[string]stackmend.Confidence{"a10b1e4c": stackmend.Medium, "18acdbdd": stackmend.Low} {
		if f := finding(t, r, "instance "+id); f.Confidence != want {
			t.Errorf("%+v", f)
		}
	}
	// Cinder's own words name no instance, but only one was of that time.
	for id, want := range map[string]string{"6dfeac9a": "No weighed backends available", "81415b57": "the backend is lost"} {
		if f := finding(t, r, "instance "+id); !strings.Contains(f.Message, want) {
			t.Errorf("%+v", f)
		}
	}
	if got := orphansOf(r); len(got) != 6 {
		t.Errorf("%v", got)
	}
	for _, b := range Follow(&s.Logs) {
		if b.HAProxy == nil || (b.Paired == ByRequest) != (b.Cinder != nil && b.Cinder.Volume != "" && b.Cinder.Volume == b.volume()) || b.HAProxy.Status == 202 && (b.Cinder == nil || !b.Cinder.Posted.After(b.Begun)) {
			t.Errorf("%s: %v %+v %+v", b.Instance, b.Paired, b.HAProxy, b.Cinder)
		}
	}
}

// Of a log that is missing nothing follows.
func TestOldReleaseMissing(t *testing.T) {
	got := lostOf(Check(recorded(t, "noids", HAProxy)))
	for id, code := range got {
		if said := lostWithoutIDs[id]; code != said && code != CodeUndetermined {
			t.Errorf("%s: %s, and was %s", id, code, said)
		}
	}
	if n := len(slices.Collect(maps.Keys(got))); n != len(lostWithoutIDs) {
		t.Errorf("%v", got)
	}
	if got := lostOf(Check(recorded(t, "noids", API, Scheduler, Volume))); !maps.Equal(got, lostWithoutIDs) {
		t.Errorf("without cinder's: %v", got)
	}
}
