package watchdog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/stackmend/stackmend"
)

// shareEvery is how often wishes are written and read while there are any.
const shareEvery = 3 * time.Second

// act does what the pass asks for, if nothing is being done already.
func (w *Watch) act(ctx context.Context, work *sync.WaitGroup) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.busy || w.Applier == nil {
		return
	}
	mine := w.wishes()
	if _, plan := w.unplanned(time.Now()); len(mine) == 0 && !w.shared && !w.open() && w.recent() == 0 && !plan {
		return
	}
	turns := Schedule(append(slices.Clone(mine), w.others...), w.Policy.Margin)
	job := w.job(ctx, mine, turns)
	if job == nil {
		return
	}
	w.busy = true
	work.Go(func() {
		job()
		w.mu.Lock()
		w.busy = false
		w.mu.Unlock()
	})
}

// wishes are the OSDs of this host that will need a restart, and may have it.
func (w *Watch) wishes() (out []Wish) {
	for i, v := range w.latest.Verdicts {
		o := &w.latest.Outlooks[i]
		switch {
		case v.Level > Quiet && v.Held == Free && o.Left != Never:
			out = append(out, Wish{o.ID, o.Left, v.Stop, v.Cycle})
		case v.Level >= Due && v.Held != Free:
			w.refuse(o.ID, v.Held.String())
		}
	}
	return out
}

// refuse notes and tells why, once for each reason.
func (w *Watch) refuse(osd int, why string) {
	if w.refused[osd] != why {
		w.refused[osd] = why
		w.tell(osd, "refused", why)
	}
}

// job is what is to be done now, the most urgent first; nil: nothing.
func (w *Watch) job(ctx context.Context, mine []Wish, turns []Turn) func() {
	now := time.Now()
	if w.open() {
		if now.Sub(w.asked) < tryAgain {
			return nil
		}
		w.asked = now
		return func() { w.tidy(ctx) }
	}
	for _, t := range turns {
		if i := w.index(mine, t.OSD); i >= 0 && Mine(turns, t.OSD) && now.After(w.tried[t.OSD]) {
			o, v, log := w.latest.Outlooks[i], w.latest.Verdicts[i], w.logs[t.OSD]
			return func() { w.restart(ctx, o, v, log) }
		}
	}
	if now.Sub(w.asked) >= shareEvery {
		w.asked = now
		return func() { w.share(ctx, mine) }
	}
	for _, m := range mine {
		if i := w.index(mine, m.OSD); i >= 0 && w.latest.Verdicts[i].Level >= Release && now.Sub(w.freed[m.OSD]) > time.Minute {
			w.freed[m.OSD] = now
			o := w.latest.Outlooks[i]
			return func() { w.release(ctx, o) }
		}
	}
	if osd, ok := w.unplanned(now); ok {
		w.planned[osd] = now.Add(planAgain)
		return func() { w.plan(ctx, osd) }
	}
	return nil
}

// open reports whether the journal holds a restart that came to no end.
func (w *Watch) open() bool {
	return w.Acts && w.Run.Journal != nil && w.Run.Journal.Plan() != nil
}

// tidy brings an OSD back whose restart was interrupted, and closes the journal.
func (w *Watch) tidy(ctx context.Context) {
	subject := w.Run.Journal.Plan().Subject
	options := w.Run
	options.Mode = stackmend.Revert
	text := "its restart came to no end, and was undone: " + subject + " runs"
	if _, err := stackmend.Run(context.WithoutCancel(ctx), nil, w.Applier, options); err != nil {
		text = "the restart of " + subject + " came to no end, and could not be undone: " + err.Error()
	}
	w.note(-1, "undone", text)
}

// index finds an OSD of this host among the outlooks, if it is one of mine.
func (w *Watch) index(mine []Wish, osd int) int {
	if !slices.ContainsFunc(mine, func(m Wish) bool { return m.OSD == osd }) {
		return -1
	}
	return slices.IndexFunc(w.latest.Outlooks, func(o Outlook) bool { return o.ID == osd })
}

