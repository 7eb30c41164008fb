package dhcp

import (
	"testing"
	"time"
)

// TestEachSideEnds: how far one side was watched says nothing of another,
// neither that a request had no answer there nor that none came.
func TestEachSideEnds(t *testing.T) {
	const quick = lease + "r500 A500.1 "
	// A client's log that tells of its lease alone, and of no answer.
	died := script(lease)
	informs := script(lease)[:1]
	informs[0].Kind, informs[0].Time = Inform, t0.Add(950*time.Second)
	late := func(n int) *Trace { // a capture that began when the renewal was over already
		tr := beside(trace(ServerCapture, informs), n, true)
		tr.From = t0.Add(949 * time.Second)
		return tr
	}
	for name, c := range map[string]struct {
		traces []*Trace
		until  []int // of each trace, in seconds
		told   int   // Snapshot.Until
		want   string
	}{
		"the server's capture began after the renewal": {[]*Trace{trace(ClientLog, died), late(1005)}, []int{1, 1100}, 0, "healthy low"},
		"the server's capture was watched, and told":   {[]*Trace{trace(ClientLog, died), beside(trace(ServerCapture, script(lease)), 1005, true)}, []int{1, 1006}, 0, "client-died medium"},
		"ended early, beside another client's":         {[]*Trace{beside(trace(ServerCapture, script(quick)), 505, true), stranger(2000)}, []int{506, 2000}, 0, "healthy medium"},
		"ended early, told to be longer":               {[]*Trace{beside(trace(ServerCapture, script(quick)), 2000, true), stranger(2000)}, []int{506, 2000}, 2000, "client-died medium"},
		"ended after the second request":               {[]*Trace{trace(ServerCapture, script(lease+"r500 r502")), stranger(2000)}, []int{502, 2000}, 0, "undetermined low"},
		"ended while the client asks on": {[]*Trace{trace(ClientLog, script(lease+unasked)), trace(ServerCapture, script(lease+"r500 r502"))},
			[]int{2000, 502}, 0, "undetermined low"},
		"written while it had no answer": {[]*Trace{trace(ClientLog, script(lease+unasked)), trace(ServerCapture, script(lease+"r500 r510 r520"))},
			[]int{2000, 530}, 0, "server-silent high"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &Snapshot{Traces: c.traces, Only: []MAC{client}}
			for i, n := range c.until {
				c.traces[i].Until = t0.Add(time.Duration(n) * time.Second)
			}
			if c.told > 0 {
				s.Until = t0.Add(time.Duration(c.told) * time.Second)
			}
			v := Judge(s)[0]
			if got := v.Code + " " + v.Confidence.String(); got != c.want {
				t.Errorf("%s, want %s\n%s", got, c.want, explain(v))
			}
			checkVerdict(t, v)
		})
	}
}

// stranger is a server's log of another client, whose renewals go on.
func stranger(seconds int) *Trace {
	tr := trace(ServerLog, script(lease+"r500 A500.1 r1000 A1000.1 r1500 A1500.1"))
	tr.Tracks[0].MAC = MAC{2}
	tr.Until = t0.Add(time.Duration(seconds) * time.Second)
	return tr
}

// TestSignOfASideThatEnded: an answer after which a side was not watched any
// more is no lease that was taken.
func TestSignOfASideThatEnded(t *testing.T) {
	tr := trace(ServerCapture, script(lease+"r500 A500.1"))
	tr.Until = t0.Add(501 * time.Second)
	sign, err := FindSign(&Snapshot{Traces: []*Trace{tr, stranger(2000)}}, client, t0.Add(400*time.Second), true)
	if err != nil || !sign.At.IsZero() {
		t.Errorf("%+v, %v", sign, err)
	}
	tr.Until = t0.Add(520 * time.Second)
	sign, err = FindSign(&Snapshot{Traces: []*Trace{tr}}, client, t0.Add(400*time.Second), true)
	if err != nil || sign.At.IsZero() {
		t.Errorf("watched on: %+v, %v", sign, err)
	}
}
