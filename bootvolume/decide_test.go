package bootvolume

import (
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

func codes(r stackmend.Result) (all []string) {
	for _, f := range r.Findings {
		all = append(all, f.Code)
	}
	return all
}

func TestDecideIsPure(t *testing.T) {
	allowed := []string{"cmp", "container/heap", "math", "crypto/sha256", "encoding/hex", "encoding/json", "errors", "fmt", "maps", "net/netip", "regexp", "slices", "strconv", "strings", "time", "github.com/stackmend/stackmend"}
	files, err := filepath.Glob("decide*.go")
	if err != nil || len(files) < 5 {
		t.Fatal(files, err)
	}
	files = slices.DeleteFunc(files, func(f string) bool { return strings.HasSuffix(f, "_test.go") })
	for _, file := range append(files, "follow.go", "creates.go", "pair.go", "assign.go", "words.go", "clocks.go", "probe.go", "edit.go", "edit_plan.go") {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range f.Imports {
			if p, _ := strconv.Unquote(i.Path.Value); !slices.Contains(allowed, p) {
				t.Errorf("%s imports %s", file, p)
			}
		}
	}
}

func TestVerdictOfTheFrozenCinder(t *testing.T) {
	r := Check(zed(t))
	if got := codes(r); !slices.Equal(got, []string{CodeHAProxyTimeout, CodeOrphanVolume}) || r.Status != stackmend.Fail {
		t.Fatalf("%v: %v", r.Status, got)
	}
	if f := r.Findings[0]; f.Confidence != stackmend.High || !strings.Contains(f.Message, "cinder_api/cinder-api-1 after 7.04s") {
		t.Errorf("%+v", f)
	}
}

// The absence of a log is not the absence of a request.
func TestVerdictWithoutALog(t *testing.T) {
	if got := codes(Check(zed(t, HAProxy))); !slices.Equal(got, []string{CodeUndetermined, CodeOrphanVolume}) {
		t.Errorf("without HAProxy's: %v", got)
	}
	if got := codes(Check(zed(t, API))); !slices.Equal(got, []string{CodeHAProxyTimeout}) {
		t.Errorf("without cinder-api's: %v", got)
	}
	if r := Check(zed(t, Compute)); r.Status != stackmend.Unknown {
		t.Errorf("without nova-compute's: %v", r.Status)
	}
}

// goesOn: HAProxy's log has lines after the incident, too.
var goesOn = FileSpan{Source: HAProxy, Host: "ctl1", Name: "haproxy.log", Span: Span{now.AddDate(0, 0, -7), now}}

func without(files []FileSpan, s Source) []FileSpan {
	return slices.DeleteFunc(slices.Clone(files), func(f FileSpan) bool { return f.Source == s })
}

// Each case changes the one lost boot of the recording.
func TestVerdicts(t *testing.T) {
	const id = "1b08bda0-bb50-4304-a740-4ce1e8da50cf"
	request := func(s *Snapshot, change func(*Request)) {
		for i := range s.Logs.Requests {
			if s.Logs.Requests[i].Status == 504 {
				change(&s.Logs.Requests[i])
			}
		}
	}
	failure := func(s *Snapshot, text string) {
		for i, e := range s.Logs.Events {
			if e.Kind == Broken {
				s.Logs.Events[i].Text = text
			}
		}
	}
	noCinder := func(s *Snapshot) {
		s.Logs.Events = slices.DeleteFunc(s.Logs.Events, func(e Event) bool { return strings.HasPrefix(e.Request, "req-d4703fbc") && e.Instance == "" })
	}
	noPost := func(s *Snapshot) {
		noCinder(s)
		failure(s, "Instance failed block device setup: RuntimeError")
		s.Logs.Requests = slices.DeleteFunc(s.Logs.Requests, func(r Request) bool { return r.Status == 504 })
	}
	cases := []struct {
		want   string
		change func(*Snapshot)
	}{
		{CodeHAProxyRefused, func(s *Snapshot) {
			request(s, func(r *Request) { r.Status, r.Server, r.Term = 503, "<NOSRV>", "SC" })
		}},
		{CodeNotLogged, func(s *Snapshot) {
			noCinder(s)
			request(s, func(r *Request) { r.Status, r.Term = 500, "--" })
		}},
		{CodeUndetermined, func(s *Snapshot) { // by a server whose log is not at hand
			noCinder(s)
			request(s, func(r *Request) { r.Status, r.Term, r.Server = 500, "--", "cinder-api-2" })
		}},
		{CodeUndetermined, func(s *Snapshot) { noPost(s); s.Logs.Files = without(s.Logs.Files, API) }},
		{CodeUndetermined, func(s *Snapshot) { // the file of that time is missing between two others
			noPost(s)
			s.Logs.Files = without(s.Logs.Files, HAProxy)
			for _, f := range []FileSpan{{Name: "haproxy.log.3", Span: Span{Last: now.Add(-48 * time.Hour)}}, {Name: "haproxy.log.1", Span: Span{First: now.Add(-time.Hour), Last: now}}} {
				f.Source = HAProxy
				f.First = f.Last.Add(-time.Hour)
				s.Logs.Files = append(s.Logs.Files, f)
			}
		}},
		{CodeNeverSent, noPost},
		{CodeLostBeforeHAProxy, func(s *Snapshot) { noPost(s); failure(s, "Unable to establish connection to http://cinder") }},
		{CodeUndetermined, func(s *Snapshot) { noPost(s); s.Logs.Files = without(s.Logs.Files, HAProxy) }},
		{CodeUndetermined, func(s *Snapshot) { // somebody has answered
			noPost(s)
			failure(s, "cinderclient.exceptions.ClientException: Gateway Time-out (HTTP 504)")
		}},
		{CodeLostBeforeHAProxy, func(s *Snapshot) { // HAProxy logs no IDs, and has no request of that time
			noPost(s)
			failure(s, "Unable to establish connection to http://cinder")
			for i := range s.Logs.Requests {
				s.Logs.Requests[i].ID = ""
			}
		}},
		{CodeIDNotFound, func(s *Snapshot) { failure(s, "Volume x could not be found.") }},
		{CodeOverQuota, func(s *Snapshot) {
			failure(s, "Failed to create block device for instance due to exceeding volume related resource quota. Error: ")
		}},
		{CodeOverQuota, func(s *Snapshot) { failure(s, "VolumeLimitExceeded: Maximum number of volumes allowed (10) exceeded") }},
		{CodeTooSlow, func(s *Snapshot) {
			failure(s, "Volume x did not finish being created even after we waited 187 seconds or 61 attempts. And its status is creating.")
		}},
		{CodeVolumeFailed, func(s *Snapshot) { // of nova 26.2.2, where no backend had room
			failure(s, "Instance failed block device setup: nova.exception.VolumeNotCreated: Volume 13b64540-6f6a-4cc3-9a2f-1ffad46768be did not finish being created even after we waited 1 seconds or 2 attempts. And its status is error.")
		}},
	}
	for _, c := range cases {
		t.Run(c.want, func(t *testing.T) {
			s := zed(t)
			// HAProxy's log goes on after the incident.
			s.Logs.Files = append(s.Logs.Files, goesOn)
			c.change(s)
			r := Check(s)
			if len(r.Findings) == 0 || r.Findings[0].Code != c.want || r.Findings[0].Subject != "instance "+id {
				t.Errorf("%+v", r.Findings)
			}
		})
	}
}

// An instance that boots from a volume that exists asks for none.
func TestExistingVolume(t *testing.T) {
	s := zed(t)
	s.Logs.Files = append(s.Logs.Files, goesOn)
	s.Logs.Requests = slices.DeleteFunc(s.Logs.Requests, func(r Request) bool { return r.Status == 504 })
	s.Logs.Events = slices.DeleteFunc(s.Logs.Events, func(e Event) bool {
		return strings.HasPrefix(e.Request, "req-d4703fbc") && (e.Instance == "" || e.Kind == Begun)
	})
	if got := codes(Check(s)); !slices.Equal(got, []string{CodeUndetermined}) {
		t.Errorf("%v", got)
	}
	for text, want := range map[string]Kind{"Booting with volume 1b08 at /dev/sda": "", "Booting with blank volume at /dev/sda": Begun} {
		if got := kindOf("nova.virt.block_device", text); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
}

// Where instances share a request, which of them has none is told by order.
func TestSharedRequest(t *testing.T) {
	s := zed(t)
	s.Logs.Files = append(s.Logs.Files, goesOn)
	s.Logs.Requests = slices.DeleteFunc(s.Logs.Requests, func(r Request) bool { return r.Status == 504 })
	s.Logs.Events = slices.DeleteFunc(s.Logs.Events, func(e Event) bool {
		return strings.HasPrefix(e.Request, "req-d4703fbc") && e.Instance == ""
	})
	for i, e := range s.Logs.Events {
		if e.Kind == Broken {
			s.Logs.Events[i].Text = "Instance failed block device setup: RuntimeError"
		}
		if e.Instance != "" {
			s.Logs.Events[i].Request = "req-12e6c881-be36-4e6a-9b72-57fd00b44536"
		}
	}
	r := Check(s)
	if got := codes(r); !slices.Equal(got, []string{CodeNeverSent}) || r.Findings[0].Confidence != stackmend.Medium {
		t.Errorf("%v %+v", got, r.Findings)
	}
}
