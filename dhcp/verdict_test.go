package dhcp

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
)

var readAt = ReadOptions{Now: time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC)}

// sides are the files of a case, by the letters of the table below.
var sides = map[byte]struct {
	file   string
	at     Point
	format Format
}{
	'S': {"dnsmasq.log", ServerLog, Dnsmasq},
	'C': {"dhclient.log", ClientLog, Dhclient},
	's': {"server.pcap", ServerCapture, ""},
	'c': {"client.pcap", ClientCapture, ""},
}

// load reads some sides of a case.
func load(t testing.TB, dir, which string) *Snapshot {
	t.Helper()
	s := &Snapshot{Subject: filepath.Base(dir)}
	for i := range len(which) {
		side := sides[which[i]]
		trace, err := readSide(t.Context(), dir, side.file, side.at, side.format)
		if err != nil {
			t.Fatal(err)
		}
		s.Traces = append(s.Traces, trace)
	}
	s.Taken = s.until() // they were read when they were recorded
	return s
}

func readSide(ctx context.Context, dir, file string, at Point, format Format) (*Trace, error) {
	if !at.Capture() {
		return ReadLogFiles(ctx, os.DirFS(dir), file, format, readAt)
	}
	f, err := os.Open(filepath.Join(dir, file))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return ReadCapture(ctx, f, file, at, readAt)
}

const instance = "fa:16:3e:24:e7:22"

// TestVerdicts gives every recorded failure its verdict: from all that there
// is, from logs alone, from captures alone, and from each alone.
func TestVerdicts(t *testing.T) {
	const (
		cannotTell = "undetermined low"
		few        = "healthy low" // one exchange was seen, and no more
	)
	for _, c := range []struct{ dir, all, logs, captures, serverLog, clientLog, serverCapture, clientCapture string }{
		{"normal", "healthy high", "healthy high", "healthy high", "healthy medium", "healthy medium", "healthy medium", "healthy high"},
		{"normal-nologdhcp", "healthy high", "healthy high", "healthy high", "healthy medium", "healthy medium", "healthy medium", "healthy high"},
		{"replies-dropped", "replies-lost high", "replies-lost high", "replies-lost high", "replies-lost medium", cannotTell, "replies-lost medium", cannotTell},
		{"requests-dropped", "requests-lost high", "requests-lost low", "requests-lost high", cannotTell, cannotTell, few, cannotTell},
		{"rx-dead", "instance-deaf high", "instance-deaf high", "instance-deaf high", "instance-deaf medium", cannotTell, "instance-deaf medium", cannotTell},
		{"network-cut", "traffic-stopped-first medium", "requests-lost low", "traffic-stopped-first medium", cannotTell, cannotTell, few, "traffic-stopped-first medium"},
		{"server-down", "server-silent high", "server-silent high", "server-silent high", "server-silent medium", cannotTell, "server-silent high", "server-silent high"},
		{"nak-wrong-network", "server-refuses high", "server-refuses high", "server-refuses high", "server-refuses high", "server-refuses high", "server-refuses high", "server-refuses high"},
		{"nak-address-taken", "server-refuses high", "server-refuses high", "server-refuses high", "server-refuses high", "server-refuses high", "server-refuses high", "server-refuses high"},
		{"pool-exhausted", "pool-exhausted high", "pool-exhausted high", "server-silent medium", "pool-exhausted high", cannotTell, "server-silent medium", cannotTell},
		{"duplicate-mac", "duplicate-mac medium", "duplicate-mac medium", "duplicate-mac medium", "duplicate-mac medium", "healthy medium", "duplicate-mac medium", "duplicate-mac medium"},
	} {
		for which, want := range map[string]string{"SCsc": c.all, "SC": c.logs, "sc": c.captures, "S": c.serverLog, "C": c.clientLog, "s": c.serverCapture, "c": c.clientCapture} {
			t.Run(c.dir+"/"+which, func(t *testing.T) {
				v := judge(t, load(t, "testdata/dhclient/"+c.dir, which))
				if got := v.Code + " " + v.Confidence.String(); got != want {
					t.Errorf("%s, want %s\n%s", got, want, explain(v))
				}
				checkVerdict(t, v)
			})
		}
	}
}

// judge returns the verdict on the instance that the cases are about.
func judge(t testing.TB, s *Snapshot) Verdict {
	t.Helper()
	for _, v := range Judge(s) {
		if v.MAC.String() == instance {
			return v
		}
	}
	t.Fatalf("no verdict on %s", instance)
	return Verdict{}
}

// checkVerdict holds a verdict to what every one promises.
func checkVerdict(t testing.TB, v Verdict) {
	t.Helper()
	switch {
	case len(v.Evidence) == 0:
		t.Error("without evidence")
	case v.Code == Undetermined && (len(v.Capture) == 0 || v.Status == stackmend.OK):
		t.Errorf("undetermined, and no word on what would decide: %s", explain(v))
	case v.Code != Healthy && v.Code != Undetermined && v.Fix == "":
		t.Error("no advice")
	case v.Code == Undetermined && len(v.Remedies()) > 0:
		t.Error("a remedy without a verdict")
	}
}

func explain(v Verdict) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s: %s\n", v.MAC, v.Code, v.Status, v.Message)
	for _, e := range v.Evidence {
		fmt.Fprintf(&b, "  %s: %s %s against=%v\n", e.Source, e.Value, instant(e.At), e.Against)
	}
	return b.String()
}

// TestMissingSide: taking sides away never makes a verdict surer, nor names
// another culprit with high confidence.
func TestMissingSide(t *testing.T) {
	dirs, err := os.ReadDir("testdata/dhclient")
	if err != nil || len(dirs) < 11 {
		t.Fatal(len(dirs), err)
	}
	for _, d := range dirs {
		dir := "testdata/dhclient/" + d.Name()
		all := judge(t, load(t, dir, "SCsc"))
		for _, which := range []string{"SC", "sc", "Sc", "sC", "S", "C", "s", "c", "SCs", "Csc"} {
			s := load(t, dir, which)
			for _, v := range Judge(s) {
				if v.MAC.String() != instance {
					continue
				}
				if v.Code != all.Code && v.Confidence == stackmend.High && v.Code != Healthy {
					t.Errorf("%s: %s alone says %s, with certainty; all sides say %s", d.Name(), which, v.Code, all.Code)
				}
			}
		}
	}
}
