package watchdog

import (
	"context"
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
	Kind string // "level", "refused", "restart", "restarted", "unclean", "useless", "plan", "settled", "oom-kill", "unseen", "release"
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
	// OnUseless plans what helps an OSD whose restart did not, and returns what
	// is to be told of that plan: where it stands and how it is run. It is called
	// beside the loop, again after a while if it fails, and has two minutes.
	OnUseless func(ctx context.Context, osd int) (string, error)

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
	planned map[int]time.Time // when OnUseless may be asked again
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
	w.planned = map[int]time.Time{}
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
	w.History.clamp(begun)
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
