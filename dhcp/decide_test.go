package dhcp

import (
	"fmt"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
)

// TestPure holds the files that decide to imports without I/O and clocks.
func TestPure(t *testing.T) {
	allowed := []string{"cmp", "fmt", "slices", "maps", "strings", "strconv", "time", "bytes", "iter", "math/bits", "github.com/stackmend/stackmend"}
	files, err := filepath.Glob("decide*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(files, "facts.go", "conversation.go", "adopt.go", "align.go", "spell.go", "groups.go", "load.go", "culprits.go", "verdict.go") {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range f.Imports {
			if p, _ := strconv.Unquote(i.Path.Value); !slices.Contains(allowed, p) {
				t.Errorf("%s imports %s", name, p)
			}
		}
	}
}

var (
	t0     = time.Date(2026, 11, 20, 1, 0, 0, 0, time.UTC)
	client = MAC{0xfa, 0x16, 0x3e, 1, 2, 3}
	addr   = IPv4{10, 2, 0, 18}
	server = IPv4{10, 2, 0, 1}
)

// script makes events of words: D O R (broadcast) r (unicast) A N, each so
// many seconds after the beginning.
func script(text string) (events []Event) {
	kinds := map[string]Event{"D": {Kind: Discover, Cast: Broadcast}, "O": {Kind: Offer}, "R": {Kind: Request, Cast: Broadcast}, "r": {Kind: Request, Cast: Unicast},
		"A": {Kind: Ack, Lease: 1000 * time.Second}, "N": {Kind: Nak}, "X": {Kind: Expired}, "d": {Kind: Died, Reason: "exiting"}, "L": {Kind: Release}, "B": {Kind: BadChecksum}}
	for _, word := range strings.Fields(text) {
		e := kinds[word[:1]]
		seconds, err := strconv.ParseFloat(word[1:], 64)
		if err != nil || e.Kind == 0 {
			panic(word)
		}
		e.Time, e.Addr, e.Server, e.XID = t0.Add(time.Duration(seconds*float64(time.Second))), addr, server, 7
		events = append(events, e)
	}
	return events
}

func trace(at Point, events []Event) *Trace {
	t := &Track{MAC: client, Events: EventsOf(events), Lease: Lease{Addr: addr, Server: server, Time: 1000 * time.Second, T1: 500 * time.Second, T2: 875 * time.Second}}
	tr := &Trace{Name: string(at), Point: at, Tracks: []*Track{t}, From: t0, Until: events[len(events)-1].Time}
	if at == ClientLog {
		tr.Format = Dhclient
	}
	return tr
}

// beside gives the capture's client traffic that ended so many seconds after
// the beginning, a frame a second until then.
func beside(t *Trace, seconds int, both bool) *Trace {
	last := t0.Add(time.Duration(seconds) * time.Second)
	tr := Traffic{First: t0, LastFrom: last, LastSent: last, From: int64(seconds), Bytes: int64(seconds) * 1000}
	if both {
		tr.LastTo, tr.To = last, int64(seconds)
	}
	events := t.Tracks[0].Events.List()
	for i, e := range events {
		until := e.Time
		if last.Before(until) {
			until = last
		}
		events[i].Before.From = until.UnixNano()
		if both {
			events[i].Before.To = until.UnixNano()
		}
	}
	t.Tracks[0].Events = EventsOf(events)
	t.Tracks[0].Traffic = &tr
	return t
}

const (
	lease    = "D0 O0.1 R0.2 A0.3 "
	unasked  = "r500 r510 r520 r540 r600 R875 R880 R890 X1000"
	answered = "r500 A500.1 r510 A510.1 r520 A520.1 r540 A540.1 r600 A600.1 R875 A875.1 R880 A880.1 R890 A890.1"
	atT2     = "R875 A875.1 R880 A880.1 R890 A890.1 R900 A900.1"
)

