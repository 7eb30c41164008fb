package bootvolume

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
)

func nodeLogOf(t *testing.T, name string) NodeLog {
	t.Helper()
	l, err := ReadNodeLogFiles(t.Context(), os.DirFS("testdata/galera"), name+".err", Log{Host: name, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func counted(l NodeLog, k NodeKind) (n int) {
	for _, e := range l.Events {
		if e.Kind == k {
			n++
		}
	}
	return n
}

// What the node logged is what its counters said: two aborted transactions, one
// of which failed its certification. The other node saw that one, and was not
// its victim.
func TestConflictsInTheErrorLog(t *testing.T) {
	c1, c2 := nodeLogOf(t, "c1"), nodeLogOf(t, "c2")
	if counted(c2, Aborted) != 2 || counted(c2, Uncertified) != 1 || counted(c1, Aborted)+counted(c1, Uncertified) != 0 {
		t.Errorf("%+v\n%+v", c1.Events, c2.Events)
	}
	at := time.Date(2026, 11, 27, 4, 25, 48, 0, time.UTC)
	if e := c2.Events[1]; !e.At.Equal(at) || e.Kind != Aborted {
		t.Errorf("%+v", e)
	}
	s := &Snapshot{NodeLogs: []NodeLog{c2}}
	r := Check(s)
	if got := codes(r); !slices.Equal(got, []string{CodeCertification}) || !strings.Contains(r.Findings[0].Message, "2 transactions were aborted") || !strings.Contains(r.Findings[0].Message, "0 of them while") {
		t.Errorf("%+v", r.Findings)
	}
	s.Logs.Events = []Event{{Kind: Begun, Instance: "a", At: at.Add(-time.Second)}, {Kind: Built, Instance: "a", At: at.Add(time.Second)}}
	if r = Check(s); len(r.Findings) == 0 || !strings.Contains(r.Findings[len(r.Findings)-1].Message, "1 of them while the batch") || r.Findings[len(r.Findings)-1].Evidence[0].At != at {
		t.Errorf("%+v", r.Findings)
	}
}

// A node that lost the others is told at any time; one that was a donor only
// while a batch was booted.
func TestNodeThatWasAway(t *testing.T) {
	c1 := nodeLogOf(t, "c1")
	r := Check(&Snapshot{NodeLogs: []NodeLog{c1}})
	if got := codes(r); !slices.Equal(got, []string{CodeNotSynced}) || !strings.Contains(r.Findings[0].Message, "04:26:03Z to the end of its log: it refused") {
		t.Errorf("%+v", r.Findings)
	}
	donor, err := ReadNodeLog(t.Context(), strings.NewReader("2026-11-27  4:25:41 0 [Note] WSREP: Shifting SYNCED -> DONOR/DESYNCED (TO: 7)\n2026-11-27  4:25:44 0 [Note] WSREP: Shifting JOINED -> SYNCED (TO: 7)\n"), "c1.err", Log{Host: "c1", Now: now})
	if err != nil || len(donor.Events) != 2 {
		t.Fatalf("%+v %v", donor, err)
	}
	at := time.Date(2026, 11, 27, 4, 25, 42, 0, time.UTC)
	for by, want := range map[time.Duration]bool{0: true, time.Minute: false, -time.Minute: false} {
		s := &Snapshot{NodeLogs: []NodeLog{donor}}
		s.Logs.Events = []Event{{Kind: Begun, Instance: "a", At: at.Add(by)}, {Kind: Built, Instance: "a", At: at.Add(by + time.Second)}}
		if got := slices.ContainsFunc(Check(s).Findings, func(f stackmend.Finding) bool { return f.Code == CodeNotSynced }); got != want {
			t.Errorf("%v: %v", by, got)
		}
	}
}

func FuzzNodeLog(f *testing.F) {
	for _, name := range []string{"c1", "c2"} {
		b, err := os.ReadFile("testdata/galera/" + name + ".err")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := ReadNodeLog(t.Context(), strings.NewReader(string(b)), "c", Log{Host: "c", Now: now})
		if err == nil {
			Check(&Snapshot{NodeLogs: []NodeLog{l, l}})
		}
	})
}
