package bootvolume

import (
	"os"
	"strings"
	"testing"
	"time"
)

var now = time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)

// zed reads the logs of the recorded incident, without those named.
func zed(t testing.TB, without ...Source) *Snapshot {
	s := &Snapshot{Subject: "zed", Taken: now}
	for _, l := range []Log{{Source: Compute, Host: "c01"}, {Source: API, Host: "ctl1"}, {Source: HAProxy, Host: "ctl1"}} {
		file := map[Source]string{Compute: "nova-compute-c01.log", API: "cinder-api.log", HAProxy: "haproxy.log"}[l.Source]
		l.Now = now
		if !strings.Contains(strings.Join(sources(without), " "), string(l.Source)) {
			if err := s.Logs.ReadFiles(t.Context(), os.DirFS("testdata/zed"), file, l); err != nil {
				t.Fatal(err)
			}
		}
	}
	return s
}

func sources(all []Source) (names []string) {
	for _, s := range all {
		names = append(names, string(s))
	}
	return names
}

func TestHAProxyLog(t *testing.T) {
	b, err := os.ReadFile("testdata/haproxy.log")
	if err != nil {
		t.Fatal(err)
	}
	var all []Request
	for line := range strings.Lines(string(b)) {
		r, ok := parseHAProxy(strings.TrimSuffix(line, "\n"))
		if !ok {
			t.Errorf("not read: %s", line)
		}
		all = append(all, r)
	}
	for _, want := range []Request{
		{Backend: "galera-source", Server: "c3", Term: "--"},
		{Backend: "nobody", Server: "dead", Term: "cC", Connect: -time.Millisecond},
		{Backend: "tcp-s-short", Server: "c1", Term: "sD"},
		{Backend: "api", Server: "web", Status: 504, Term: "sH--", Path: "/slow"},
		{Backend: "api", Server: "web", Status: 502, Term: "SH--", Path: "/die"},
		{Backend: "api", Server: "<NOSRV>", Status: 408, Term: "cR--"},
	} {
		if !has(all, want) {
			t.Errorf("not read: %+v", want)
		}
	}
}

// Of a HAProxy's log the requests that create volumes are kept, and the time
// that all of its lines cover; what is in no form of HAProxy's is counted.
func TestHAProxyLogKeeps(t *testing.T) {
	b, err := os.ReadFile("testdata/batch/haproxy.log")
	if err != nil {
		t.Fatal(err)
	}
	var l Logs
	text := string(b) + "Nov 27 10:00:00 ctl1 haproxy[7]: Proxy cinder_api started.\n" + strings.Repeat("/", 100) + "\n"
	if err := l.Read(t.Context(), strings.NewReader(text), "haproxy.log", Log{Source: HAProxy, Now: now.AddDate(0, 0, 7)}); err != nil {
		t.Fatal(err)
	}
	want := strings.Count(text, `/volumes HTTP/1.1"`) - strings.Count(text, `"GET /v3/010f3e809f3e4097a2c8a373edd237ac/volumes HTTP/1.1"`)
	if len(l.Requests) != want || want == 0 || l.Unread != 2 {
		t.Errorf("%d requests of %d, %d unread", len(l.Requests), want, l.Unread)
	}
	first, last := l.Requests[0].At, l.Requests[len(l.Requests)-1].At
	if span := l.Files[0].Span; len(l.Files) > 1 || span.First.After(first) || !span.Last.After(last) {
		t.Errorf("%v for requests from %v to %v", span, first, last)
	}
}

func has(all []Request, w Request) bool {
	for _, r := range all {
		if r.Backend == w.Backend && r.Server == w.Server && r.Status == w.Status && r.Term == w.Term && (w.Path == "" || r.Path == w.Path) {
			return w.Connect == 0 || r.Connect == w.Connect
		}
	}
	return false
}

