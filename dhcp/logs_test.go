package dhcp

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stackmend/stackmend/internal/logtail"
)

// readSlowly reads a log line by line, the long way.
func readSlowly(t *testing.T, text, name string, f Format, o ReadOptions) *Trace {
	t.Helper()
	l := newLogReader(name, f, o)
	r := logtail.New(t.Context(), strings.NewReader(text), name, l.options())
	for line := range r.Lines() {
		l.line(line)
	}
	if r.Err() != nil {
		t.Fatal(r.Err())
	}
	return l.finish()
}

// TestStampAgain: a stamp that stands there again, with a zone or a year behind
// it, is another time.
func TestStampAgain(t *testing.T) {
	o := readAt
	o.Zone = time.FixedZone("", 2*3600)
	var text strings.Builder
	for _, behind := range []string{"", " UTC", "", " GMT", " 2025", ""} {
		fmt.Fprintf(&text, "Nov 20 10:00:00%s net1 dnsmasq-dhcp[1]: DHCPREQUEST(eth0) 10.2.0.21 fa:16:3e:00:00:01 \n", behind)
	}
	want := []string{"2026-11-20 08:00", "2026-11-20 10:00", "2026-11-20 08:00", "2026-11-20 10:00", "2025-11-20 08:00", "2026-11-20 08:00"}
	short, err := ReadLog(t.Context(), strings.NewReader(text.String()), "x", Dnsmasq, o)
	if err != nil {
		t.Fatal(err)
	}
	for way, trace := range map[string]*Trace{"short": short, "long": readSlowly(t, text.String(), "x", Dnsmasq, o)} {
		var got []string
		for _, track := range trace.Tracks {
			for _, e := range track.Events.List() {
				got = append(got, e.Time.Format("2006-01-02 15:04"))
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s way: -want +got:\n%s", way, diff)
		}
	}
}

// TestBeyond: what --log-dhcp tells of a client beyond MaxClients is not told
// of the one before it.
func TestBeyond(t *testing.T) {
	o := readAt
	o.MaxClients = 1
	var text strings.Builder
	for i, lease := range []string{"10m", "2h"} {
		head := fmt.Sprintf("Nov 20 10:00:0%d net1 dnsmasq-dhcp[1]: %d ", i, 100+i)
		for _, line := range []string{"DHCPREQUEST(eth0) 10.2.0.2%[1]d fa:16:3e:00:00:0%[1]d ", "DHCPACK(eth0) 10.2.0.2%[1]d fa:16:3e:00:00:0%[1]d vm-%[1]d"} {
			fmt.Fprintf(&text, head+line+"\n", i)
		}
		fmt.Fprintf(&text, "%ssent size:  4 option: 51 lease-time  %s\n%ssent size:  4 option: 58 T1  %[2]s\n", head, lease, head)
	}
	short, err := ReadLog(t.Context(), strings.NewReader(text.String()), "x", Dnsmasq, o)
	if err != nil {
		t.Fatal(err)
	}
	for way, trace := range map[string]*Trace{"short": short, "long": readSlowly(t, text.String(), "x", Dnsmasq, o)} {
		if len(trace.Tracks) != 1 || len(trace.Unseen) != 1 {
			t.Fatalf("%s way: %+v", way, trace)
		}
		one := trace.Tracks[0]
		events := one.Events.List()
		if one.Lease.Time != 10*time.Minute || one.Lease.T1 != 10*time.Minute || len(one.Names) != 1 || len(events) != 2 || events[1].Lease != 10*time.Minute {
			t.Errorf("%s way: %+v %+v", way, one, events)
		}
	}
}

// TestGzipped: a compressed log of many pieces is read as it is without that,
// and as it is line by line.
func TestGzipped(t *testing.T) {
	for _, logDHCP := range []bool{false, true} {
		var plain, packed bytes.Buffer
		renewals(&plain, 20_000, logDHCP)
		z := gzip.NewWriter(&packed)
		if _, err := z.Write(plain.Bytes()); err != nil || z.Close() != nil {
			t.Fatal(err)
		}
		want := asJSON(t, readSlowly(t, plain.String(), "d.log", Dnsmasq, readAt))
		for form, files := range map[string]fstest.MapFS{"plain": {"d.log": {Data: plain.Bytes()}}, "gzip": {"d.log.1.gz": {Data: packed.Bytes()}}} {
			trace, err := ReadLogFiles(t.Context(), files, "d.log", Dnsmasq, readAt)
			if err != nil || len(trace.Tracks) != 10_000 {
				t.Fatal(form, err, len(trace.Tracks))
			}
			if asJSON(t, trace) != want {
				t.Errorf("%s, --log-dhcp %v: read in pieces it is another", form, logDHCP)
			}
		}
	}
}
