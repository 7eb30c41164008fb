package pglog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph"
	"github.com/stackmend/stackmend/ceph/internal/child"
	"github.com/stackmend/stackmend/ceph/internal/safety"
	"github.com/stackmend/stackmend/ceph/supervisor"
)

// Config is whom the package speaks to.
type Config struct {
	Cluster    ceph.Commander
	Supervisor supervisor.Supervisor
	Tool       Tool
	// Route leads to the hosts of OSDs that are not on this one; nil: those
	// are left alone. Two runs are kept apart by their lock only on the host
	// that they run on: work on a cluster from one.
	Route supervisor.Route
	// MinStop is what the supervisor must grant a stop before it kills; 0:
	// supervisor.DefaultMinStop.
	MinStop time.Duration
	// Orchestrated says that an orchestrator (cephadm) deployed the OSDs: it is
	// paused before the first is stopped and goes on after the last is back,
	// unless somebody has paused it before.
	Orchestrated bool
}

// An Applier carries out the plans of this package, on the host of the OSDs.
type Applier struct {
	c Config

	mu     sync.Mutex
	proven map[string]bool // steps whose logs were read again by this process
	late   map[string]int  // processes that were told to stop and have not, by OSD
	// ours says of what this process turned on, or tried to, whether it was
	// done by the run: what somebody else did is not ours to undo.
	ours, doubted map[string]bool
}

// NewApplier returns an Applier. What may be stopped, the plan says.
func NewApplier(c Config) *Applier {
	return &Applier{c: c, proven: map[string]bool{}, late: map[string]int{}, ours: map[string]bool{}, doubted: map[string]bool{}}
}

// permitted is what the policy of a step's plan permits. A step that does not
// say permits no more than the strict policy.
func permitted(s stackmend.Step) (p safety.Policy, err error) {
	for name, to := range map[string]*bool{argDegraded: &p.Degraded, argNoSpare: &p.NoSpare} {
		if text, ok := s.Args[name]; ok {
			if *to, err = strconv.ParseBool(text); err != nil {
				return safety.Policy{}, fmt.Errorf("%w: %s: %w", stackmend.ErrRefused, name, err)
			}
		}
	}
	if text, ok := s.Args[argLowest]; ok {
		if p.Lowest, err = strconv.Atoi(text); err != nil {
			return safety.Policy{}, fmt.Errorf("%w: %s: %w", stackmend.ErrRefused, argLowest, err)
		}
	}
	return p, nil
}

// Guards asks whether an OSD may be stopped, together with those under way,
// whether flags keep it in and let it come back, and whether whoever would start
// it again is paused.
func (a *Applier) Guards() []stackmend.Guard {
	return []stackmend.Guard{
		stackmend.GuardFunc("orchestrator paused", func(ctx context.Context, r stackmend.Request) (stackmend.Verdict, error) {
			stops := r.Step.Verb == verbHold || r.Step.Verb == verbStop || r.Step.Verb == verbTrim
			if !a.c.Orchestrated || !stops || r.Begun || will(r, verbPause) {
				return stackmend.Verdict{Decision: stackmend.Permit}, nil
			}
			return safety.Verdict(safety.Paused(ctx, a.c.Cluster)), nil
		}),
		stackmend.GuardFunc("may be away", a.mayBeAway),
		stackmend.GuardFunc("may stop", a.mayStop),
	}
}

// will: in a dry run a step of the plan with this verb would have been done by
// then.
func will(r stackmend.Request, verb string) bool {
	is := func(s stackmend.Step) bool { return s.Verb == verb }
	return slices.ContainsFunc(r.Plan.Steps, is) &&
		!slices.ContainsFunc(r.Outcomes, func(o stackmend.Outcome) bool { return is(o.Step) && o.State == stackmend.Done })
}

func (a *Applier) mayStop(ctx context.Context, r stackmend.Request) (stackmend.Verdict, error) {
	if r.Step.Verb != verbStop || r.Begun {
		return stackmend.Verdict{Decision: stackmend.Permit}, nil
	}
	ids, err := underWay(r)
	if err != nil {
		return stackmend.Verdict{}, err
	}
	p, err := permitted(r.Step)
	if err != nil {
		return stackmend.Verdict{}, err
	}
	v := safety.Verdict(safety.MayStop(ctx, a.c.Cluster, p, ids...))
	if v.Decision != stackmend.Permit {
		v.Reason += "; it is asked again for as long as the run may wait (-max-wait), and a policy may permit more (-degraded, -lowest, -no-spare)"
	}
	return v, nil
}