// TestRules tries what the recordings do not have: the tap, the incident
// itself, traffic that ended first, checksums.
func TestRules(t *testing.T) {
	wrong := script(lease + answered)
	for i := range wrong {
		if wrong[i].Kind == Ack && i > 4 {
			wrong[i].Flags = WrongChecksum
		}
	}
	for name, c := range map[string]struct {
		traces []*Trace
		want   string
	}{
		"the incident: renewals answered and ignored, other traffic ended before": {
			[]*Trace{trace(ClientLog, script(lease+unasked)), beside(trace(ServerCapture, script(lease+answered)), 300, true)}, "traffic-stopped-first high"},
		"other traffic goes on":                      {[]*Trace{trace(ClientLog, script(lease+unasked)), beside(trace(ServerCapture, script(lease+answered)), 890, true)}, "replies-lost high"},
		"tap: answers come":                          {[]*Trace{trace(TapCapture, script(lease+answered))}, "replies-lost medium"},
		"tap: answers, and only broadcasts":          {[]*Trace{trace(TapCapture, script(lease+atT2))}, "instance-deaf medium"},
		"tap: no answers":                            {[]*Trace{trace(TapCapture, script(lease+unasked))}, "undetermined low"},
		"tap and server: no answer at the tap":       {[]*Trace{trace(TapCapture, script(lease+unasked)), trace(ServerCapture, script(lease+answered))}, "replies-lost high"},
		"tap and server: nothing at the server":      {[]*Trace{trace(TapCapture, script(lease+unasked)), trace(ServerCapture, script(lease))}, "requests-lost high"},
		"tap alone, traffic ended first":             {[]*Trace{beside(trace(TapCapture, script(lease+unasked)), 200, true)}, "traffic-stopped-first high"},
		"client's capture, nothing came after 200 s": {[]*Trace{beside(trace(ClientCapture, script(lease+unasked)), 200, true)}, "traffic-stopped-first high"},
		"wrong checksums in the instance":            {[]*Trace{trace(ClientCapture, wrong)}, "bad-checksum high"},
		"checksums by the client's log":              {[]*Trace{trace(ClientLog, script(lease+"r500 B501 r510 B511 r520 B521"))}, "bad-checksum high"},
		"the client ended":                           {[]*Trace{trace(ClientLog, script(lease+"d100"))}, "client-died high"},
		"it died of its trouble":                     {[]*Trace{trace(ClientLog, script(lease+unasked+" d1100")), trace(ServerLog, script(lease+answered))}, "replies-lost high"},
		"the client is silent, the instance is not":  {[]*Trace{beside(trace(TapCapture, script(lease)), 2000, true)}, "client-died medium"},
		"the lease was given back":                   {[]*Trace{trace(ServerLog, script(lease+"L100"))}, "healthy high"},
		"one retransmission":                         {[]*Trace{trace(ClientLog, script(lease+"r500 r504 A504.2"))}, "healthy medium"},
		"a restarted client":                         {[]*Trace{trace(ServerCapture, script(lease+"D100 O100.1 R100.2 A100.3 r600 A600.1"))}, "healthy medium"},
		"recovered":                                  {[]*Trace{trace(ClientLog, script(lease+"r500 r510 r520 r540 A541 r1040 A1040.1")), trace(ServerLog, script(lease+"r500 A500.1 r510 A510.1 r520 A520.1 r540 A540.1 r1040 A1040.1"))}, "replies-lost high"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, tr := range c.traces {
				if !strings.HasPrefix(c.want, Healthy) {
					tr.Until = t0.Add(2000 * time.Second)
				}
			}
			v := Judge(&Snapshot{Traces: c.traces})[0]
			if got := v.Code + " " + v.Confidence.String(); got != c.want {
				t.Errorf("%s, want %s\n%s", got, c.want, explain(v))
			}
			if recovered := name == "recovered"; recovered != (v.Status == stackmend.Warn) {
				t.Errorf("status %v", v.Status)
			}
			checkVerdict(t, v)
		})
	}
}

