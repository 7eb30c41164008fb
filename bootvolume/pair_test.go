package bootvolume

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
)

// withoutIDs is what logs say where services do not tell each other the ID.
func withoutIDs(l *Logs) {
	for i := range l.Requests {
		l.Requests[i].ID = ""
	}
	for i := range l.Events {
		if e := &l.Events[i]; e.ofCreate() {
			e.Request = e.Own
		}
	}
}

func lostOf(r stackmend.Result) map[string]string {
	got := map[string]string{}
	for _, f := range r.Findings {
		if id, ok := strings.CutPrefix(f.Subject, "instance "); ok && f.Code != CodeOrphanVolume {
			got[id[:8]] = f.Code
		}
	}
	return got
}

// The batch is judged the same where no ID tells whose a request is, and it is
// said that it was told by less.
func TestBatchWithoutIDs(t *testing.T) {
	s := batch(t)
	want := lostOf(Check(s))
	withoutIDs(&s.Logs)
	r := Check(s)
	if got := lostOf(r); !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	for _, f := range r.Findings {
		if f.Code == CodeHAProxyTimeout && f.Confidence != stackmend.Medium && f.Confidence != stackmend.Low {
			t.Errorf("%+v", f)
		}
	}
	for _, b := range Follow(&s.Logs) {
		if b.Built && (b.HAProxy == nil || b.HAProxy.Status != 202 || b.Cinder == nil) {
			t.Errorf("%s: %+v %+v", b.Instance, b.HAProxy, b.Cinder)
		}
	}
}

// A pairing is what a test says happened, at so many milliseconds.
type pairing struct {
	events   []Event
	requests []Request
}

var noon = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

func at(ms int) time.Time { return noon.Add(time.Duration(ms) * time.Millisecond) }

// boot is an instance with its asks, and how it ended; "": it runs.
func (p *pairing) boot(id string, ended int, failure string, asks ...int) {
	for _, ms := range asks {
		p.events = append(p.events, Event{At: at(ms), Kind: Begun, Host: "c01", Request: "req-" + id, Own: "req-" + id, Project: "p", Instance: id})
	}
	e := Event{At: at(ended), Kind: Built, Host: "c01", Request: "req-" + id, Own: "req-" + id, Project: "p", Instance: id}
	if failure != "" {
		e.Kind, e.Text = Broken, failure
	}
	p.events = append(p.events, e)
}

// post is a request at HAProxy that cinder answered, if it has an ID of its own.
func (p *pairing) post(begun, took, status int, own string) {
	r := Request{At: at(begun), Host: "ctl1", Backend: "cinder", Server: "ctl1", Method: "POST", Path: "/v3/p/volumes", Status: status, Term: "----", Received: 0, Total: time.Duration(took) * time.Millisecond}
	switch status {
	case 503:
		r.Server, r.Term, r.Connect = "<NOSRV>", "SC--", -1
	case 504:
		r.Term = "sH--"
	}
	p.requests = append(p.requests, r)
	if own != "" {
		p.create(begun+1, own)
		p.accept(begun+took-1, own)
	}
}

func (p *pairing) create(ms int, own string) {
	p.events = append(p.events, Event{At: at(ms), Kind: Posted, Host: "ctl1", PID: "7", Request: own, Own: own, Project: "p"})
}

func (p *pairing) accept(ms int, own string) {
	p.events = append(p.events, Event{At: at(ms), Kind: Accepted, Host: "ctl1", PID: "7", Request: own, Own: own, Project: "p"})
}

func (p *pairing) follow(t *testing.T) map[string]Boot {
	t.Helper()
	all := map[string]Boot{}
	for _, b := range Follow(&Logs{Events: p.events, Requests: p.requests}) {
		all[b.Instance] = b
	}
	return all
}

func (p *pairing) verdicts() map[string]string {
	s := &Snapshot{Logs: Logs{Events: p.events, Requests: p.requests}}
	for _, source := range []Source{Compute, HAProxy, API} {
		s.Logs.Files = append(s.Logs.Files, FileSpan{Source: source, Host: "ctl1", Span: Span{at(-3600_000), at(3600_000)}})
	}
	got := map[string]string{}
	for _, f := range Check(s).Findings {
		if id, ok := strings.CutPrefix(f.Subject, "instance "); ok {
			got[id] = f.Code + " " + f.Confidence.String()
		}
	}
	return got
}

const gatewayTimeout = "Instance failed block device setup: cinderclient.exceptions.ClientException: Gateway Time-out (HTTP 504)"

// Of seven instances six POSTs were logged: the one whose nova has no answer is
// the one without.
func TestSixPostsOfSeven(t *testing.T) {
	var p pairing
	for i := range 7 {
		p.boot(fmt.Sprint("i", i), 30_000+i, map[bool]string{true: "Instance failed block device setup: ConnectFailure"}[i == 3], 1000*i)
		if i != 3 {
			p.post(1000*i+5, 400, 202, fmt.Sprint("own", i))
		}
	}
	if got := p.verdicts(); !maps.Equal(got, map[string]string{"i3": CodeLostBeforeHAProxy + " low"}) {
		t.Error(got)
	}
}

