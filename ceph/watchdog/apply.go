package watchdog

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph"
	"github.com/stackmend/stackmend/ceph/internal/safety"
	"github.com/stackmend/stackmend/ceph/supervisor"
)

// A Site is what an Applier works on.
type Site struct {
	Cluster    ceph.Commander
	Supervisor supervisor.Supervisor
	Claims     *Claims
	Policy     Policy
	// Ahead is the present outlook of an OSD, for the guard that decides when
	// the kill is near. Nil: it is not known, and nothing is decided on it.
	Ahead func(osd int) (Outlook, Verdict, bool)
	// Restarts are those of the past, for the guard of the start limit.
	Restarts func() History
	// Supervised stops the OSD through the supervisor, whose patience is read
	// and raised, instead of SIGTERM to the process. That starts a program,
	// which a host without memory may not be able to.
	Supervised bool
	// Again is how often the cluster is asked while the guard waits; 0: 500 ms.
	Again time.Duration
}

// Applier carries out [RestartPlan] and [ReleasePlan]. It may be used by one run
// at a time.
type Applier struct {
	Site

	mu       sync.Mutex
	prepared map[int]prepared
	endings  map[int]Ending
}

type prepared struct {
	state  supervisor.State
	daemon daemon
	at     time.Time
}

// NewApplier makes an Applier. Every part of the Site but Ahead is needed.
func NewApplier(s Site) (*Applier, error) {
	if s.Cluster == nil || s.Supervisor == nil || s.Claims == nil {
		return nil, errors.New("watchdog: an Applier needs the cluster, a supervisor and claims")
	}
	s.Policy = s.Policy.orDefaults()
	if s.Again <= 0 {
		s.Again = 500 * time.Millisecond
	}
	return &Applier{Site: s, prepared: map[int]prepared{}, endings: map[int]Ending{}}, nil
}

// preparedFor is how long what Prepare saw is good for.
const preparedFor = time.Minute

// Prepare asks the supervisor about an OSD, and the OSD about its settings,
// while there is time, so that no program has to be started on the way to
// SIGTERM.
func (a *Applier) Prepare(ctx context.Context, osd int) (supervisor.State, error) {
	p, err := a.prepare(ctx, osd)
	return p.state, err
}

