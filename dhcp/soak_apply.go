package dhcp

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/stackmend/stackmend"
)

// A Soaker carries out plans of [PlanSoak]. It runs iperf3 towards the server
// that listens in the instance, and looks meanwhile whether the lease is still
// renewed. The first break ends the run: the step's error is a *[BreakError].
//
// What an interrupted run had carried whole is not carried again; a step that
// it had begun is.
type Soaker struct {
	// Iperf3 is the command, with what goes before its options; empty: iperf3.
	// It runs where the load comes from.
	Iperf3 []string
	// Observe reads what is being written of the lease. Without it every step is
	// stackmend.ErrRefused.
	Observe Observe
	// Poll is how often the lease is looked at; zero: ten seconds.
	Poll time.Duration
	// Carried is told of each step's load that was carried, whole or up to the
	// break. Its error ends the run. It may be nil.
	Carried func(Stretch) error

	mu    sync.Mutex
	whole map[string]bool // steps, by their targets
}

// A Stretch is the load of one step.
type Stretch struct {
	Step  string        `json:"step"` // which of how many
	Began time.Time     `json:"began"`
	Held  time.Duration `json:"held"`           // how long something passed
	Bytes int64         `json:"bytes"`          // both ways
	Stall time.Duration `json:"stall"`          // the longest time in which nothing passed, and then again
	Lease time.Time     `json:"lease,omitzero"` // that was taken, as seen last
	Break string        `json:"break,omitempty"`
}

// A BreakError says that a network did not hold under load.
type BreakError struct {
	At      time.Time // when the traffic stopped, to a second or two, or the lease was over
	What    string
	Carried Stretch
	Verdict Verdict // on what was seen until then; often too early to say more than undetermined
}

func (e *BreakError) Error() string {
	text := fmt.Sprintf("dhcp: broken at %s: %s, after %v and %d bytes of load in step %s", instant(e.At), e.What, e.Carried.Held.Round(time.Second), e.Carried.Bytes, e.Carried.Step)
	if e.Verdict.Code != "" {
		text += fmt.Sprintf("; just then: %s (%s): %s", e.Verdict.Code, e.Verdict.Confidence, e.Verdict.Message)
	}
	return text
}

// Guards returns none: a soak touches one instance, for the time in its plan.
func (k *Soaker) Guards() []stackmend.Guard { return nil }

// A watchedLoad is a step, understood.
type watchedLoad struct {
	sending
	mac   MAC
	lease time.Duration
	step  string
	name  string
}

func (k *Soaker) job(s stackmend.Step) (j watchedLoad, err error) {
	if s.Verb != VerbSoak {
		return j, fmt.Errorf("%w: unknown verb %q", stackmend.ErrRefused, s.Verb)
	}
	if k.Observe == nil {
		return j, fmt.Errorf("%w: %s: there is nothing that would show the lease", stackmend.ErrRefused, s)
	}
	j.step, j.name = s.Args["step"], s.String()
	var err1, err2 error
	j.sending, err = sendingOf(s.Args)
	j.mac, err1 = ParseMAC(s.Args["mac"])
	if j.lease, err2 = time.ParseDuration(s.Args["lease"]); err1 != nil || err2 != nil || j.lease <= 0 {
		err = fmt.Errorf("%w: %s: arguments %q", stackmend.ErrRefused, s, s.Args)
	}
	return j, err
}

// Recheck looks whether the lease is held.
func (k *Soaker) Recheck(ctx context.Context, s stackmend.Step) error {
	j, err := k.job(s)
	if err != nil {
		return err
	}
	sign, err := k.lease(ctx, j)
	if err != nil {
		return err
	}
	seen := map[string]string{"lease": "held"}
	if sign.At.IsZero() {
		seen["lease"] = "not taken for " + j.lease.String()
	}
	return s.Holds(seen)
}

// lease looks for a lease that was taken no longer ago than it lasts.
func (k *Soaker) lease(ctx context.Context, j watchedLoad) (Sign, error) {
	return k.Observe.Sign(ctx, j.mac, time.Now().Add(-j.lease-patience), true)
}