func TestFollow(t *testing.T) {
	boots := Follow(&zed(t).Logs)
	if len(boots) != 2 {
		t.Fatalf("%d boots: %+v", len(boots), boots)
	}
	good, bad := boots[0], boots[1]
	if !good.Built || good.HAProxy == nil || good.HAProxy.Status != 202 || good.Cinder == nil || good.Cinder.Accepted.IsZero() {
		t.Errorf("the good one: %+v", good)
	}
	if bad.Instance != "1b08bda0-bb50-4304-a740-4ce1e8da50cf" || bad.HAProxy == nil || bad.HAProxy.Status != 504 || bad.HAProxy.Total != 7040*time.Millisecond {
		t.Errorf("the bad one: %+v", bad)
	}
	if bad.Cinder == nil || bad.Cinder.Own != "req-b210d942-dd9d-4390-8f73-739cf1a71c19" || bad.Cinder.Hung == "" {
		t.Errorf("cinder of the bad one: %+v", bad.Cinder)
	}
}

// A line of nova 26.2.2 as it was logged by a real one, with the colours of
// oslo.log.
const quotaLine = "2026-11-26 13:09:49.087 13218 WARNING nova.compute.manager [None req-1f9e3e46-4131-45e0-8955-b797231e428f b6953a32e7a746b2a188b5d55dc45fcd " +
	"adaa84e983c4416b857ddee99123a41e - - default default] [instance: d7bfe872-bc14-41b3-8521-ceb93445f095] Failed to create block device for instance due to " +
	"exceeding volume related resource quota. Error: VolumeLimitExceeded: Maximum number of volumes allowed (3) exceeded for quota 'volumes'.: " +
	"nova.exception.OverQuota: VolumeLimitExceeded: Maximum number of volumes allowed (3) exceeded for quota 'volumes'.\x1b[00m\n"

func TestOverQuotaIsAFailure(t *testing.T) {
	s := &Snapshot{Subject: "quota", Taken: now}
	if err := s.Logs.Read(t.Context(), strings.NewReader(quotaLine), "nova-compute.log", Log{Source: Compute, Host: "c01", Now: now.AddDate(0, 0, 7)}); err != nil {
		t.Fatal(err)
	}
	if got := codes(Check(s)); len(got) != 1 || got[0] != CodeOverQuota {
		t.Errorf("%v of %+v", got, s.Logs)
	}
}

// A failure may quote an answer of any length: its beginning is kept.
func TestHugeFailure(t *testing.T) {
	line := strings.Replace(quotaLine, "Error: VolumeLimitExceeded", "Error: "+strings.Repeat("x", 50_000), 1)
	var l Logs
	if err := l.Read(t.Context(), strings.NewReader(line), "nova-compute.log", Log{Source: Compute, Host: "c01", Now: now.AddDate(0, 0, 7)}); err != nil {
		t.Fatal(err)
	}
	if len(l.Events) != 1 || len(l.Events[0].Text) > mostText || l.Events[0].Kind != Broken {
		t.Errorf("%.500v", l.Events)
	}
}

func FuzzHAProxyLog(f *testing.F) {
	for _, file := range []string{"testdata/haproxy.log", "testdata/zed/haproxy.log"} {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for line := range strings.Lines(string(b)) {
			f.Add(line)
		}
	}
	f.Fuzz(func(t *testing.T, line string) {
		if r, ok := parseHAProxy(line); ok && r.Term == "" {
			t.Errorf("%+v", r)
		}
		var l Logs
		if err := l.Read(t.Context(), strings.NewReader(line), "fuzz", Log{Source: HAProxy, Now: now}); err == nil {
			Check(&Snapshot{Logs: l})
		}
	})
}

func FuzzOslo(f *testing.F) {
	for _, file := range []string{"testdata/zed/cinder-api.log", "testdata/zed/nova-compute-c01.log", "testdata/services/nova-api.log",
		"testdata/services/cinder-api.log", "testdata/services/cinder-scheduler.log", "testdata/services/cinder-volume.log"} {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for line := range strings.Lines(string(b)) {
			f.Add(line[min(23, len(line)):])
		}
	}
	f.Fuzz(func(t *testing.T, line string) {
		if _, known, ok := parseOslo(line); ok && !known {
			t.Error("matters without a header")
		} else if ok && !mayMatter([]byte(line)) {
			t.Error("matters, and would be passed over")
		}
	})
}
