package watchdog

import (
	"context"
	"time"
)

// planAgain is how soon a plan that failed is tried again; planFor how long it
// may take.
const planAgain, planFor = 10 * time.Minute, 2 * time.Minute

// unplanned finds an OSD of this host whose restart did not help, and for which
// nothing is planned yet. Whoever calls it has mu.
func (w *Watch) unplanned(now time.Time) (osd int, ok bool) {
	if w.OnUseless == nil {
		return 0, false
	}
	for i := range w.latest.Outlooks {
		id := w.latest.Outlooks[i].ID
		last, ok := w.History.Last(id)
		if ok && last.Plan == "" && last.Useless(w.Policy) && now.Sub(last.At) < w.Policy.Hold && !now.Before(w.planned[id]) {
			return id, true
		}
	}
	return 0, false
}

// plan asks for the plan of what helps an OSD instead.
func (w *Watch) plan(ctx context.Context, osd int) {
	ctx, cancel := context.WithTimeout(ctx, planFor)
	defer cancel()
	text, err := w.OnUseless(ctx, osd)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.tell(osd, "unseen", "what would help it cannot be planned: "+err.Error())
		return
	}
	last, ok := w.History.Last(osd)
	if !ok || text == "" {
		return
	}
	last.Plan = text
	w.tell(osd, "plan", text)
	if w.OnRestart != nil {
		w.OnRestart(w.History)
	}
}