// Do carries the load of the step.
func (k *Soaker) Do(ctx context.Context, s stackmend.Step, w *stackmend.Work) error {
	j, err := k.job(s)
	if err != nil || k.carried(j.name) {
		return err
	}
	if err := k.Recheck(ctx, s); err != nil {
		return err
	}
	lock, err := w.LockFile()
	if err == nil {
		defer lock.Close()
	} else if !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	for began := time.Now(); ; {
		err := k.once(ctx, j, w, lock)
		if !errors.Is(err, errBusy) || time.Since(began) > 3*stuckFor {
			return err
		}
		select { // it has not yet understood that another client is gone
		case <-time.After(time.Second):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// errBusy: the iperf3 server serves one client at a time.
var errBusy = errors.New("the server is busy with another's load")

// once tries to carry the load.
func (k *Soaker) once(ctx context.Context, j watchedLoad, w *stackmend.Work, lock *os.File) error {
	run, err := startIperf(j.command(k.Iperf3), lock)
	if err != nil {
		return err
	}
	sign, why, err := k.watch(ctx, j, run, w)
	if err != nil {
		return err
	}
	return k.judge(ctx, j, run, sign, why)
}

// watch waits for the end of the load. It ends it early when the lease is over
// (why says so), when it does not end by itself, and when the run is to stop.
func (k *Soaker) watch(ctx context.Context, j watchedLoad, run *iperf, w *stackmend.Work) (sign Sign, why string, err error) {
	defer run.end()
	poll := k.Poll
	if poll <= 0 {
		poll = 10 * time.Second
	}
	tick, began := time.NewTicker(poll), time.Now()
	defer tick.Stop()
	over := time.NewTimer(j.span + 2*stuckFor)
	defer over.Stop()
	for {
		select {
		case <-run.done:
			if sign, err = k.lease(ctx, j); err == nil && sign.At.IsZero() {
				why = noLease
			}
			return sign, why, err
		case <-over.C:
			return sign, "the load did not come to its end", nil
		case <-ctx.Done():
			return sign, "", context.Cause(ctx)
		case <-tick.C:
			if sign, err = k.lease(ctx, j); err == nil && sign.At.IsZero() {
				return sign, noLease, nil
			}
			w.Progress(int64(time.Since(began).Seconds()), int64(j.span.Seconds()), "s")
			if err := w.Gate(ctx); err != nil {
				return sign, "", err
			}
		}
	}
}

const noLease = "the lease was not renewed while it lasted"

// judge says what became of the load.
func (k *Soaker) judge(ctx context.Context, j watchedLoad, run *iperf, sign Sign, why string) error {
	f, err := run.carriage()
	if err != nil {
		return err
	}
	carried := Stretch{Step: j.step, Began: f.began, Held: f.moved, Bytes: f.bytes, Stall: f.stall, Lease: sign.At}
	at := f.began.Add(f.moved)
	switch {
	case why != "":
		if why == noLease {
			at = time.Now()
		}
	case f.bytes == 0 && strings.Contains(f.err, "busy running a test"):
		return fmt.Errorf("dhcp: no load: iperf3: %w", errBusy)
	case f.err != "" && f.bytes == 0 && !lostWay(f.err): // nobody listens, or is busy with another
		return fmt.Errorf("dhcp: no load: iperf3: %.200s", f.err)
	case f.err != "":
		why = "the traffic stopped (" + strings.ToValidUTF8(f.err, "?") + ")"
		if f.bytes == 0 {
			at = time.Now()
		}
	default:
		if err := k.tell(carried); err != nil {
			return err
		}
		k.mu.Lock()
		defer k.mu.Unlock()
		if k.whole == nil {
			k.whole = map[string]bool{}
		}
		k.whole[j.name] = true
		return nil
	}
	carried.Break = why
	return errors.Join(&BreakError{At: at, What: why, Carried: carried, Verdict: k.verdict(ctx, j.mac)}, k.tell(carried))
}

// lostWay: iperf3 had no answer, where one who answers would refuse.
func lostWay(text string) bool {
	return strings.Contains(text, "timed out") || strings.Contains(text, "No route to host") || strings.Contains(text, "unreachable")
}

func (k *Soaker) tell(s Stretch) error {
	if k.Carried == nil {
		return nil
	}
	return k.Carried(s)
}

// verdict is what the sides say just now; none if they cannot be read.
func (k *Soaker) verdict(ctx context.Context, m MAC) Verdict {
	s, err := k.Observe(ctx)
	if err != nil {
		return Verdict{}
	}
	one := *s
	one.Only = []MAC{m}
	for c := range Converse(&one) {
		return JudgeOne(c)
	}
	return Verdict{}
}

func (k *Soaker) carried(name string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.whole[name]
}

// Verify tells what this Soaker has carried whole. Of another's load nothing is
// left to look at: it is to be carried again.
func (k *Soaker) Verify(_ context.Context, s stackmend.Step) error {
	if _, err := k.job(s); err != nil {
		return err
	}
	if !k.carried(s.String()) {
		return fmt.Errorf("%w: %s: its load was not carried whole", stackmend.ErrNotDone, s)
	}
	return nil
}
