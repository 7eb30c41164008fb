package pressure

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph"
)

const (
	climbTimeout = 10 * time.Minute // between two looks, with all that they change
	askedAtOnce  = 16               // OSDs whose memory is asked for at a look; the others come later
	recorded     = "controller"     // what a raise remembers
	settledAfter = 6                // looks without an OSD that went up or down
)

// A Look is what was seen of the cluster while its recovery is raised.
type Look struct {
	Time      time.Time
	Level     int
	Why       string // why the level is what it is
	States    map[string]int
	PGs       int
	Left      int64         // copies of objects that are missing or misplaced
	Remaining time.Duration // until all is clean, at the pace of late; -1: not known
	LatencyMS int64         // nine in ten OSDs commit within it; -1: not seen
}

// climber is one raise that is under way.
type climber struct {
	*Applier
	step   stackmend.Step
	limit  int64
	c      Controller
	before *ceph.Snapshot
	looks  []Look // of late, for the pace
	next   int    // whose memory is asked for next
	flap   string // the last OSD that went up or down
	calm   int    // looks since
}

// climb raises recovery until all is clean. However it ends, short of being
// killed, it puts back what stood before: nobody watches any more.
func (a *Applier) climb(ctx context.Context, s stackmend.Step, w *stackmend.Work) (err error) {
	limit, err := strconv.ParseInt(s.Args["latency_ms"], 10, 64)
	if err != nil || limit < 1 || topLevel(s) == 0 {
		return fmt.Errorf("%w: ceph/pressure: a raise without a latency or levels", stackmend.ErrRefused)
	}
	r := &climber{Applier: a, step: s, limit: limit, c: Controller{Max: topLevel(s)}}
	if err := r.begin(ctx, w); err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 4*a.o.Timeout)
		defer cancel()
		back := a.level(ctx, s, 0)
		a.mark(a.ended, s, err == nil && back == nil)
		err = errors.Join(err, back)
	}()
	for clean := 0; clean < 2; {
		done, err := r.round(ctx, w)
		if err != nil {
			return err
		}
		if clean++; !done {
			clean = 0
		}
	}
	return nil
}

// begin goes on with an interrupted climb, or looks whether all is as planned.
func (r *climber) begin(ctx context.Context, w *stackmend.Work) error {
	if text, ok := w.Recorded(recorded); ok {
		if err := json.Unmarshal([]byte(text), &r.c); err != nil {
			return fmt.Errorf("%w: ceph/pressure: the raise remembers %q: %w", stackmend.ErrRefused, text, err)
		}
		r.c.Max, r.c.Level, r.c.Healthy = topLevel(r.step), 0, 0 // climb anew, below the ceiling that is known
		return r.level(ctx, r.step, 0)
	}
	for _, zero := range settingsOf(r.step, 0) {
		zero.Assumes = map[string]string{"fsid": r.step.Assumes["fsid"], "value": zero.Args["value"]}
		if _, err := r.look(ctx, zero); err != nil {
			return err
		}
	}
	return nil
}

// round looks, decides, changes the level if need be, and waits. It reports
// whether all is clean.
func (r *climber) round(ctx context.Context, w *stackmend.Work) (bool, error) {
	s, err := ceph.Glance(ctx, r.Applier.c, ceph.Options{Timeout: r.o.Timeout, OSDs: r.some()})
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	sample := Sample{}
	if err == nil {
		sample = r.settle(judge(r.before, s, r.limit))
		r.before = s
	}
	why, was := "", r.c.Level
	if hold := r.hold(); hold != "" {
		r.c.Level, r.c.Healthy, why = 0, 0, "held at the lowest: "+hold
	} else {
		why = r.c.Next(sample)
	}
	if r.c.Level != was {
		if err := r.move(ctx, w); err != nil {
			return false, err
		}
	}
	l := r.tell(s, why)
	w.Progress(int64(l.PGs-unclean(l.States)), int64(l.PGs), "PGs clean")
	if err == nil && allClean(s.Recovery) {
		return true, pause(ctx, min(r.o.Sample, time.Second))
	}
	if err := w.Gate(ctx); err != nil {
		return false, err
	}
	return false, pause(ctx, r.o.Sample)
}

// settle keeps recovery from climbing for some looks after an OSD went up or
// down: it may do so again, and what moves for it has only begun.
func (r *climber) settle(s Sample, flap string) Sample {
	if r.calm++; flap != "" {
		r.flap, r.calm = flap, 0
	}
	if r.flap != "" && r.calm < settledAfter {
		s.Unsettled = fmt.Sprintf("%s, %d looks ago", r.flap, r.calm)
	}
	return s
}

func (r *climber) hold() string {
	if r.o.Hold == nil {
		return ""
	}
	return r.o.Hold()
}

// some are the OSDs whose memory this look asks for: they take turns.
func (r *climber) some() []int {
	if r.before == nil {
		return nil
	}
	all := up(r.before)
	var ids []int
	for i := range min(askedAtOnce, len(all)) {
		ids = append(ids, all[(r.next+i)%len(all)].ID)
	}
	r.next += len(ids)
	return ids
}

// move remembers the level before it is set.
func (r *climber) move(ctx context.Context, w *stackmend.Work) error {
	b, err := json.Marshal(r.c)
	if err == nil {
		err = w.Record(recorded, string(b))
	}
	if err != nil {
		return err
	}
	return r.level(ctx, r.step, r.c.Level)
}