// TestServerEnded: what nobody listened to at the server was not lost on the
// way, however surely the client sent it.
func TestServerEnded(t *testing.T) {
	for name, c := range map[string]struct {
		sent, at     Point
		until, told  int // the end of the server's side, and what the snapshot says, in seconds
		want, advice string
	}{
		"capture, ended before":            {ClientCapture, ServerCapture, 400, 0, "requests-lost low", "being written"},
		"capture, ended, beside the tap's": {TapCapture, ServerCapture, 400, 0, "requests-lost low", "being written"},
		"capture, one request later":       {TapCapture, ServerCapture, 501, 0, "requests-lost low", "being written"},
		"log, ended before":                {ClientCapture, ServerLog, 400, 0, "requests-lost low", "being written"},
		"log of the client, ended before":  {ClientLog, ServerCapture, 400, 0, "requests-lost low", "being written"},
		"capture, told to be longer":       {ClientCapture, ServerCapture, 400, 2000, "requests-lost high", ""},
		"log, told to be longer":           {TapCapture, ServerLog, 400, 2000, "requests-lost high", ""},
		"capture, long enough":             {ClientCapture, ServerCapture, 2000, 0, "requests-lost high", ""},
	} {
		sent, at := beside(trace(c.sent, script(lease+unasked)), 890, true), trace(c.at, script(lease))
		sent.Until, at.Until = t0.Add(2000*time.Second), t0.Add(time.Duration(c.until)*time.Second)
		s := &Snapshot{Traces: []*Trace{sent, at}}
		if c.told > 0 {
			s.Until = t0.Add(time.Duration(c.told) * time.Second)
		}
		v := Judge(s)[0]
		if got := v.Code + " " + v.Confidence.String(); got != c.want || !strings.Contains(strings.Join(v.Capture, ""), c.advice) || (len(v.Remedies()) > 0) != (c.advice == "") {
			t.Errorf("%s: %s, remedies %v, capture %q\n%s", name, got, v.Remedies(), v.Capture, explain(v))
		}
		checkVerdict(t, v)
	}
}

// TestClocks: sides whose clocks are apart are judged as if they were not, and
// the offset is told.
func TestClocks(t *testing.T) {
	for _, ahead := range []time.Duration{-40 * time.Second, -time.Hour, 0, 40 * time.Second, 400 * 24 * time.Hour} {
		s := load(t, "testdata/dhclient/replies-dropped", "SC")
		for _, track := range s.Traces[1].Tracks {
			events := track.Events.List()
			for i := range events {
				events[i].Time = events[i].Time.Add(ahead)
			}
			track.Events = EventsOf(events)
		}
		s.Traces[1].From, s.Traces[1].Until = s.Traces[1].From.Add(ahead), s.Traces[1].Until.Add(ahead)
		v := judge(t, s)
		if v.Code != RepliesLost || v.Confidence != stackmend.High {
			t.Errorf("%v: %s", ahead, explain(v))
		}
		for c := range Converse(s) {
			if off := c.Views[0].Offset + ahead; off.Abs() > c.Views[0].Doubt+time.Second || c.Views[0].Doubt > 3*time.Second || !c.Views[0].Told {
				t.Errorf("%v: offset %v, give or take %v", ahead, c.Views[0].Offset, c.Views[0].Doubt)
			}
		}
	}
}

// TestReusedTransactions: two clients with one transaction are two clients.
func TestReusedTransactions(t *testing.T) {
	a := trace(ServerCapture, script(lease+"r500 A500.1"))
	b := trace(ServerCapture, script("D5 O5.1 R5.2 A5.3 r505 r515 r525 r545 r700"))
	b.Tracks[0].MAC[5]++
	a.Tracks = append(a.Tracks, b.Tracks...)
	a.Until = t0.Add(800 * time.Second)
	v := Judge(&Snapshot{Traces: []*Trace{a}})
	if len(v) != 2 || v[0].Code != Healthy || v[1].Code != ServerSilent {
		t.Errorf("%+v", v)
	}
}

