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

// An Event is something that a [Watch] wants to be known.
type Event struct {
	Time time.Time
	OSD  int    // -1: the host
	Kind string // "level", "refused", "restart", "restarted", "useless", "settled", "oom-kill", "unseen", "release"
	Text string
}

// A Watch is the loop: it samples this host's OSDs, and restarts those whose
// turn it is, one at a time. What it does beside sampling is done beside it: a
// monitor that hangs does not stop the samples.
type Watch struct {
	Sampler *Sampler
	Applier *Applier // its Ahead and Restarts are the loop's
	Policy  Policy
	// Run are the options of its runs. Their zero value changes nothing, and
	// tells what would be done. With a Journal a restart that was interrupted,
	// however, is undone when the next Loop begins: its OSD is started.
	Run stackmend.Options
	// Acts says that its runs change something: it lets the other hosts know
	// what its OSDs need, and takes up an interrupted restart. A Watch that only
	// watches keeps it to itself, for it will not take its turn.
	Acts bool
	// Pace, 1 s, is the time between two passes; Alert, 200 ms, while an OSD
	// is near its limit.
	Pace, Alert time.Duration
	History     History
	OnEvent     func(Event)   // may be nil; calls are serialised
	OnPass      func(Report)  // likewise, after each pass; it must not keep what it is given
	OnRestart   func(History) // likewise, when the history has grown or a restart has settled

	mu      sync.Mutex
	begun   time.Time
	tracker *Tracker
	latest  Report
	levels  map[int]Level
	kills   map[string]int64
	others  []Wish // of other hosts
	refused map[int]string
	busy    bool // a run or a question to the cluster is under way
	asked   time.Time
	shared  bool              // our wishes stand in the store
	logs    map[int]int64     // what the PG logs of an OSD that may be restarted use
	freed   map[int]time.Time // when an OSD was asked to give memory back
	tried   map[int]time.Time // when a restart may be tried again
}

// A Report is the state after a pass.
type Report struct {
	Time     time.Time
	Pass     *Pass
	Outlooks []Outlook
	Verdicts []Verdict
	Lacks    Lacks
	History  History
	Refused  map[int]string // why an OSD that is due was not restarted
	Took     time.Duration
}

// Loop runs until ctx ends. The error is that of ctx, or that nothing can be
// sampled. A restart that is under way is brought to its end.
func (w *Watch) Loop(ctx context.Context) error {
	w.start()
	var work sync.WaitGroup
	defer work.Wait()
	next := time.NewTimer(0)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-next.C:
		}
		pace, err := w.Once(ctx)
		if err != nil {
			return err
		}
		w.act(ctx, &work)
		next.Reset(pace)
	}
}

func (w *Watch) start() {
	w.Policy = w.Policy.orDefaults()
	if w.Pace <= 0 {
		w.Pace = time.Second
	}
	if w.Alert <= 0 {
		w.Alert = 200 * time.Millisecond
	}
	w.begun, w.tracker = time.Now(), NewTracker(w.Policy.Reserve)
	w.History = w.History.Sane(w.begun)
	w.logs, w.freed, w.tried = map[int]int64{}, map[int]time.Time{}, map[int]time.Time{}
	w.levels, w.kills, w.refused = map[int]Level{}, map[string]int64{}, map[int]string{}
	if w.Applier != nil {
		w.Applier.Ahead, w.Applier.Restarts = w.ahead, w.history
	}
}

// Once makes one pass and judges it. It returns when to make the next.
func (w *Watch) Once(ctx context.Context) (time.Duration, error) {
	if w.tracker == nil {
		w.start()
	}
	begun := time.Now()
	p, err := w.Sampler.Pass(begun.Sub(w.begun))
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.tell(-1, "unseen", err.Error()) // out of descriptors, out of memory: it may pass
		return w.Pace, ctx.Err()
	}
	r := &w.latest
	r.Time, r.Pass, r.Outlooks, r.Lacks, r.History, r.Refused = begun, p, w.tracker.Add(p), w.Sampler.Lacks(), w.History, w.refused
	r.Verdicts = r.Verdicts[:0]
	pace := w.Pace
	for i := range r.Outlooks {
		v := Judge(&r.Outlooks[i], w.History, begun, w.Policy)
		r.Verdicts = append(r.Verdicts, v)
		if w.levels[r.Outlooks[i].ID] != v.Level {
			w.turned(&r.Outlooks[i], v)
		}
		if v.Level >= Release {
			pace = w.Alert
		}
		w.settle(&r.Outlooks[i])
	}
	w.watchKills(p)
	r.Took = time.Since(begun)
	if w.OnPass != nil {
		w.OnPass(*r)
	}
	return pace, nil
}