// level sets the settings of a level, all of them although one does not go, and
// then reads them back from the daemons: of those one may be silent.
func (a *Applier) level(ctx context.Context, s stackmend.Step, level int) (errs error) {
	var done []stackmend.Step
	for _, set := range settingsOf(s, level) {
		if set.Args["value"] == "" { // no daemon may use what the levels above set
			set.Args["left"] = settingOf(s, topLevel(s), set.Target)
		}
		if err := a.once(ctx, set); err == nil {
			continue
		}
		if err := a.put(ctx, set, set.Args["value"]); err != nil {
			errs = errors.Join(errs, err)
			continue
		}
		done = append(done, set)
	}
	return errors.Join(errs, a.readBack(ctx, done))
}

// readBack asks the daemons for all of these.
func (a *Applier) readBack(ctx context.Context, sets []stackmend.Step) (errs error) {
	for _, set := range sets {
		errs = errors.Join(errs, a.holds(ctx, set))
	}
	return errs
}

func settingOf(s stackmend.Step, level int, target string) string {
	for _, set := range settingsOf(s, level) {
		if set.Target == target {
			return set.Args["value"]
		}
	}
	return ""
}

// tell tells of a look, and how long it takes at the pace of the last ones.
func (r *climber) tell(s *ceph.Snapshot, why string) Look {
	l := Look{Time: time.Now(), Level: r.c.Level, Why: why, Remaining: -1, LatencyMS: -1}
	if s != nil && s.Recovery.Seen {
		l.States, l.PGs, l.LatencyMS = s.Recovery.States, s.Recovery.PGs, latency(s)
		l.Left = s.Recovery.Degraded + s.Recovery.Misplaced
	}
	r.looks = append(r.looks, l)
	r.looks = r.looks[max(0, len(r.looks)-30):]
	l.Remaining = remaining(r.looks)
	if r.o.OnLook != nil {
		r.o.OnLook(l)
	}
	return l
}

// remaining is how long what is left takes at the pace of these looks.
func remaining(looks []Look) time.Duration {
	first, last := looks[0], looks[len(looks)-1]
	gone, took := first.Left-last.Left, last.Time.Sub(first.Time)
	if last.PGs == 0 || gone <= 0 || took <= 0 {
		return -1
	}
	return time.Duration(float64(took) / float64(gone) * float64(last.Left)).Round(time.Second)
}

func unclean(states map[string]int) (n int) {
	for state, count := range states {
		if !clean(state) {
			n += count
		}
	}
	return n
}

// climbed reports whether a raise has ended and has put everything back.
func (a *Applier) climbed(ctx context.Context, s stackmend.Step) error {
	if !a.marked(a.ended, s) {
		return fmt.Errorf("%w: not every placement group was seen clean", stackmend.ErrNotDone)
	}
	return a.verifyAll(ctx, settingsOf(s, 0))
}

// unclimb puts back what a raise that was killed has left.
func (a *Applier) unclimb(ctx context.Context, s stackmend.Step) (errs error) {
	var done []stackmend.Step
	for _, zero := range settingsOf(s, 0) {
		now, err := a.look(ctx, stackmend.Step{Verb: zero.Verb, Target: zero.Target, Assumes: s.Assumes})
		if err == nil || errors.Is(err, stackmend.ErrStale) {
			left := leftBy(s, zero, now)
			if left == "" {
				continue // is back already, or somebody else's
			}
			zero.Args["left"] = left
			err = a.put(ctx, zero, zero.Args["value"])
		}
		if err != nil {
			errs = errors.Join(errs, err)
			continue
		}
		done = append(done, zero)
	}
	return errors.Join(errs, a.readBack(ctx, done))
}

// Guards implements stackmend.Applier: recovery is not raised before the
// cluster is calm, and the guard waits for that.
func (a *Applier) Guards() []stackmend.Guard {
	return []stackmend.Guard{stackmend.GuardFunc("calm", func(ctx context.Context, r stackmend.Request) (stackmend.Verdict, error) {
		if r.Step.Verb != VerbRaise || r.Begun {
			return stackmend.Verdict{Decision: stackmend.Permit}, nil
		}
		limit, err := strconv.ParseInt(r.Step.Args["latency_ms"], 10, 64)
		if err != nil {
			return stackmend.Verdict{Decision: stackmend.Deny, Reason: "no latency in the step"}, nil
		}
		ctx, cancel := context.WithTimeout(ctx, 8*time.Second) // less than a guard has
		defer cancel()
		s, err := ceph.Glance(ctx, a.c, ceph.Options{Timeout: 8 * time.Second})
		if err != nil {
			return stackmend.Verdict{Decision: stackmend.Wait, Reason: "the cluster is not seen: " + err.Error(), RetryAfter: a.o.Sample}, nil
		}
		return calmEnough(s, limit, a.o.Sample), nil
	})}
}

// calmEnough waits for latency, for flaps, and for sight.
func calmEnough(s *ceph.Snapshot, limit int64, retry time.Duration) stackmend.Verdict {
	sample, _ := judge(nil, s, limit)
	why := sample.Trouble
	switch since := s.Taken.Sub(s.LastUpChange); {
	case !sample.Seen:
		why = "the manager, latencies or placement groups are not seen"
	case why == "" && since < settledAfter*retry:
		why = fmt.Sprintf("an OSD went up or down %v ago", since.Round(time.Second))
	}
	if why != "" {
		return stackmend.Verdict{Decision: stackmend.Wait, Reason: why, RetryAfter: retry}
	}
	return stackmend.Verdict{Decision: stackmend.Permit}
}
