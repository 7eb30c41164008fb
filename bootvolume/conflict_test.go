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

// conflicted reads the recording of a batch whose cinder-api write to three
// nodes.
func conflicted(t testing.TB) *Snapshot {
	t.Helper()
	s := &Snapshot{Subject: "conflict", Taken: now}
	o := Log{Now: time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC)}
	fsys := os.DirFS("testdata/conflict")
	for file, l := range map[string]Log{"nova-api": {Source: NovaAPI, Host: "ctl1"}, "nova-compute-c01": {Source: Compute, Host: "c01"}, "nova-compute-c02": {Source: Compute, Host: "c02"},
		"haproxy": {Source: HAProxy, Host: "ctl1"}, "cinder-api-1": {Source: API, Host: "ctl1"}, "cinder-api-2": {Source: API, Host: "ctl2"}, "cinder-api-3": {Source: API, Host: "ctl3"},
		"cinder-volume": {Source: Volume, Host: "ctl1"}} {
		l.Now = o.Now
		if err := s.Logs.ReadFiles(t.Context(), fsys, file+".log", l); err != nil {
			t.Fatal(err)
		}
	}
	for _, o.Host = range []string{"c1", "c2", "c3"} {
		l, err := ReadNodeLogFiles(t.Context(), fsys, o.Host+".err", o)
		if err != nil {
			t.Fatal(err)
		}
		s.NodeLogs = append(s.NodeLogs, l)
	}
	return s
}

// A conflict that cinder-api lost each time loses an instance; one that was
// tried again and went through does not, also where the quota was not written.
func TestConflict(t *testing.T) {
	s := conflicted(t)
	r := Check(s)
	if got := lostOf(r); !maps.Equal(got, map[string]string{"3b4fdeb9": CodeDatabaseConflict}) {
		t.Errorf("%v", got)
	}
	f := finding(t, r, "instance 3b4fdeb9")
	if !strings.Contains(f.Message, "6 times; meanwhile nodes aborted transactions for others: c1 2, c2 6, c3 ") || f.Confidence != stackmend.High || !strings.Contains(f.Fix, "one node of Galera") {
		t.Errorf("%+v", f)
	}
	boots := Follow(&s.Logs)
	var conflicts []int
	for _, b := range boots {
		conflicts = append(conflicts, b.Cinder.Conflicts)
		if b.Built != (b.Failure == "") {
			t.Errorf("%+v", b)
		}
	}
	if slices.Sort(conflicts); !slices.Equal(conflicts, []int{0, 0, 1, 6, 7, 8}) {
		t.Errorf("%v", conflicts)
	}
	for subject, want := range map[string]string{
		"cinder-api ctl1": "1 requests for volumes met conflicts in the database (1213): 1 transactions were aborted",
		"cinder-api ctl2": "6 transactions were aborted; the longest request took 5.74s; 1 were given up",
		"cinder-api ctl3": "2 requests for volumes met conflicts in the database (1213): 15 transactions were aborted; the longest request took 20.016s; 0 were given up; of 2 volumes",
	} {
		if f := finding(t, r, subject); f.Code != CodeCertification || f.Status != stackmend.Warn || !strings.Contains(f.Message, want) || len(f.Evidence) == 0 {
			t.Errorf("%+v", f)
		}
	}
}

// Without the nodes' logs a deadlock in one node looks the same, and without
// cinder-api's debug lines what it gave up is told still.
func TestConflictWithLess(t *testing.T) {
	s := conflicted(t)
	s.NodeLogs = nil
	s.Logs.Events = slices.DeleteFunc(s.Logs.Events, func(e Event) bool { return e.Kind == Conflict })
	r := Check(s)
	if f := finding(t, r, "instance 3b4fdeb9"); f.Code != CodeDatabaseConflict || !strings.Contains(f.Message, "looks the same") || !strings.Contains(f.Fix, "wsrep_log_conflicts") {
		t.Errorf("%+v", f)
	}
	if f := finding(t, r, "cinder-api ctl3"); !strings.Contains(f.Message, "of 2 volumes that were created the quota has only a reservation") {
		t.Errorf("%+v", f)
	}
}

// What another request of the same process met is no answer to a POST of which
// no ID tells.
func TestConflictOfAnother(t *testing.T) {
	at := now
	post := Event{Kind: Posted, At: at, Host: "h", PID: "1", Own: "req-1", Request: "req-1", Project: "p"}
	other := Event{Kind: Conflict, At: at.Add(time.Second), Host: "h", PID: "1", Own: "req-2", Request: "req-2", Project: "p"}
	issued := Event{Kind: Issued, At: at.Add(2 * time.Second), Host: "h", PID: "1", Own: "req-3", Request: "req-3", Project: "p"}
	all := creates([]Event{post, other, issued})
	if len(all) != 1 || all[0].Conflicts != 0 || all[0].Accepted.IsZero() {
		t.Errorf("%+v", all)
	}
}
