package watchdog

import (
	"math/rand/v2"
	"time"
)

// The simulation: OSDs that grow in ways that were measured on a real cluster,
// a kernel that kills at the limit, and somebody who restarts in time or not.

const (
	tick     = 200 * time.Millisecond
	simLimit = int64(2 << 30) // of each OSD's group
	mib      = int64(1 << 20)
)

// simulated stop and cycle times: at most what the history says was measured.
const (
	longestStop  = 3 * time.Second
	longestCycle = 25 * time.Second
)

// A growth says what an OSD uses, by the age of its process.
type growth func(life int, age time.Duration) int64

// A simOSD is one OSD in its own group, on its own host.
type simOSD struct {
	grow   growth
	life   int // restarts and kills so far
	pid    int
	born   time.Duration // when its process began
	gone   time.Duration // SIGTERM was sent, and the process will be gone then; 0: it was not
	active time.Duration // its placement groups are active again then
	used   int64
	jitter int64
}

// A score is what came of one trace.
type score struct {
	kills, restarts, needless int
	down, together            int // ticks of one OSD, and with more than one, not active
}

func (s *score) add(t score) {
	s.kills += t.kills
	s.restarts += t.restarts
	s.needless += t.needless
	s.down += t.down
	s.together += t.together
}

// A world is the OSDs of one trace.
type world struct {
	rnd   *rand.Rand
	now   time.Duration
	osds  []*simOSD
	score score
	quiet bool // no OSD would be killed if nobody did anything
}

// grace is the age of the processes when a trace begins.
const grace = time.Hour

// newWorld makes the trace of a kind and a number; the same every time.
func newWorld(k kind, seed uint64) *world {
	w := &world{rnd: rand.New(rand.NewPCG(seed, 7))}
	for i, g := range k.make(w.rnd) {
		w.osds = append(w.osds, &simOSD{grow: g, pid: 1000 * (i + 1), jitter: 1 + w.rnd.Int64N(8*mib)})
	}
	return w
}

// age as /proc tells it.
func (o *simOSD) age(now time.Duration) time.Duration {
	if o.life == 0 {
		return now + grace
	}
	return now - o.born
}

// step lets a tick pass. The kernel kills what is at its limit.
func (w *world) step() {
	w.now += tick
	down := 0
	for _, o := range w.osds {
		if o.gone > 0 && w.now >= o.gone {
			o.begin(w.now)
		}
		o.used = o.grow(o.life, w.now-o.born) + w.rnd.Int64N(o.jitter)
		if o.used >= simLimit {
			w.score.kills++
			o.begin(w.now)
			o.active = w.now + 5*time.Second
		}
		if w.now < o.active {
			down++
		}
	}
	w.score.down += down
	if down > 1 {
		w.score.together++
	}
}

// begin: a new process.
func (o *simOSD) begin(now time.Duration) {
	o.life++
	o.pid++
	o.born, o.gone = now, 0
}

// restart sends SIGTERM to an OSD. Until it is gone it grows on.
func (w *world) restart(i int) (cycle time.Duration) {
	o := w.osds[i]
	stop := longestStop/2 + time.Duration(w.rnd.Int64N(int64(longestStop/2)))
	cycle = longestCycle - time.Duration(w.rnd.Int64N(int64(5*time.Second)))
	o.gone, o.active = w.now+stop, w.now+cycle
	w.score.restarts++
	if w.quiet {
		w.score.needless++
	}
	return cycle
}

// A keeper is whoever looks at the OSDs; it returns when it wants to look again.
type keeper interface {
	look(w *world) time.Duration
}

// play runs a trace to its end.
func play(k kind, seed uint64, by keeper, quiet bool) score {
	w := newWorld(k, seed)
	w.quiet = quiet
	next := time.Duration(0)
	for w.now < k.length {
		w.step()
		if by != nil && w.now >= next {
			next = w.now + by.look(w)
		}
	}
	return w.score
}

// threshold is what the incident had: monit restarts what is above a share of
// the limit, each by itself.
type threshold struct {
	share float64
	every time.Duration
}

func (t threshold) look(w *world) time.Duration {
	for i, o := range w.osds {
		if w.now >= o.active && float64(o.used) > t.share*float64(simLimit) {
			w.restart(i)
		}
	}
	return t.every
}

// ahead is this package: one Tracker for each host, one schedule for all.
type ahead struct {
	trackers  []*Tracker
	passes    []Pass
	histories []History
	busy      time.Duration // the claim is held until then
	asked     []time.Duration
	policy    Policy
}

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func newAhead(osds int, p Policy) *ahead {
	a := &ahead{policy: p.orDefaults(), asked: make([]time.Duration, osds)}
	for i := range osds {
		a.trackers = append(a.trackers, NewTracker(a.policy.Reserve))
		a.passes = append(a.passes, Pass{Groups: make([]GroupSample, 1), OSDs: make([]OSDSample, 1)})
		a.histories = append(a.histories, History{{OSD: i, At: epoch.Add(-grace), Stop: longestStop, Cycle: longestCycle}})
	}
	return a
}

// latency is how long the cluster takes to answer the questions before a stop.
const latency = time.Second

func (a *ahead) look(w *world) time.Duration {
	var wishes []Wish
	pace, now := time.Second, epoch.Add(w.now)
	for i, o := range w.osds {
		v, outlook := a.judge(w, i, now)
		if v.Level >= Release {
			pace = tick
		}
		if v.Level > Quiet && v.Held == Free && o.gone == 0 {
			wishes = append(wishes, Wish{i, outlook.Left, v.Stop, v.Cycle})
		}
	}
	turns := Schedule(wishes, a.policy.Margin)
	for i := range w.osds {
		a.act(w, i, turns)
	}
	return pace
}

func (a *ahead) judge(w *world, i int, now time.Time) (Verdict, *Outlook) {
	o := w.osds[i]
	p := &a.passes[i]
	p.At = w.now
	p.Host = HostSample{Total: 1 << 38, Available: 1 << 37}
	p.Groups[0] = GroupSample{Parent: -1, Limit: simLimit, Used: o.used}
	p.OSDs[0] = OSDSample{ID: i, PID: o.pid, Age: o.age(w.now), Anon: o.used}
	out := &a.trackers[i].Add(p)[0]
	if last := &a.histories[i][len(a.histories[i])-1]; !last.Settled() && last.Before > 0 && o.age(w.now) > a.policy.Settle && o.gone == 0 {
		last.After = o.used
	}
	return Judge(out, a.histories[i], now, a.policy), out
}

// act restarts an OSD when its turn has come, the claim is free, and the
// cluster has been asked.
func (a *ahead) act(w *world, i int, turns []Turn) {
	o := w.osds[i]
	if !Mine(turns, i) || w.now < a.busy {
		a.asked[i] = 0
		return
	}
	if a.asked[i] == 0 {
		a.asked[i] = w.now
	}
	if w.now-a.asked[i] < latency {
		return
	}
	a.histories[i].Add(Restart{OSD: i, At: epoch.Add(w.now), Stop: longestStop, Cycle: longestCycle, Before: o.used})
	a.busy = w.now + w.restart(i)
	a.asked[i] = 0
}