// share prepares for what may come: it asks the supervisor, tells the other
// hosts, and learns what they need.
func (w *Watch) share(ctx context.Context, mine []Wish) {
	for _, m := range mine {
		ctx, cancel := context.WithTimeout(ctx, askFor)
		if _, err := w.Applier.Prepare(ctx, m.OSD); err != nil {
			w.note(m.OSD, "unseen", "its supervisor: "+err.Error())
		}
		cancel()
		log := logBytes(ctx, w.Applier.Cluster, m.OSD)
		w.mu.Lock()
		w.logs[m.OSD] = log
		w.mu.Unlock()
	}
	err := w.publish(ctx, mine)
	var others []Claim
	if err == nil {
		others, err = w.Applier.Claims.Others(ctx)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		w.tell(-1, "unseen", "the claims of other hosts: "+err.Error())
		return
	}
	w.others, w.shared = wishes(others), len(mine) > 0
}

// publish writes this host's wishes.
func (w *Watch) publish(ctx context.Context, mine []Wish) error {
	if !w.Acts {
		return nil
	}
	w.mu.Lock()
	recent := w.recent()
	w.mu.Unlock()
	return w.Applier.Claims.Publish(ctx, mine, recent)
}

// recent counts this host's restarts that the storm guard of the others counts:
// they are told until they do not count any more. Whoever calls it has mu.
func (w *Watch) recent() int {
	if !w.Acts {
		return 0
	}
	return w.History.since(time.Now().Add(-w.Policy.CoolDown))
}

func (w *Watch) note(osd int, kind, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tell(osd, kind, text)
}

// release asks an OSD to give memory back.
func (w *Watch) release(ctx context.Context, o Outlook) {
	r, err := stackmend.Run(ctx, ReleasePlan(o, time.Now()), w.Applier, w.Run)
	text := "it was asked for memory: " + r.Outcomes[0].State.String()
	if err != nil {
		text += ": " + err.Error()
	}
	w.note(o.ID, "release", text)
}

// tryAgain is how soon a restart that was refused is tried again.
const tryAgain = time.Second

// restart runs the restart of one OSD.
func (w *Watch) restart(ctx context.Context, o Outlook, v Verdict, log int64) {
	w.note(o.ID, "restart", o.reason())
	options := w.Run
	if options.MaxWait <= 0 {
		options.MaxWait = time.Hour // the guard itself ends the wait
	}
	r, err := stackmend.Run(ctx, RestartPlan(o, v, time.Now()), w.Applier, options)
	var end Ending
	if stop := done(r, verbStop); stop != nil {
		end = w.Applier.ending(ctx, o.ID, stop.Started)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tried[o.ID] = time.Now().Add(tryAgain)
	w.remember(o, r, log, end)
	var refusal *stackmend.GuardError
	switch {
	case errors.As(err, &refusal):
		w.refuse(o.ID, refusal.Verdict.Reason)
	case err != nil:
		w.refuse(o.ID, err.Error())
	case r.Outcomes[0].State == stackmend.Would:
		w.tried[o.ID] = time.Now().Add(w.Policy.CoolDown)
		w.tell(o.ID, "would", r.Outcomes[1].Note)
	default:
		delete(w.refused, o.ID)
	}
}

// done is the outcome of a step that was done; nil: it was not.
func done(r stackmend.Result, verb string) *stackmend.Outcome {
	for i, s := range r.Outcomes {
		if s.State == stackmend.Done && s.Step.Verb == verb {
			return &r.Outcomes[i]
		}
	}
	return nil
}

// remember measures a restart by the outcomes of its steps.
func (w *Watch) remember(o Outlook, r stackmend.Result, log int64, end Ending) {
	stop := done(r, verbStop)
	if stop == nil {
		return
	}
	entry := Restart{OSD: o.ID, At: stop.Started, Stop: stop.Finished.Sub(stop.Started), Before: o.Used(), Log: log}
	if active := done(r, verbActive); active != nil {
		entry.Cycle = active.Finished.Sub(stop.Started)
	}
	if end.Unclean() {
		entry.Unclean = end.String()
		w.tell(o.ID, "unclean", "its stop was not clean, look at its log before the next one: "+entry.Unclean)
	}
	w.History.Add(entry)
	w.tell(o.ID, "restarted", fmt.Sprintf("gone after %v (%s), active again after %v", entry.Stop.Round(time.Millisecond), end, entry.Cycle.Round(time.Millisecond)))
	if w.OnRestart != nil {
		w.OnRestart(w.History)
	}
}