// TestGroups: what many troubled clients share, and that nothing is made of
// what all share.
func TestGroups(t *testing.T) {
	var s Snapshot
	for i := range 40 {
		good, bad := script(lease+"r500 A500.1"), script(lease+unasked)
		m := MAC{2, 0, 0, 0, 0, byte(i)}
		events := good
		if i < 6 {
			events = bad
		}
		tr := trace(ClientLog, events)
		tr.Tracks[0].MAC = m
		s.Traces = append(s.Traces, tr)
		s.Instances = append(s.Instances, Instance{MAC: m, Host: fmt.Sprintf("c%02d", min(i/7, 3)), Bridge: "br100"})
	}
	var got []string
	for _, f := range Check(&s).Findings {
		if f.Code == CodeCommonCause || f.Code == CodeManyCauses {
			got = append(got, f.Subject+": "+f.Message)
		}
	}
	if len(got) != 2 || !strings.Contains(got[0], "6 of the 7 clients of host c00 are in trouble, elsewhere 0 of 33") || !strings.Contains(got[1], "within one minute") {
		t.Errorf("%q", got)
	}
}

func TestRenewalLoad(t *testing.T) {
	if got := RenewalLoad(100, 2*time.Minute); got < 1.66 || got > 1.67 {
		t.Error(got)
	}
	tr := trace(ServerLog, script(lease+"r500 A500.1"))
	for i := range 20 {
		other := *tr.Tracks[0]
		other.MAC[4] = byte(i + 10)
		tr.Tracks = append(tr.Tracks, &other)
	}
	tr.Until, tr.Rate = t0.Add(2000*time.Second), Rate{Requests: 1000, Peak: 90}
	found := false
	for _, f := range Check(&Snapshot{Traces: []*Trace{tr}}).Findings {
		if f.Code == CodeRenewalLoad {
			found = f.Status == stackmend.Warn && strings.Contains(f.Message, "21 clients with leases of 16m40s make 0.04 renewals a second") && strings.Contains(f.Fix, "cures nothing")
			if !found {
				t.Errorf("%+v", f)
			}
		}
	}
	if !found {
		t.Error("no load")
	}
}

// TestOld: a lease that ran out since the last line was written is not called
// healthy, unless it is told that nothing was written since.
func TestOld(t *testing.T) {
	for name, c := range map[string]struct {
		taken, until int // seconds after the beginning; 0: not told
		want         string
	}{
		"when it was read is not known": {0, 0, Healthy},
		"read while the lease lasts":    {900, 0, Healthy},
		"read later":                    {100_000, 0, Undetermined},
		"written no longer than that":   {100_000, 600, Healthy},
		"written, and no renewal came":  {100_000, 99_000, Undetermined},
	} {
		s := &Snapshot{Traces: []*Trace{trace(ServerLog, script(lease+"r500 A500.1"))}}
		if c.taken > 0 {
			s.Taken = t0.Add(time.Duration(c.taken) * time.Second)
		}
		if c.until > 0 {
			s.Until = t0.Add(time.Duration(c.until) * time.Second)
		}
		v := Judge(s)[0]
		if v.Code != c.want {
			t.Errorf("%s: %s", name, explain(v))
		}
		checkVerdict(t, v)
	}
}

// TestEvenRenewals: a server may have clients renew at any time. One that
// does so in even steps takes its answers; one that asks sooner than it used to
// does not.
func TestEvenRenewals(t *testing.T) {
	for text, want := range map[string]string{
		"r60 A60.1 r120 A120.1 r180 A180.1 r240 A240.1":                       Healthy,
		"r60 A60.1 r120 A120.1 r130 A130.1 r135 A135.1 r142 A142.1 r150 A151": RepliesLost,
	} {
		tr := trace(ServerLog, script(lease+text))
		tr.Tracks[0].Lease.T1, tr.Tracks[0].Lease.T2 = 0, 0
		if v := Judge(&Snapshot{Traces: []*Trace{tr}})[0]; v.Code != want {
			t.Errorf("%s: %s", text, explain(v))
		}
	}
}

// TestElect: a client that asks again and again near one message of the
// server's says nothing of the clocks.
func TestElect(t *testing.T) {
	server := script("D0 O0.1 R0.2 A0.3")
	client := script("D0 R0 R20 R21 R22 R23")
	for i := range client {
		client[i].XID = 0
	}
	if offset, _, told := align(server, client); !told || offset != 0 {
		t.Errorf("offset %v, told %v", offset, told)
	}
}

func TestNothingSeen(t *testing.T) {
	if r := Check(&Snapshot{}); r.Status != stackmend.Unknown {
		t.Errorf("%+v", r)
	}
}
