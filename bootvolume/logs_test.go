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
	var l Logs
	if err := l.Read(t.Context(), strings.NewReader(string(b)), "haproxy.log", Log{Source: HAProxy, Now: now}); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(b), "\n"); len(l.Requests) != n || l.Unread != 0 {
		t.Fatalf("%d of %d lines, %d unread", len(l.Requests), n, l.Unread)
	}
	for _, want := range []Request{
		{Backend: "galera-source", Server: "c3", Term: "--"},
		{Backend: "nobody", Server: "dead", Term: "cC", Connect: -time.Millisecond},
		{Backend: "tcp-s-short", Server: "c1", Term: "sD"},
		{Backend: "api", Server: "web", Status: 504, Term: "sH--", Path: "/slow"},
		{Backend: "api", Server: "web", Status: 502, Term: "SH--", Path: "/die"},
		{Backend: "api", Server: "<NOSRV>", Status: 408, Term: "cR--"},
	} {
		if !has(l.Requests, want) {
			t.Errorf("not read: %+v", want)
		}
	}
}

func has(all []Request, w Request) bool {
	for _, r := range all {
		if r.Backend == w.Backend && r.Server == w.Server && r.Status == w.Status && r.Term == w.Term && (w.Path == "" || r.Path == w.Path) && !r.At.IsZero() {
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
		if r, stamp, ok := parseHAProxy(line); ok && (stamp == "" || r.Term == "") {
			t.Errorf("%+v", r)
		}
	})
}

func FuzzOslo(f *testing.F) {
	for _, file := range []string{"testdata/zed/cinder-api.log", "testdata/zed/nova-compute-c01.log"} {
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
		}
	})
}