func (a *Applier) prepare(ctx context.Context, osd int) (prepared, error) {
	st, err := a.Supervisor.State(ctx, osd)
	p := prepared{state: st, at: time.Now()}
	if err == nil {
		p.daemon = askDaemon(ctx, a.Cluster, osd)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil {
		delete(a.prepared, osd)
		return p, err
	}
	a.prepared[osd] = p
	return p, nil
}

// known is what Prepare saw a moment ago, or what is seen now.
func (a *Applier) known(ctx context.Context, osd int) (prepared, error) {
	a.mu.Lock()
	p, ok := a.prepared[osd]
	a.mu.Unlock()
	if ok && time.Since(p.at) < preparedFor {
		return p, nil
	}
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	return a.prepare(ctx, osd)
}

// target reads which OSD, and which process of it, a step is about.
func target(s stackmend.Step) (osd, pid int, err error) {
	text, ok := strings.CutPrefix(s.Target, "osd.")
	osd, err1 := strconv.Atoi(text)
	pid, err2 := strconv.Atoi(s.Args["pid"])
	if !ok || err1 != nil || err2 != nil || osd < 0 || pid <= 1 {
		return 0, 0, fmt.Errorf("%w: %q, process %q: not an OSD of this host", stackmend.ErrRefused, s.Target, s.Args["pid"])
	}
	switch s.Verb {
	case verbClaim, verbStop, verbStart, verbActive, verbUnclaim, verbRelease:
		return osd, pid, nil
	}
	return 0, 0, fmt.Errorf("%w: unknown verb %q", stackmend.ErrRefused, s.Verb)
}

// Guards ask the cluster, and whether the supervisor starts the OSD again and
// the OSD bears being marked down again, before it is stopped. Nothing else is
// guarded: what is stopped has to be started.
func (a *Applier) Guards() []stackmend.Guard {
	return []stackmend.Guard{
		stackmend.GuardFunc("start-limit", a.beforeStop(a.startLimit)),
		stackmend.GuardFunc("markdown-budget", a.beforeStop(a.markdowns)),
		stackmend.GuardFunc("cluster", a.cluster),
	}
}

// Recheck compares what a stop assumes: that nobody has masked the OSD.
func (a *Applier) Recheck(ctx context.Context, s stackmend.Step) error {
	osd, _, err := target(s)
	if err != nil || s.Verb != verbStop {
		return err
	}
	p, err := a.known(ctx, osd)
	if err != nil {
		return err
	}
	st := p.state
	// What nothing respawns is not held by anybody; a masked unit has no Restart.
	held := st.Held && (st.Respawn != "" || strings.HasSuffix(st.Unit, ".service"))
	return s.Holds(map[string]string{"held": strconv.FormatBool(held)})
}

// Do makes the change.
func (a *Applier) Do(ctx context.Context, s stackmend.Step, w *stackmend.Work) error {
	osd, pid, err := target(s)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	switch s.Verb {
	case verbClaim:
		return a.Claims.Enter(ctx, osd)
	case verbStop:
		if err := a.Recheck(ctx, s); err != nil {
			return err
		}
		return a.stop(ctx, osd, pid)
	case verbStart:
		return a.start(ctx, osd)
	case verbActive:
		return a.wait(ctx, osd, w)
	case verbUnclaim:
		return a.Claims.Leave(ctx)
	}
	return a.release(ctx, osd)
}

// Verify looks.
func (a *Applier) Verify(ctx context.Context, s stackmend.Step) error {
	osd, pid, err := target(s)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	switch s.Verb {
	case verbClaim:
		return notDone(a.Claims.Confirm(ctx, osd) == nil, "the claim is not held")
	case verbStop:
		runs, err := isOSD(pid, osd)
		if err != nil {
			return err
		}
		return notDone(!runs, "process "+strconv.Itoa(pid)+" still runs")
	case verbStart:
		st, err := a.Supervisor.State(ctx, osd)
		if err != nil {
			return err
		}
		return notDone(st.Running && st.PID > 0 && st.PID != pid, "no new process runs")
	case verbActive:
		err := safety.Settled(ctx, a.Cluster, settled, osd)
		if errors.Is(err, stackmend.ErrRefused) {
			return notDone(false, err.Error())
		}
		return err
	case verbUnclaim:
		free, err := a.Claims.Free(ctx)
		if err != nil {
			return err
		}
		return notDone(free, "the claim is still held")
	}
	return a.released(s, pid)
}

func notDone(ok bool, why string) error {
	if ok {
		return nil
	}
	return fmt.Errorf("%w: %s", stackmend.ErrNotDone, why)
}

// Revert brings the OSD back, whatever else is: it is not left down.
func (a *Applier) Revert(ctx context.Context, s stackmend.Step) error {
	osd, pid, err := target(s)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	switch s.Verb {
	case verbClaim:
		return a.Claims.Leave(ctx)
	case verbStop:
		return a.bringBack(ctx, osd, pid)
	}
	return nil
}

// stop sends SIGTERM to the process that was seen, and waits until it is gone.
// It looks at the claim last: a claim that is lost is no stop.
func (a *Applier) stop(ctx context.Context, osd, pid int) error {
	runs, err := isOSD(pid, osd)
	if err != nil || !runs {
		return err
	}
	if err := a.Claims.Enter(ctx, osd); err != nil { // held already: it is read back
		return err
	}
	if a.Supervised {
		err = a.Supervisor.Do(ctx, supervisor.Change{OSD: osd, Action: supervisor.Stop})
	} else {
		err = terminate(pid, osd)
	}
	if err != nil {
		return err
	}
	if err := gone(ctx, pid, osd); err != nil {
		return err
	}
	a.ended(ctx, osd, pid)
	return nil
}

func (a *Applier) start(ctx context.Context, osd int) error {
	return a.Supervisor.Do(ctx, supervisor.Change{OSD: osd, Action: supervisor.Start})
}

// bringBack starts an OSD whose stop was begun. The signal may not have been
// sent: a process that says twice that it is active was not told to end. One
// that was is waited for.
func (a *Applier) bringBack(ctx context.Context, osd, pid int) error {
	for calm := 0; calm < 2; {
		runs, err := isOSD(pid, osd)
		if err != nil {
			return err
		}
		if !runs {
			return a.start(ctx, osd)
		}
		if calm++; daemonState(ctx, a.Cluster, osd) != "active" {
			calm = 0
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: process %d of osd.%d neither ends nor works", stackmend.ErrUncertain, pid, osd)
		case <-time.After(a.Again):
		}
	}
	return nil
}

// gone waits until a process has ended.
func gone(ctx context.Context, pid, osd int) error {
	for {
		runs, err := isOSD(pid, osd)
		if err != nil || !runs {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: process %d of osd.%d has not ended since SIGTERM, and is not killed: %w", stackmend.ErrTimeout, pid, osd, context.Cause(ctx))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// settled: the guard of the next OSD asks whether anything is degraded.
var settled = safety.Policy{Degraded: true}

// wait waits until the OSD is back. That the cluster does not answer is borne.
func (a *Applier) wait(ctx context.Context, osd int, w *stackmend.Work) error {
	for begun := time.Now(); ; {
		err := safety.Settled(ctx, a.Cluster, settled, osd)
		if err == nil {
			return nil
		}
		w.Progress(int64(time.Since(begun).Seconds()), 0, "s until its placement groups are active")
		select {
		case <-ctx.Done():
			return errors.Join(err, context.Cause(ctx))
		case <-time.After(a.Again):
		}
	}
}

// release asks the OSD's allocator for what it holds free, and its store for
// its caches. An OSD without tcmalloc has no heap commands.
func (a *Applier) release(ctx context.Context, osd int) error {
	var errs []error
	for _, c := range []ceph.Command{
		{To: ceph.ToOSD(osd), Prefix: "cache drop"},
		{To: ceph.ToOSD(osd), Prefix: "heap", Args: []ceph.Arg{{Name: "heapcmd", Value: "release"}}, Text: true},
	} {
		ctx, cancel := context.WithTimeout(ctx, askFor)
		if _, err := ceph.Ask(ctx, a.Cluster, c); err != nil {
			errs = append(errs, err)
		}
		cancel()
	}
	if len(errs) < 2 {
		return nil // one of them was heard
	}
	return errors.Join(errs...)
}

// released: an OSD that was asked and uses as much as before did not release.
func (a *Applier) released(s stackmend.Step, pid int) error {
	before, err := strconv.ParseInt(s.Args["used"], 10, 64)
	if err != nil {
		return err
	}
	now, err := anon(pid)
	if err != nil {
		return err
	}
	return notDone(now < before-before/100, fmt.Sprintf("it used %s, and uses %s", size(before), size(now)))
}
