package dhcp

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
)

// held is an instance that is well: it renews.
func held() *Snapshot {
	tr := trace(ServerLog, script(lease+"r500 A500.1"))
	return &Snapshot{Traces: []*Trace{tr}, Until: t0.Add(600 * time.Second)}
}

func TestPlanSoak(t *testing.T) {
	now := t0.Add(600 * time.Second)
	p, err := PlanSoak(held(), Soak{MAC: client, For: 48 * time.Hour, Rate: 1e9}, now)
	if err != nil || len(p.Steps) != 576 || len(p.Refusals) > 0 || !p.Expires.After(now.Add(49*time.Hour)) {
		t.Fatalf("%d steps, %q, expires %v: %v", len(p.Steps), p.Refusals, p.Expires, err)
	}
	for i, s := range p.Steps {
		if s.Stage != i || s.Undo == "" || s.Assumes["lease"] != "held" || s.Args["addr"] != "10.2.0.18" || s.Args["lease"] != "16m40s" {
			t.Fatalf("%+v", s)
		}
	}
	p, err = PlanSoak(held(), Soak{MAC: client, For: 25 * time.Second, Every: 10 * time.Second, Addr: IPv4{10, 9, 9, 9}}, now)
	if err != nil || len(p.Steps) != 3 || p.Steps[2].Args["for"] != "5s" || p.Steps[2].Args["addr"] != "10.9.9.9" {
		t.Errorf("%+v, %v", p, err)
	}
	for name, k := range map[string]Soak{
		"nobody": {For: time.Hour}, "no end": {MAC: client}, "for ever": {MAC: client, For: 2 * MaxSoak}, "too many steps": {MAC: client, For: 48 * time.Hour, Every: time.Second},
		"direction": {MAC: client, For: time.Hour, Direction: "up"}, "port": {MAC: client, For: time.Hour, Port: 70000},
		"streams": {MAC: client, For: time.Hour, Streams: -1}, "rate": {MAC: client, For: time.Hour, Rate: -1},
	} {
		if p, err := PlanSoak(held(), k, now); !errors.Is(err, stackmend.ErrRefused) || p != nil {
			t.Errorf("%s: %v, %v", name, p, err)
		}
	}
	again := trace(ClientLog, script(lease+"r500 r510 r520 r540 A541 r1040 A1040.1"))
	recovered := &Snapshot{Traces: []*Trace{again}, Until: t0.Add(1100 * time.Second)}
	if p, err := PlanSoak(recovered, Soak{MAC: client, For: time.Hour}, now); err != nil || len(p.Steps) != 12 {
		t.Errorf("recovered: %+v, %v", p, err)
	}
	sick := &Snapshot{Traces: []*Trace{trace(ClientLog, script(lease+unasked))}, Until: t0.Add(2000 * time.Second)}
	for name, s := range map[string]*Snapshot{"not well": sick, "not seen": {}} {
		if p, err := PlanSoak(s, Soak{MAC: client, For: time.Hour}, now); err != nil || len(p.Steps) > 0 || len(p.Refusals) != 1 {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
}

// TestSoakIsNotTrusted: a plan that was written by hand makes no other command.
func TestSoakIsNotTrusted(t *testing.T) {
	p, err := PlanSoak(held(), Soak{MAC: client, For: time.Hour}, t0)
	if err != nil {
		t.Fatal(err)
	}
	k := &Soaker{Observe: func(context.Context) (*Snapshot, error) {
		s := held()
		s.Until = time.Now()
		return s, nil
	}}
	for key, value := range map[string]string{"addr": "-h", "port": "5201 -x", "for": "1000000h", "streams": "1000", "rate": "-1", "direction": "--help", "mac": "", "lease": "0s"} {
		s := p.Steps[0]
		args := map[string]string{}
		for k, v := range s.Args {
			args[k] = v
		}
		args[key] = value
		s.Args = args
		if err := k.Recheck(t.Context(), s); !errors.Is(err, stackmend.ErrRefused) {
			t.Errorf("%s=%s: %v", key, value, err)
		}
	}
	if err := (&Soaker{}).Recheck(t.Context(), p.Steps[0]); !errors.Is(err, stackmend.ErrRefused) {
		t.Errorf("nothing to look at: %v", err)
	}
	if err := k.Recheck(t.Context(), p.Steps[0]); !errors.Is(err, stackmend.ErrStale) { // the lease is from 2026-11-20
		t.Errorf("a lease that is over: %v", err)
	}
}

func TestParseCarriage(t *testing.T) {
	for name, want := range map[string]carriage{
		"whole":       {bytes: 2621440, moved: 2003949 * time.Microsecond},
		"interrupted": {bytes: 6291456, moved: 2473023 * time.Microsecond, err: "interrupt - the client has terminated"},
		"refused":     {err: "unable to connect to server: Connection refused"},
	} {
		b, err := os.ReadFile("testdata/iperf3/" + name + ".json")
		if err != nil {
			t.Fatal(err)
		}
		got, err := parseCarriage(b)
		if name != "refused" && got.began.Year() != 2026 {
			t.Errorf("%s: began %v", name, got.began)
		}
		got.began = time.Time{}
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v, want %+v", name, got, err, want)
		}
	}
	stalled := `{"intervals": [{"sum": {"start": 0, "end": 1, "bytes": 5}}, {"sum": {"start": 1, "end": 4, "bytes": 0}}, {"sum": {"start": 4, "end": 5, "bytes": 5}}, {"sum": {"start": 5, "end": 6, "bytes": 0}}]}`
	if got, err := parseCarriage([]byte(stalled)); err != nil || got.stall != 3*time.Second || got.moved != 5*time.Second {
		t.Errorf("%+v, %v", got, err)
	}
	for _, bad := range []string{"", "iperf3: error", `{"intervals": [{"sum": {"start": 5, "end": 1}}]}`, `{"intervals": [{"sum": {"end": 1e300, "bytes": 1}}]}`} {
		if _, err := parseCarriage([]byte(bad)); err == nil {
			t.Errorf("%q is read", bad)
		}
	}
}

func FuzzParseCarriage(f *testing.F) {
	for _, name := range []string{"whole", "interrupted", "refused"} {
		b, err := os.ReadFile("testdata/iperf3/" + name + ".json")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, err := parseCarriage(b); err == nil && (c.moved < 0 || c.stall < 0 || c.bytes < 0) {
			t.Errorf("%+v", c)
		}
	})
}

// TestBreakTells: what a break was after, and what is known of it.
func TestBreakTells(t *testing.T) {
	err := error(&BreakError{At: t0, What: noLease, Carried: Stretch{Step: "3/9", Held: 90 * time.Second, Bytes: 7}, Verdict: Verdict{Code: TrafficStoppedFirst, Confidence: stackmend.High, Message: "m"}})
	for _, want := range []string{"2026-11-20T01:00:00Z", noLease, "1m30s", "7 bytes", "3/9", TrafficStoppedFirst} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
}