// underWay are the step's OSD and those that are stopped, or about to be, and
// not back.
func underWay(r stackmend.Request) ([]int, error) {
	down := map[string]bool{r.Step.Target: true}
	for _, o := range append(append([]stackmend.Outcome{}, r.Outcomes...), r.Running...) {
		switch o.Step.Verb {
		case verbStop, verbTrim:
			down[o.Step.Target] = true
		}
	}
	for _, o := range r.Outcomes {
		if o.Step.Verb == verbStart && (o.State == stackmend.Done || o.State == stackmend.Would) || o.Step.Verb == verbStop && o.State == stackmend.Reverted {
			delete(down, o.Step.Target)
		}
	}
	down[r.Step.Target] = true
	var ids []int
	for name := range down {
		id, err := number(name)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids, nil
}

func number(target string) (int, error) {
	text, ok := strings.CutPrefix(target, "osd.")
	id, err := strconv.Atoi(text)
	if !ok || err != nil || id < 0 || osdName(id) != target {
		return 0, fmt.Errorf("%w: %q is not an OSD", stackmend.ErrRefused, target)
	}
	return id, nil
}

// Recheck compares the map with what the step assumes.
func (a *Applier) Recheck(ctx context.Context, s stackmend.Step) error {
	m, err := safety.Dump(ctx, a.c.Cluster)
	if err != nil {
		return err
	}
	return a.holds(ctx, m, s)
}

// holds compares a map with what the step assumes.
func (a *Applier) holds(ctx context.Context, m *safety.Map, s stackmend.Step) error {
	seen := map[string]string{"fsid": m.FSID, flag: "unset"}
	if m.Has(flag) {
		seen[flag] = "set"
	}
	switch s.Verb {
	case verbSet, verbUnset:
		if err := toggled(s); err != nil {
			return err
		}
	case verbPause, verbResume:
		paused, err := a.look(ctx, s)
		if err := errors.Join(toggled(s), err); err != nil {
			return err
		}
		seen[orchestrator] = map[bool]string{true: "paused", false: "at work"}[paused]
	case verbHold, verbStop, verbTrim, verbStart:
		id, err := number(s.Target)
		if err != nil {
			return err
		}
		if o := m.OSD(id); o != nil {
			seen["uuid"], seen["up_from"] = o.UUID, strconv.Itoa(o.UpFrom)
		}
	default:
		return fmt.Errorf("%w: verb %q", stackmend.ErrRefused, s.Verb)
	}
	if a.isDoubted(s) {
		seen[s.Target] = s.Assumes[s.Target]
	}
	return s.Holds(seen)
}

// Do carries out a step.
func (a *Applier) Do(ctx context.Context, s stackmend.Step, w *stackmend.Work) error {
	if on, ok := toggles(s.Verb); ok && on {
		return a.turnOn(ctx, s, w)
	} else if ok {
		return a.turnOff(ctx, s)
	}
	if a.Verify(ctx, s) == nil {
		return nil // done already
	}
	if s.Verb != verbTrim { // which looks at the map that it works by
		if err := a.Recheck(ctx, s); err != nil {
			return err
		}
	}
	ctx, err := a.c.on(ctx, s.Args[argMachine])
	if err != nil {
		return err
	}
	lock, err := w.LockFile()
	if err == nil {
		defer lock.Close()
		ctx = child.WithLock(ctx, lock)
	} else if !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	id, err := number(s.Target)
	if err != nil {
		return err
	}
	switch s.Verb {
	case verbTrim:
		return a.trimOSD(ctx, id, s, w)
	case verbStart:
		return a.start(ctx, id, s)
	case verbHold:
		return a.change(ctx, id, s, supervisor.Hold)
	case verbStop:
		return a.stop(ctx, id, s)
	}
	return fmt.Errorf("%w: verb %q", stackmend.ErrRefused, s.Verb)
}

// stop notes which process it tells to stop: one that is late must not be taken
// for the OSD that came back. A refusal told it nothing.
func (a *Applier) stop(ctx context.Context, id int, s stackmend.Step) error {
	st, err := a.state(ctx, id)
	if err != nil {
		return err
	}
	if err := a.change(ctx, id, s, supervisor.Stop); errors.Is(err, stackmend.ErrRefused) {
		return err
	} else if err != nil {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.late[s.Target] = st.PID
		return fmt.Errorf("osd.%d (process %d) was told to stop, has not, and may yet: look whether it stays up: %w", id, st.PID, err)
	}
	return poll(ctx, func() error { return a.isDown(ctx, id) })
}

func (a *Applier) change(ctx context.Context, id int, s stackmend.Step, what supervisor.Action) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute+cmp.Or(a.c.MinStop, supervisor.DefaultMinStop))
	defer cancel()
	return a.c.Supervisor.Do(ctx, supervisor.Change{OSD: id, Action: what, Respawn: s.Args["respawn"], MinStop: a.c.MinStop})
}

func (a *Applier) state(ctx context.Context, id int) (supervisor.State, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return a.c.Supervisor.State(ctx, id)
}

// start releases and starts an OSD, and waits until its placement groups are
// settled.
func (a *Applier) start(ctx context.Context, id int, s stackmend.Step) error {
	if err := a.run(ctx, id, s); err != nil {
		return err
	}
	// Others may be down on purpose or be the trouble; this one must be back.
	return poll(ctx, func() error { return a.settled(ctx, id, s) })
}

// settled: what was inactive before may be so again, if the policy permits it.
func (a *Applier) settled(ctx context.Context, id int, s stackmend.Step) error {
	p, err := permitted(s)
	if err != nil {
		return err
	}
	if before := s.Args[argInactive]; p.Degraded {
		p.Inactive = func(pg string) bool { return before == anyPG || slices.Contains(strings.Fields(before), pg) }
	}
	return safety.Settled(ctx, a.c.Cluster, p, id)
}

func (a *Applier) run(ctx context.Context, id int, s stackmend.Step) error {
	if err := a.change(ctx, id, s, supervisor.Release); err != nil {
		return err
	}
	return a.change(ctx, id, s, supervisor.Start)
}

// poll asks until the answer is nil. A refusal that stands when ctx ends is no
// longer one: it is a state that did not come about.
func poll(ctx context.Context, ask func() error) error {
	for {
		err := ask()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w: %v", stackmend.ErrTimeout, context.Cause(ctx), err)
		case <-time.After(300 * time.Millisecond):
		}
	}
}
