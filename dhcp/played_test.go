package dhcp_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/dhcp"
)

// The instance that plays of internal/lab/dhcp are about.
var instance = dhcp.MAC{0xfa, 0x16, 0x3e, 0x24, 0xe7, 0x22}

// side is where a file of a play belongs, by the letters of the tables: the
// logs in capitals.
var side = map[rune]struct {
	file string
	at   dhcp.Point
}{
	'S': {"server.log", dhcp.ServerLog}, 'C': {"client.log", dhcp.ClientLog},
	's': {"server.pcap", dhcp.ServerCapture}, 'c': {"client.pcap", dhcp.ClientCapture}, 't': {"tap.pcap", dhcp.TapCapture},
}

// A row is what the sides of a played failure must say.
type row struct {
	code string
	sure []string // from these sides exactly this verdict follows
	or   string   // what else follows from others, beside undetermined
}

// plays are the failures. Sides that are not in sure must not name another
// culprit than or, nor call the instance healthy with any confidence.
var plays = map[string]row{
	"normal":            {code: dhcp.Healthy, sure: []string{"SCsct", "SC", "sct", "C", "s", "c", "t"}},
	"replies-dropped":   {code: dhcp.RepliesLost, sure: []string{"SCsct", "SC", "sct", "sc", "s"}},
	"requests-dropped":  {code: dhcp.RequestsLost, sure: []string{"SCsct", "sct", "sc"}},
	"rx-dead":           {code: dhcp.InstanceDeaf, sure: []string{"SCsct", "sct", "sc", "s", "t"}},
	"network-cut":       {code: dhcp.TrafficStoppedFirst, sure: []string{"SCsct", "sct", "sc", "c"}, or: dhcp.RequestsLost},
	"server-down":       {code: dhcp.ServerSilent, sure: []string{"SCsct", "sct", "sc", "s", "c", "t"}, or: dhcp.RequestsLost},
	"nak-wrong-network": {code: dhcp.ServerRefuses, sure: sets},
	"nak-address-taken": {code: dhcp.ServerRefuses, sure: sets},
	"pool-exhausted":    {code: dhcp.PoolExhausted, sure: []string{"SCsct", "SC", "S", "sct", "sc", "s"}},
	"duplicate-mac":     {code: dhcp.DuplicateMAC, sure: []string{"SCsct", "SC", "sct", "sc", "S", "s"}},
	"client-died":       {code: dhcp.ClientDied},
	"bad-checksum":      {code: dhcp.WrongUDPChecksum, sure: []string{"SCsct", "sct", "sc", "c", "t"}, or: dhcp.RepliesLost},
}

// sets are the sides that verdicts are given from: both, logs alone, captures
// alone, and each.
var sets = []string{"SCsct", "SC", "sct", "sc", "S", "C", "s", "c", "t"}

// checkPlay compares the verdicts on a play with what they must be.
func checkPlay(t *testing.T, dir string, until time.Time) {
	t.Helper()
	name := filepath.Base(dir)
	want, ok := plays[strings.TrimSuffix(name, "-nologdhcp")]
	if !ok {
		t.Fatalf("no row for %s", name)
	}
	for _, which := range sets {
		v := verdictOf(t, dir, which, until)
		if slices.Contains(want.sure, which) {
			if v.Code != want.code || v.Confidence == stackmend.Low && which != "t" {
				t.Errorf("%s from %s: want %s\n%s", name, which, want.code, describe(v))
			}
			continue
		}
		blind := want.code == dhcp.DuplicateMAC && strings.Trim(which, "SC") == "" // one client's log knows of no other
		switch v.Code {
		case want.code, want.or, dhcp.Undetermined:
		case dhcp.Healthy:
			if v.Confidence > stackmend.Low && !blind {
				t.Errorf("%s from %s: healthy with confidence\n%s", name, which, describe(v))
			}
		default:
			t.Errorf("%s from %s: another culprit\n%s", name, which, describe(v))
		}
	}
}

// verdictOf judges the instance of a play from some of its sides.
func verdictOf(t *testing.T, dir, which string, until time.Time) dhcp.Verdict {
	t.Helper()
	for _, v := range dhcp.Judge(observed(t, dir, which, until)) {
		if v.MAC == instance {
			return v
		}
	}
	return dhcp.Verdict{Code: dhcp.Undetermined}
}

func observed(t testing.TB, dir, which string, until time.Time) *dhcp.Snapshot {
	t.Helper()
	s := &dhcp.Snapshot{Subject: dir, Taken: until, Until: until, Only: []dhcp.MAC{instance}}
	for _, r := range which {
		trace, err := readPlay(t, dir, side[r].file, side[r].at, until)
		if err != nil {
			t.Fatal(err)
		}
		s.Traces = append(s.Traces, trace)
	}
	return s
}

func readPlay(t testing.TB, dir, file string, at dhcp.Point, now time.Time) (*dhcp.Trace, error) {
	f, err := os.Open(filepath.Join(dir, file))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	o := dhcp.ReadOptions{Now: now}
	if at != dhcp.ServerLog && at != dhcp.ServerCapture {
		o.MAC = instance
	}
	if now.IsZero() {
		o.Now = recordedBefore
	}
	if at.Capture() {
		return dhcp.ReadCapture(t.Context(), f, file, at, o)
	}
	return dhcp.ReadLog(t.Context(), f, file, dhcp.Auto, o)
}

// recordedBefore is later than all recordings of testdata/lab.
var recordedBefore = time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC)

// recordedUntil is when a recording ended, where that was noted.
func recordedUntil(t *testing.T, dir string) time.Time {
	b, err := os.ReadFile(filepath.Join(dir, "until"))
	if errors.Is(err, fs.ErrNotExist) {
		return time.Time{}
	}
	until, err2 := time.Parse(time.RFC3339, strings.TrimSpace(string(b)))
	if err = errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	return until
}

func describe(v dhcp.Verdict) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s: %s\n", v.Code, v.Confidence, v.Status, v.Message)
	for _, e := range v.Evidence {
		fmt.Fprintf(&b, "  %s: %s %s against=%v\n", e.Source, e.Value, e.At.Format("15:04:05.000"), e.Against)
	}
	return b.String()
}

// TestPlayed: the recordings of real programs have their verdicts from all
// sides, from logs or captures alone, and from each.
func TestPlayed(t *testing.T) {
	dirs, err := filepath.Glob("testdata/lab/*/*")
	if err != nil || len(dirs) < 25 {
		t.Fatal(len(dirs), err)
	}
	for _, d := range dirs {
		if i, err := os.Stat(d); err == nil && i.IsDir() {
			t.Run(strings.TrimPrefix(d, "testdata/lab/"), func(t *testing.T) { checkPlay(t, d, recordedUntil(t, d)) })
		}
	}
}
