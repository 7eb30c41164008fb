package bootvolume

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
)

// recorded reads the recording of all services in a folder of testdata, without
// those named.
func recorded(t testing.TB, folder string, without ...Source) *Snapshot {
	t.Helper()
	s := &Snapshot{Subject: folder, Taken: now}
	for file, l := range map[string]Log{"nova-api": {Source: NovaAPI, Host: "ctl1"}, "nova-compute-c01": {Source: Compute, Host: "c01"}, "nova-compute-c02": {Source: Compute, Host: "c02"},
		"haproxy": {Source: HAProxy, Host: "ctl1"}, "cinder-api": {Source: API, Host: "ctl1"}, "cinder-scheduler": {Source: Scheduler, Host: "ctl1"}, "cinder-volume": {Source: Volume, Host: "ctl1"}} {
		l.Now = time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC)
		if slices.Contains(without, l.Source) {
			continue
		}
		if err := s.Logs.ReadFiles(t.Context(), os.DirFS("testdata/"+folder), file+".log", l); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// What became of the instances of testdata/services.
var lostInServices = map[string]string{
	"26723d7d": CodeHAProxyRefused, "c0008bae": CodeHAProxyTimeout, "83b2b416": CodeHAProxyTimeout,
	"fe8d1e55": CodeOverQuota, "3ea371c4": CodeOverQuota, "2849b497": CodeVolumeFailed, "7a017d81": CodeVolumeFailed,
	"de5bbbce": CodeTooSlow, "af4cb0bc": CodeTooSlow,
}

func finding(t *testing.T, r stackmend.Result, subject string) stackmend.Finding {
	t.Helper()
	for _, f := range r.Findings {
		if strings.HasPrefix(f.Subject, subject) {
			return f
		}
	}
	t.Errorf("nothing of %s: %+v", subject, r.Findings)
	return stackmend.Finding{}
}

func orphansOf(r stackmend.Result) (all []string) {
	for _, f := range r.Findings {
		if f.Code == CodeOrphanVolume {
			all = append(all, strings.Fields(f.Subject)[1])
		}
	}
	slices.Sort(all)
	return all
}

// Every service's log is followed: who gave up, in whose words, and which
// volumes are left over.
func TestServices(t *testing.T) {
	r := Check(recorded(t, "services"))
	if got := lostOf(r); !maps.Equal(got, lostInServices) {
		t.Errorf("%v, want %v", got, lostInServices)
	}
	for id, want := range map[string]string{"2849b497": "No valid backend was found. No weighed backends available", "7a017d81": "the backend is lost", "de5bbbce": "after nova had asked"} {
		if f := finding(t, r, "instance "+id); !strings.Contains(f.Message, want) || f.Confidence != stackmend.High {
			t.Errorf("%+v", f)
		}
	}
	if got := orphansOf(r); len(got) != 4 || !slices.Contains(got, "b2142600-f6cf-49f5-adab-db501fc90bdf") {
		t.Errorf("%v", got)
	}
	for _, f := range r.Findings {
		if f.Code == CodeClocksDiffer || f.Code == CodeUnseen {
			t.Errorf("%+v", f)
		}
	}
	for _, b := range Follow(&recorded(t, "services").Logs) {
		if c := b.Cinder; b.Built && (c == nil || c.Made.IsZero() || c.VolumeHost != "ctl1" || c.Size == 0) {
			t.Errorf("%+v", b)
		}
	}
}

// The volumes of an instance are told apart.
func TestTwoVolumes(t *testing.T) {
	for _, b := range Follow(&recorded(t, "services").Logs) {
		if !strings.HasPrefix(b.Instance, "459931fe") {
			continue
		}
		var sizes []int64
		for _, a := range b.Asks {
			for _, p := range a.Posts {
				sizes = append(sizes, p.Cinder.Size)
			}
		}
		if !slices.Equal(sizes, []int64{1, 2}) {
			t.Errorf("%v", sizes)
		}
		return
	}
	t.Error("not there")
}

// What cinder-volume finished after nova gave up is seen in its log alone.
func TestServicesMissing(t *testing.T) {
	if got := orphansOf(Check(recorded(t, "services", Volume))); len(got) != 2 {
		t.Errorf("without cinder-volume's: %v", got)
	}
	r := Check(recorded(t, "services", Scheduler, Volume))
	if got := lostOf(r); !maps.Equal(got, lostInServices) {
		t.Errorf("%v", got)
	}
	if f := finding(t, r, "instance 2849b497"); !strings.Contains(f.Message, "its status was error") {
		t.Errorf("%+v", f)
	}
	// cinder-volume's line is known though cinder-api's is not at hand.
	if got := orphansOf(Check(recorded(t, "services", API))); !slices.Contains(got, "b2142600-f6cf-49f5-adab-db501fc90bdf") {
		t.Errorf("without cinder-api's: %v", got)
	}
}

// Every service says of whatever failed that it did, and of its own
// transactions that they were aborted.
func TestFailuresOfOthers(t *testing.T) {
	for _, c := range []struct {
		file      string
		kind      Kind
		of, other Source
	}{
		{"services/cinder-volume.log", Unmade, Volume, Compute},
		{"conflict/cinder-api-2.log", Conflict, API, Scheduler},
	} {
		b, err := os.ReadFile("testdata/" + c.file)
		if err != nil {
			t.Fatal(err)
		}
		for source, want := range map[Source]bool{c.of: true, c.other: false} {
			l := readOne(t, string(b), source)
			if got := slices.ContainsFunc(l.Events, func(e Event) bool { return e.Kind == c.kind }); got != want {
				t.Errorf("%s of %s: %v", c.kind, source, got)
			}
		}
	}
}

// A volume that was deleted after all is no orphan.
func TestDeletedIsNoOrphan(t *testing.T) {
	s := recorded(t, "services")
	s.Logs.Events = append(s.Logs.Events, Event{Kind: Deleted, Volume: "b2142600-f6cf-49f5-adab-db501fc90bdf", At: now.AddDate(0, 0, 5)})
	if got := orphansOf(Check(s)); len(got) != 3 {
		t.Errorf("%v", got)
	}
}

// Requests that nova-api took up, and whose compute's log is not at hand, are
// said to be judged by nobody.
func TestWithoutAComputesLog(t *testing.T) {
	s := recorded(t, "services")
	s.Logs.Events = slices.DeleteFunc(s.Logs.Events, func(e Event) bool { return e.Kind.source() == Compute && e.Host == "c02" })
	r := Check(s)
	for _, f := range r.Findings {
		if f.Code == CodeUnseen && strings.Contains(f.Message, "nova-api") && f.Status == stackmend.Unknown {
			return
		}
	}
	t.Errorf("%+v", r.Findings)
}

// The making of volumes is what block_device_allocate_retries is held against.
func TestRetriesThatWouldHaveSufficed(t *testing.T) {
	s := recorded(t, "services")
	s.Nova = []NovaConf{{Host: "c01", Retries: 8, Interval: time.Second}}
	for _, f := range Check(s).Findings {
		if f.Code == CodeRetriesTooFew && strings.Contains(f.Fix, "at least") {
			t.Log(f.Message, f.Fix)
			return
		}
	}
	t.Error("not said")
}