// An instance with several volumes, and one whose POST was tried again, shift
// the pairs of nobody.
func TestSeveralPosts(t *testing.T) {
	var p pairing
	p.boot("two", 20_000, "", 0, 10_000)
	p.boot("retried", 26_000, gatewayTimeout, 100)
	p.boot("one", 5000, "", 200)
	p.post(5, 300, 202, "own-two-1")
	p.post(105, 12_000, 504, "")
	p.post(205, 300, 202, "own-one")
	p.post(10_005, 300, 202, "own-two-2")
	p.post(13_105, 12_000, 504, "")
	got := p.follow(t)
	for id, want := range map[string][]int{"two": {202, 202}, "retried": {504, 504}, "one": {202}} {
		var seen []int
		for _, a := range got[id].Asks {
			for _, post := range a.Posts {
				seen = append(seen, post.HAProxy.Status)
			}
		}
		if !slices.Equal(seen, want) {
			t.Errorf("%s: %v, want %v", id, seen, want)
		}
	}
	if c := got["two"].Cinder; c == nil || c.Own != "own-two-2" {
		t.Errorf("%+v", c)
	}
	if h := got["retried"].HAProxy; h == nil || !h.At.Equal(at(13_105)) {
		t.Errorf("%+v", h)
	}
}

// The same with IDs, of which only order told the pairs: a POST that no server
// took has no line of cinder, and shifts none.
func TestSeveralPostsByID(t *testing.T) {
	var p pairing
	p.boot("two", 20_000, "", 0, 10_000)
	p.post(5, 1, 503, "")
	p.post(1005, 300, 202, "own-1")
	p.post(10_005, 300, 202, "own-2")
	for i := range p.requests {
		p.requests[i].ID = "req-two"
	}
	for i := range p.events {
		p.events[i].Request = "req-two"
	}
	b := p.follow(t)["two"]
	if len(b.Asks) != 2 || len(b.Asks[0].Posts) != 2 || b.Asks[0].Posts[0].Cinder != nil || b.Asks[0].Posts[1].Cinder.Own != "own-1" || b.Cinder.Own != "own-2" || b.Paired != ByRequest {
		t.Errorf("%+v", b)
	}
}

// Where two failed alike and one request timed out, nobody knows whose.
func TestAmbiguous(t *testing.T) {
	var p pairing
	p.boot("a", 12_100, gatewayTimeout, 0)
	p.boot("b", 12_200, gatewayTimeout, 10)
	p.post(20, 12_000, 504, "")
	if got := p.verdicts(); !maps.Equal(got, map[string]string{"a": CodeUndetermined + " ", "b": CodeUndetermined + " "}) {
		t.Error(got)
	}
	p.post(30, 12_000, 504, "")
	if got := p.verdicts(); !maps.Equal(got, map[string]string{"a": CodeHAProxyTimeout + " low", "b": CodeHAProxyTimeout + " low"}) {
		t.Error(got)
	}
}

// In the releases of 2016 the POST and what came of it have IDs of their own,
// in one process.
func TestTwoIDsOfOneProcess(t *testing.T) {
	var p pairing
	p.boot("a", 9000, "", 0)
	p.boot("b", 9000, "", 20)
	p.post(5, 900, 202, "")
	p.post(25, 900, 202, "")
	p.create(6, "post-a")
	p.create(26, "post-b")
	p.accept(800, "made-a")
	p.accept(850, "made-b")
	p.events[len(p.events)-1].PID = "8" // another process, which has no POST
	p.accept(860, "made-c")
	p.events[len(p.events)-1].Project = "of others"
	got := p.follow(t)
	if c := got["a"].Cinder; c == nil || c.Own != "post-a" || !c.Accepted.Equal(at(800)) || c.Paired != ByOrder {
		t.Errorf("%+v", c)
	}
	if c := got["b"].Cinder; c == nil || c.Own != "post-b" || !c.Accepted.IsZero() {
		t.Errorf("%+v", c)
	}
}

// Ten thousand instances at once, and no ID.
func TestManyWithoutIDs(t *testing.T) {
	var p pairing
	const n = 10_000
	for i := range n {
		lost := i%10 == 0
		p.boot(fmt.Sprint("i", i), 60_000+i, map[bool]string{true: gatewayTimeout}[lost], i)
		if lost {
			p.post(i, 60_000, 504, fmt.Sprint("own", i))
		} else {
			p.post(i, 3000, 202, fmt.Sprint("own", i))
		}
	}
	begun := time.Now()
	got := map[string]int{}
	for _, v := range p.verdicts() {
		got[v]++
	}
	if took := time.Since(begun); took > 10*time.Second || got[CodeHAProxyTimeout+" low"] != n/10 || len(got) != 1 {
		t.Errorf("%v: %v", took, got)
	}
	t.Log(time.Since(begun))
}

// A volume that was not found just after it was made is nobody's, whenever it
// was finished; one that was finished a moment after an instance ran is not.
func TestOrphanThatWasNotFound(t *testing.T) {
	const volume = "1105461f-f306-4142-90f0-a8f57b95a361"
	var p pairing
	p.boot("a", 5000, "Instance failed block device setup: nova.exception.VolumeNotFound: Volume "+volume+" could not be found.", 0)
	p.boot("b", 9000, "", 6000)
	p.post(10, 300, 202, "own-a")
	p.post(6010, 300, 202, "own-b")
	for own, ms := range map[string]int{"own-a": 700, "own-b": 9100} {
		e := Event{Kind: Making, Host: "ctl1", Request: own, Own: own, Project: "p", At: at(ms - 100), Volume: volume}
		if own == "own-b" {
			e.Volume = "b2142600-f6cf-49f5-adab-db501fc90bdf"
		}
		p.events = append(p.events, e)
		e.Kind, e.At = Made, at(ms)
		p.events = append(p.events, e)
	}
	r := Check(&Snapshot{Logs: Logs{Events: p.events, Requests: p.requests}})
	if got := orphansOf(r); !slices.Equal(got, []string{volume}) {
		t.Errorf("%v of %+v", got, r.Findings)
	}
	if got := p.verdicts()["a"]; got != CodeIDNotFound+" high" {
		t.Error(got)
	}
}
