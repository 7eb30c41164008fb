package cli

import (
	"fmt"
	"time"

	"github.com/stackmend/stackmend"
)

// A speed tells how fast a run goes, and how long the rest of its plan takes
// at that: of rows or of bytes, which is what plans know beforehand. Of a step
// whose rows and bytes nobody knew it tells how long that step takes.
type speed struct {
	rows, bytes int64 // of the plan
	begun       map[string]time.Time
	done        map[string]map[int]int64 // by unit and step
}

func newSpeed(p *stackmend.Plan) *speed {
	s := &speed{begun: map[string]time.Time{}, done: map[string]map[int]int64{}}
	if p != nil {
		for _, st := range p.Steps {
			s.rows, s.bytes = s.rows+st.Cost.Rows, s.bytes+st.Cost.Bytes
		}
	}
	return s
}

// text is what an event adds to what is known, or empty.
func (s *speed) text(e stackmend.Event) string {
	total := map[string]int64{"rows": s.rows, "bytes": s.bytes}[e.Unit]
	if e.Done < 0 {
		return ""
	}
	if total <= 0 {
		return s.step(e)
	}
	if s.done[e.Unit] == nil {
		s.done[e.Unit], s.begun[e.Unit] = map[int]int64{}, e.Time
	}
	s.done[e.Unit][e.Index] = e.Done
	took := e.Time.Sub(s.begun[e.Unit]).Seconds()
	var done int64
	for _, n := range s.done[e.Unit] {
		done += n
	}
	if took < 1 || done <= 0 {
		return ""
	}
	rate := float64(done) / took
	left := time.Duration(float64(max(0, total-done)) / rate * float64(time.Second)).Round(time.Second)
	return fmt.Sprintf(", %.0f %s a second, about %v left", rate, e.Unit, left)
}

// step is text of one step, by its own count.
func (s *speed) step(e stackmend.Event) string {
	if e.Of <= 0 || e.Step.Cost.Rows > 0 || e.Step.Cost.Bytes > 0 {
		return ""
	}
	key := fmt.Sprint(e.Index, " ", e.Unit)
	if s.done[key] == nil {
		s.done[key], s.begun[key] = map[int]int64{e.Index: e.Done}, e.Time
		return ""
	}
	took, done := e.Time.Sub(s.begun[key]), e.Done-s.done[key][e.Index]
	if took < time.Second || done <= 0 {
		return ""
	}
	left := (took / time.Duration(done) * time.Duration(max(0, e.Of-e.Done))).Round(time.Second)
	return fmt.Sprintf(", about %v left of this step", left)
}
