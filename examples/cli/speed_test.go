package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
)

// The rate and the time left are those of the whole plan, over all its steps.
func TestSpeed(t *testing.T) {
	p := &stackmend.Plan{Steps: []stackmend.Step{{Cost: stackmend.Cost{Rows: 600}}, {Cost: stackmend.Cost{Rows: 400}}}}
	s, at := newSpeed(p), time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	event := func(after time.Duration, step int, done int64, unit string) string {
		return s.text(stackmend.Event{Time: at.Add(after), Index: step, Done: done, Unit: unit})
	}
	if got := event(0, 0, 10, "rows"); got != "" {
		t.Errorf("from one event: %q", got)
	}
	event(2*time.Second, 0, 100, "rows")
	if got := event(4*time.Second, 1, 100, "rows"); got != ", 50 rows a second, about 16s left" {
		t.Errorf("%q", got)
	}
	if got := event(9*time.Second, 1, 100, "PGs"); got != "" {
		t.Errorf("of a unit that no plan knows: %q", got)
	}
	of := func(after time.Duration, done int64, cost stackmend.Cost) string {
		return s.text(stackmend.Event{Time: at.Add(after), Index: 7, Step: stackmend.Step{Cost: cost}, Done: done, Of: 30, Unit: "PGs"})
	}
	of(0, 10, stackmend.Cost{}) // what an interrupted run did took no time now
	if got := of(10*time.Second, 15, stackmend.Cost{}); got != ", about 30s left of this step" {
		t.Errorf("of a step whose rows nobody knew: %q", got)
	}
	if got := of(10*time.Second, 15, stackmend.Cost{Rows: 5}); got != "" {
		t.Errorf("of a step whose rows are known: %q", got)
	}
	if got := event(10*time.Second, 0, 5000, "rows"); !strings.Contains(got, "about 0s left") {
		t.Errorf("more than was planned: %q", got)
	}
}