// tell tells. Whoever calls it has mu.
func (w *Watch) tell(osd int, kind, text string) {
	if w.OnEvent != nil {
		w.OnEvent(Event{time.Now(), osd, kind, text})
	}
}

// turned tells of a level that changed.
func (w *Watch) turned(o *Outlook, v Verdict) {
	was := w.levels[o.ID]
	w.levels[o.ID] = v.Level
	if v.Level == Quiet {
		delete(w.refused, o.ID)
	}
	text := was.String() + " -> " + v.Level.String()
	if v.Level > Quiet {
		text += ": " + o.reason()
	}
	if v.Held != Free {
		text += "; held: " + v.Held.String()
	}
	w.tell(o.ID, "level", text)
}

// settle notes what a restart has brought, once the new process has settled.
func (w *Watch) settle(o *Outlook) {
	last, ok := w.History.Last(o.ID)
	if !ok || last.Settled() || last.Before <= 0 || o.Age < w.Policy.Settle || w.latest.Time.Sub(last.At) < w.Policy.Settle {
		return
	}
	last.After = max(o.Used(), 1)
	kind, text := "settled", fmt.Sprintf("it used %s before its restart and uses %s after it", size(last.Before), size(last.After))
	if last.Useless(w.Policy) {
		kind = "useless"
	}
	w.tell(o.ID, kind, text)
	if w.OnRestart != nil {
		w.OnRestart(w.History)
	}
}

// watchKills tells of kills that the watchdog did not prevent.
func (w *Watch) watchKills(p *Pass) {
	for i := range p.Groups {
		g := &p.Groups[i]
		if was, ok := w.kills[g.Path]; ok && g.Kills > was {
			w.tell(-1, "oom-kill", fmt.Sprintf("the kernel has killed in %s", g.Path))
		}
		if was, ok := w.kills[g.Path]; !ok || was != g.Kills {
			w.kills[g.Path] = g.Kills
		}
	}
}

func (w *Watch) ahead(osd int) (Outlook, Verdict, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, o := range w.latest.Outlooks {
		if o.ID == osd {
			return o, w.latest.Verdicts[i], true
		}
	}
	return Outlook{}, Verdict{}, false
}

func (w *Watch) history() History {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.History)
}

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
	if len(mine) == 0 && !w.shared && !w.open() {
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
	return w.Applier.Claims.Publish(ctx, mine, w.history().since(time.Now().Add(-w.Policy.CoolDown)))
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
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tried[o.ID] = time.Now().Add(tryAgain)
	w.remember(o, r, log)
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

// remember measures a restart by the outcomes of its steps.
func (w *Watch) remember(o Outlook, r stackmend.Result, log int64) {
	done := map[string]stackmend.Outcome{}
	for _, s := range r.Outcomes {
		if s.State == stackmend.Done {
			done[s.Step.Verb] = s
		}
	}
	stop, ok := done[verbStop]
	if !ok {
		return
	}
	entry := Restart{OSD: o.ID, At: stop.Started, Stop: stop.Finished.Sub(stop.Started), Before: o.Used(), Log: log}
	if active, ok := done[verbActive]; ok {
		entry.Cycle = active.Finished.Sub(stop.Started)
	}
	w.History.Add(entry)
	w.tell(o.ID, "restarted", fmt.Sprintf("gone after %v, active again after %v", entry.Stop.Round(time.Millisecond), entry.Cycle.Round(time.Millisecond)))
	if w.OnRestart != nil {
		w.OnRestart(w.History)
	}
}
