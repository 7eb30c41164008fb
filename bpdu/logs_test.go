package bpdu

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stackmend/stackmend"
)

var readAt = LogOptions{Now: time.Date(2024, 7, 1, 0, 0, 0, 0, time.UTC)}

func readLog(t testing.TB, text string) Log {
	t.Helper()
	log, err := ReadLog(t.Context(), strings.NewReader(text), "x.log", readAt)
	if err != nil {
		t.Fatal(err)
	}
	return log
}

func show(e Event) string {
	at := "?"
	if !e.Time.IsZero() {
		at = e.Time.UTC().Format("2006-01-02T15:04:05")
	}
	return strings.TrimSpace(fmt.Sprintf("%s %s %s %s %s %s %s", at, e.Switch, e.Vendor, e.Kind, e.Port, e.MAC, e.VLAN))
}

func TestFormats(t *testing.T) {
	b, err := os.ReadFile("testdata/switches.log")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range readLog(t, string(b)).Events {
		got = append(got, show(e))
	}
	want := []string{
		"2024-02-15T01:40:18 SW-1 arista-eos bpdu-guard Port-Channel35 fa:16:3e:24:e7:22",
		"2024-02-15T01:40:18 SW-1 arista-eos bpdu-guard Port-Channel35",
		"2024-02-15T01:40:18 SW-1 arista-eos down Port-Channel35",
		"2024-02-15T01:40:18 SW-1 arista-eos down Port-Channel35",
		"2024-02-15T01:40:18 SW-1 arista-eos down Ethernet35",
		"2024-02-15T02:41:00 SW-1 arista-eos bpdu-guard Port-Channel36 fa:16:3e:55:66:77",
		"2024-01-15T10:52:01 DC1-SW-ACCESS-01 cisco-ios bpdu-guard Gi1/0/8",
		"2024-01-15T10:52:01 DC1-SW-ACCESS-01 cisco-ios bpdu-guard Gi1/0/8",
		"2024-01-15T10:52:03 DC1-SW-ACCESS-01 cisco-ios down GigabitEthernet1/0/8",
		"2024-01-15T10:57:01 DC1-SW-ACCESS-01 cisco-ios recovery Gi1/0/8",
		"2024-01-15T10:57:05 DC1-SW-ACCESS-01 cisco-ios up GigabitEthernet1/0/8",
		"2019-01-16T04:40:19 switch01 cisco-nxos bpdu-guard Ethernet1/43",
		"2019-01-16T04:40:19 switch01 cisco-nxos bpdu-guard Ethernet1/43",
		"2019-01-16T05:00:00 x.log cisco-nxos up Ethernet1/43",
		"2024-06-21T14:03:12 ex01 juniper-junos bpdu-guard ge-0/0/17",
		"2024-06-21T14:08:12 ex01 juniper-junos recovery ge-0/0/17",
		"2024-06-21T15:03:12 qfx01 juniper-junos bpdu-guard ge-0/0/6",
		"2024-06-21T15:03:13 qfx01 juniper-junos down ge-0/0/6",
		"2024-01-15T10:52:01 HW-CORE huawei-vrp bpdu-guard 10GE1/0/7 fa:16:3e:24:e7:22 100",
		"2024-01-15T10:53:01 HW-OLD huawei-vrp bpdu-guard GE0/0/8  0",
		"2025-02-08T20:29:54 SwitchD hpe-aruba bpdu-guard 1/1/8",
		"2025-02-16T21:32:46 x.log hpe-aruba bpdu-guard 1/1/8  10",
		"2024-03-30T13:40:07 leaf01 mstpd bpdu-guard swp1",
		"2024-05-16T17:00:14 OS10-1 dell-os10 bpdu-guard ethernet1/1/5",
		"2024-03-01T02:38:14 x.log cisco-ios bpdu-guard Fa1/0/11",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// Every format stands also behind a relay's own head.
func TestRelayed(t *testing.T) {
	b, err := os.ReadFile("testdata/switches.log")
	if err != nil {
		t.Fatal(err)
	}
	direct := readLog(t, string(b)).Events
	b = regexp.MustCompile(`(?m)^<\d+>:? ?`).ReplaceAll(b, nil) // which relays take away
	relayed := readLog(t, "Jun 30 10:00:00 relay "+strings.ReplaceAll(strings.TrimSpace(string(b)), "\n", "\nJun 30 10:00:00 relay ")).Events
	if len(relayed) != len(direct) {
		t.Fatalf("%d events, want %d", len(relayed), len(direct))
	}
	for i, e := range relayed {
		if d := direct[i]; e.Port != d.Port || e.Kind != d.Kind || e.MAC != d.MAC || !e.Time.Equal(d.Time) || e.Switch != "relay" {
			t.Errorf("%s, want %s", show(e), show(d))
		}
	}
}

// What others write into a log does not become an event.
func TestInjected(t *testing.T) {
	guard := "%SPANTREE-4-BLOCK_BPDUGUARD: Received BPDU packet on Port-Channel1 with BPDU guard enabled. Disabling interface. (source mac 02:00:00:00:00:01)"
	for _, line := range []string{
		"Jan 15 10:00:00 node7 sshd[12]: Invalid user " + guard,
		"Jan 15 10:00:00 node7 sshd[12]: " + guard,
		"Jan 15 10:00:00 node7 app: user said " + guard,
		"Jan 15 10:00:00 node7 sshd[12]: Invalid user L2CPD_RECEIVE_BPDU_BLOCK_ENABLED: BPDU_PROTECT: Interface ge-0/0/6 is DOWN: BPDU error detected",
		"Jan 15 10:00:00 node7 sshd[12]: Invalid user Port 1 disabled - BPDU received on protected port",
		"Jan 15 10:00:00 SW Ebra: %LINEPROTO-5-UPDOWN: Line protocol on Interface Ethernet1 (x), changed state to sideways",
		"Jan 15 10:00:00 SW Stp: %SPANTREE-4-BLOCK_BPDUGUARD: Received BPDU packet on Port Channel 1\x1b[2J with BPDU guard enabled.",
		"Jan 15 10:00:00 SW %SYS-5-CONFIG_I: Configured by " + guard,
		"1046: sw: Jan 15 10:52:01.935: %SPANTREE-2-BLOCK_BPDUGUARD: Received BPDU on port " + strings.Repeat("x", 5000) + " with BPDU Guard enabled.",
	} {
		if log := readLog(t, line+"\n"); len(log.Events) > 0 {
			t.Errorf("%q became %s", line, show(log.Events[0]))
		}
	}
	described := readLog(t, "Jan 15 10:00:00 SW Ebra: %LINEPROTO-5-UPDOWN: Line protocol on Interface Ethernet1 ("+guard+"), changed state to down\n").Events
	if len(described) != 1 || described[0].Kind != Down || described[0].Port != "Ethernet1" || described[0].MAC != "" {
		t.Errorf("a port's description was believed: %+v", described)
	}
	half := "Jan 15 10:00:00 SW Stp: %ETH-4-ERRDISABLE: bpduguard error detected on Port-Channel3" // ..5, had it not been cut
	if log := readLog(t, half); len(log.Events) != 0 || log.Unread != 1 {
		t.Errorf("half a line became %+v", log)
	}
}

func TestIncidents(t *testing.T) {
	b, err := os.ReadFile("testdata/switches.log")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	events := readLog(t, strings.Join(lines, "\n")+"\n").Events
	shuffled := append(events[12:len(events):len(events)], events...) // doubled and reordered
	show := func(all []Incident) (out []string) {
		for _, i := range all {
			out = append(out, fmt.Sprintf("%s %s %v %s %dx %v", i.Switch, i.Port, i.Members, i.MAC, i.Times, i.Recovered.Sub(i.Began) > 0))
		}
		return out
	}
	want := []string{
		"switch01 Ethernet1/43 []  1x false", // its recovery tells no name
		"HW-CORE 10GE1/0/7 [] fa:16:3e:24:e7:22 1x false",
		"DC1-SW-ACCESS-01 Gi1/0/8 []  1x true",
		"HW-OLD GE0/0/8 []  1x false",
		"SW-1 Port-Channel35 [Ethernet35] fa:16:3e:24:e7:22 1x false",
		"SW-1 Port-Channel36 [] fa:16:3e:55:66:77 1x false",
		"x.log Fa1/0/11 []  1x false",
		"leaf01 swp1 []  1x false",
		"OS10-1 ethernet1/1/5 []  1x false",
		"ex01 ge-0/0/17 []  1x false",
		"qfx01 ge-0/0/6 []  1x false",
		"SwitchD 1/1/8 []  1x false",
		"x.log 1/1/8 []  1x false",
	}
	if diff := cmp.Diff(want, show(Incidents(events))); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if diff := cmp.Diff(want, show(Incidents(shuffled))); diff != "" {
		t.Errorf("doubled and reordered (-want +got):\n%s", diff)
	}
}

// A relay's time and the switch's own do not make each other doubtful, and what
// is before Since is left out.
func TestSince(t *testing.T) {
	line := "Jun 30 10:%02d:00 relay 1047: sw: Jun 30 08:%02d:00.5 UTC: %%PM-4-ERR_DISABLE: bpduguard error detected on Gi1/0/8, putting Gi1/0/8 in err-disable state\n"
	text := fmt.Sprintf(line, 1, 1) + fmt.Sprintf(line, 2, 2)
	o := readAt
	o.Since = time.Date(2024, 6, 30, 8, 2, 0, 0, time.UTC)
	log, err := ReadLog(t.Context(), strings.NewReader(text), "x", o)
	if err != nil || len(log.Events) != 1 || log.Events[0].Doubt != "year inferred" {
		t.Errorf("%+v %v", log.Events, err)
	}
}

// A switch that says of its own clock that it is not set is not believed
// without a word.
func TestUnsetClock(t *testing.T) {
	for mark, doubt := range map[string]bool{"*": true, ".": true, "": false} {
		log := readLog(t, mark+"Mar  1 02:38:14.528 UTC: %SPANTREE-2-BLOCK_BPDUGUARD: Received BPDU on port Fa1/0/11 with BPDU Guard enabled. Disabling port.\n")
		f := findings(&Snapshot{Log: &log}, CodePortDisabled)
		if len(f) != 1 || strings.Contains(f[0].Message, "clock not authoritative") != doubt || f[0].Confidence != stackmend.Medium {
			t.Errorf("%q: %+v", mark, f)
		}
	}
}

// A great log of one moment, or of none, does not take the square of its length.
func TestGreatLog(t *testing.T) {
	var events []Event
	for i := range 200_000 {
		events = append(events, Event{Switch: "sw", Port: fmt.Sprint("Gi", i%5000), Kind: []Kind{Down, Guarded}[i%2], Text: fmt.Sprint(i)})
	}
	r := Check(&Snapshot{Subject: "x", Log: &Log{Events: events}, Cloud: readCloud(t)})
	if len(r.Findings) < 5000 {
		t.Errorf("%d findings", len(r.Findings))
	}
}

// A vendor whose format could not be verified says so.
func TestUnverifiedFormat(t *testing.T) {
	for vendor, want := range map[Vendor]bool{DellOS: true, Arista: false} {
		f := Incident{Vendor: vendor, Port: "x1", Times: 1}.finding()
		if got := strings.Contains(f.Message, "could not be verified") && f.Confidence == stackmend.Low; got != want {
			t.Errorf("%s: %+v", vendor, f)
		}
	}
}

// A port that comes up and is disabled again at once is one incident.
func TestFlapping(t *testing.T) {
	var text strings.Builder
	at := time.Date(2024, 1, 15, 10, 0, 0, 0, time.UTC)
	for range 5 {
		fmt.Fprintf(&text, "%s sw %%PM-4-ERR_DISABLE: bpduguard error detected on Gi1/0/12, putting Gi1/0/12 in err-disable state\n", at.Format(time.Stamp))
		fmt.Fprintf(&text, "%s sw %%LINK-3-UPDOWN: Interface GigabitEthernet1/0/12, changed state to up\n", at.Add(5*time.Minute).Format(time.Stamp))
		at = at.Add(5*time.Minute + 5*time.Second)
	}
	got := Incidents(readLog(t, text.String()).Events)
	if len(got) != 1 || got[0].Times != 5 || got[0].Recovered.IsZero() {
		t.Errorf("%+v", got)
	}
}

func TestYearRollover(t *testing.T) {
	o := LogOptions{Now: time.Date(2025, 1, 1, 1, 0, 0, 0, time.UTC)}
	text := "Dec 31 23:59:59 SW Ebra: %ETH-4-ERRDISABLE: bpduguard error detected on Port-Channel35.\nJan  1 00:10:00 SW Ebra: %LINEPROTO-5-UPDOWN: Line protocol on Interface Port-Channel35, changed state to up\n"
	log, err := ReadLogFiles(t.Context(), fstest.MapFS{"sw.log": {Data: []byte(text)}}, "sw.log", o)
	if err != nil {
		t.Fatal(err)
	}
	i := Incidents(log.Events)
	if len(i) != 1 || i[0].Recovered.Sub(i[0].Began) != 10*time.Minute+time.Second || !strings.Contains(i[0].Doubt, "year inferred") {
		t.Errorf("%+v", i)
	}
}

// FuzzLog: no panic, and names that can be names.
func FuzzLog(f *testing.F) {
	b, err := os.ReadFile("testdata/switches.log")
	if err != nil {
		f.Fatal(err)
	}
	for line := range bytes.Lines(b) {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) > 4 && (in[0] == 0x1f || in[0] == 0x28 || in[0] == 0xfd || in[0] == 'B') {
			return // compressed: logtail's to test
		}
		log, err := ReadLog(t.Context(), bytes.NewReader(in), "x", readAt)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range log.Events {
			if strings.ContainsAny(e.Port, " \t\n\x1b") || e.Kind == "" || e.Vendor == "" || e.Switch == "" || e.MAC != mac(e.MAC) {
				t.Fatalf("%+v", e)
			}
		}
		s := &Snapshot{Subject: "x", Log: &log}
		for _, f := range Check(s).Findings {
			if f.Code == CodeSource {
				t.Fatalf("an instance was named without looking: %+v", f)
			}
		}
	})
}
