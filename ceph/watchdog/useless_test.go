package watchdog

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stackmend/stackmend"
)

// TestUselessIsPlanned: of a restart that did not help what helps is planned,
// once; a plan that fails is tried again, and not at once.
func TestUselessIsPlanned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []Event
		asked, saved := 0, 0
		fail := errors.New("no monitor")
		useless := Restart{OSD: 7, At: time.Now().Add(-time.Minute), Stop: time.Second, Before: 1000, After: 900}
		w := &Watch{Applier: &Applier{}, History: History{useless}, OnEvent: func(e Event) { told = append(told, e) }, OnRestart: func(History) { saved++ },
			OnUseless: func(_ context.Context, osd int) (string, error) {
				if asked++; osd != 7 {
					t.Errorf("asked about osd.%d", osd)
				}
				return "run the plan in FILE", fail
			}}
		w.start()
		w.latest.Outlooks = []Outlook{{OSDSample: OSDSample{ID: 7}, Left: Never}, {OSDSample: OSDSample{ID: 8}, Left: Never}}
		w.latest.Verdicts = make([]Verdict, 2)
		act := func() {
			var work sync.WaitGroup
			w.asked = time.Now() // nothing else is to be done
			w.act(t.Context(), &work)
			work.Wait()
		}
		act()
		act()
		if asked != 1 || len(told) != 1 || told[0].Kind != "unseen" || saved != 0 {
			t.Fatalf("asked %d times, told %v", asked, told)
		}
		time.Sleep(planAgain)
		fail = nil
		act()
		act()
		if asked != 2 || len(told) != 2 || told[1].Kind != "plan" || saved != 1 {
			t.Fatalf("asked %d times, told %v", asked, told)
		}
		r := Report{Time: time.Now(), Pass: &Pass{}, Outlooks: w.latest.Outlooks, Verdicts: w.latest.Verdicts, History: w.History}
		f := Check(r, "host", Policy{}).Findings
		f = slices.DeleteFunc(f, func(f stackmend.Finding) bool { return f.Code == CodeUnseen }) // they were not sampled at all
		if len(f) != 1 || f[0].Code != CodeUseless || f[0].Fix != "run the plan in FILE" {
			t.Errorf("%+v", f)
		}
		w.History[0].Plan = ""
		time.Sleep(w.Policy.Hold)
		if act(); asked != 2 {
			t.Error("a restart of long ago is planned for")
		}
	})
}
