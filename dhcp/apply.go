package dhcp

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/stackmend/stackmend"
)

// A Link is an instance's network device, as libvirt has it.
type Link interface {
	// Link reports whether the device's link is up. A domain or device that
	// is not there is compatible with errors.Is(err, fs.ErrNotExist).
	Link(ctx context.Context, domain string, m MAC) (up bool, err error)
	SetLink(ctx context.Context, domain string, m MAC, up bool) error
}

// An Agent is reached by the agent that runs in it.
type Agent interface {
	RestartNetworking(ctx context.Context, domain string) error
}

// A Port is an instance's port, as Neutron has it. That of dhcp/openstack is one.
type Port interface {
	// Port reports whether the admin state of the port with this UUID is up.
	// It must have this MAC: else, and where there is none, the error is
	// compatible with errors.Is(err, fs.ErrNotExist).
	Port(ctx context.Context, id string, m MAC) (up bool, err error)
	// SetPort changes the admin state if the port is still as it was read.
	SetPort(ctx context.Context, id string, m MAC, up bool) error
}

// An Applier carries out plans of this package. What it was not given it
// refuses to do: steps of such verbs are stackmend.ErrRefused, and without a
// Witness every step is.
type Applier struct {
	Link    Link
	Agent   Agent
	Port    Port
	Witness Witness
	// Instances is how many are touched in one run; zero: one.
	Instances int
	// Pause is how long the next instance waits for after one; zero: a minute.
	Pause time.Duration
	// Poll is how often a sign of life is looked for; zero: two seconds.
	Poll time.Duration
}

// A task is a step, understood.
type task struct {
	stackmend.Step
	mac        MAC
	since      time.Time
	wait       time.Duration
	leaseAlone bool
}

func (a *Applier) task(s stackmend.Step) (task, error) {
	t := task{Step: s, leaseAlone: s.Args["proof"] == "lease"}
	var err1, err2, err3 error
	t.mac, err1 = ParseMAC(s.Args["mac"])
	t.since, err2 = time.Parse(time.RFC3339Nano, s.Args["since"])
	t.wait, err3 = time.ParseDuration(s.Args["wait"])
	if err1 != nil || err2 != nil || err3 != nil || t.wait <= 0 {
		return t, fmt.Errorf("%w: %s: arguments %q", stackmend.ErrRefused, s, s.Args)
	}
	missing := ""
	switch s.Verb {
	case VerbLinkDown, VerbLinkUp:
		missing = lack(a.Link == nil, "libvirt")
	case VerbGuestRestart:
		missing = lack(a.Agent == nil, "the guest agent")
	case VerbPortDown, VerbPortUp:
		missing = lack(a.Port == nil, "Neutron")
	default:
		return t, fmt.Errorf("%w: unknown verb %q", stackmend.ErrRefused, s.Verb)
	}
	if missing == "" {
		missing = lack(a.Witness == nil, "logs or a capture that would show a sign of life")
	}
	if missing != "" {
		return t, fmt.Errorf("%w: %s: there is no way to %s", stackmend.ErrRefused, s, missing)
	}
	return t, nil
}

func lack(missing bool, what string) string {
	if missing {
		return what
	}
	return ""
}

// Recheck looks whether the instance is still without its network, and what
// is to be taken down still up.
func (a *Applier) Recheck(ctx context.Context, s stackmend.Step) error {
	_, err := a.recheck(ctx, s)
	return err
}

func (a *Applier) recheck(ctx context.Context, s stackmend.Step) (task, error) {
	t, err := a.task(s)
	if err != nil {
		return t, err
	}
	seen, err := a.look(ctx, t)
	if err != nil {
		return t, err
	}
	return t, s.Holds(seen)
}

// look sees what steps assume.
func (a *Applier) look(ctx context.Context, t task) (map[string]string, error) {
	seen := map[string]string{}
	if t.Verb != VerbGuestRestart {
		up, err := a.up(ctx, t)
		if err != nil {
			return nil, err
		}
		seen[t.kind()] = state(up)
	}
	if _, asked := t.Assumes["network"]; asked {
		sign, err := a.Witness.Sign(ctx, t.mac, t.since, t.leaseAlone)
		if err != nil {
			return nil, err
		}
		seen["network"] = "silent"
		if !sign.At.IsZero() {
			seen["network"] = "alive at " + instant(sign.At) + ": " + sign.What
		}
	}
	return seen, nil
}

func state(up bool) string {
	if up {
		return "up"
	}
	return "down"
}

// kind is what the step takes down or puts up.
func (t task) kind() string {
	if t.Verb == VerbPortDown || t.Verb == VerbPortUp {
		return "port"
	}
	return "link"
}

func (a *Applier) up(ctx context.Context, t task) (bool, error) {
	if t.kind() == "port" {
		return a.Port.Port(ctx, t.Args["port"], t.mac)
	}
	return a.Link.Link(ctx, t.Args["domain"], t.mac)
}

func (a *Applier) set(ctx context.Context, t task, up bool) error {
	if t.kind() == "port" {
		return a.Port.SetPort(ctx, t.Args["port"], t.mac, up)
	}
	return a.Link.SetLink(ctx, t.Args["domain"], t.mac, up)
}

// Do carries the step out. What puts up or restarts waits for a sign of life.
func (a *Applier) Do(ctx context.Context, s stackmend.Step, w *stackmend.Work) error {
	t, err := a.task(s)
	if err != nil {
		return err
	}
	switch s.Verb {
	case VerbLinkDown, VerbPortDown:
		return a.takeDown(ctx, t)
	case VerbGuestRestart:
		if err := a.restart(ctx, t, w); err != nil {
			return err
		}
	default:
		if err := a.set(ctx, t, true); err != nil {
			return err
		}
	}
	return a.await(ctx, t, w)
}

func (a *Applier) takeDown(ctx context.Context, t task) error {
	if up, err := a.up(ctx, t); err != nil || !up && a.silent(ctx, t) {
		return err // done already
	}
	if _, err := a.recheck(ctx, t.Step); err != nil {
		return err
	}
	return a.set(ctx, t, false)
}

func (a *Applier) silent(ctx context.Context, t task) bool {
	sign, err := a.Witness.Sign(ctx, t.mac, t.since, t.leaseAlone)
	return err == nil && sign.At.IsZero()
}

// restart restarts the guest's networking, once.
func (a *Applier) restart(ctx context.Context, t task, w *stackmend.Work) error {
	if _, done := w.Recorded("restarted"); done {
		return nil
	}
	if _, err := a.recheck(ctx, t.Step); err != nil {
		return err
	}
	if err := w.Record("restarted", instant(time.Now())); err != nil {
		return err
	}
	return a.Agent.RestartNetworking(ctx, t.Args["domain"])
}

// await waits for a sign of life, with a Gate at each look.
func (a *Applier) await(ctx context.Context, t task, w *stackmend.Work) error {
	poll := a.Poll
	if poll <= 0 {
		poll = 2 * time.Second
	}
	began := time.Now()
	for {
		sign, err := a.Witness.Sign(ctx, t.mac, t.since, t.leaseAlone)
		if err == nil && !sign.At.IsZero() {
			return nil
		}
		waited := time.Since(began)
		if waited >= t.wait {
			return err
		}
		w.Progress(int64(waited.Seconds()), int64(t.wait.Seconds()), "s")
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(min(poll, t.wait-waited)):
		}
		if err := w.Gate(ctx); err != nil {
			return err
		}
	}
}

// Verify looks whether the link or port is as the step says, and for what was
// put up or restarted whether the instance lives.
func (a *Applier) Verify(ctx context.Context, s stackmend.Step) error {
	t, err := a.task(s)
	if err != nil {
		return err
	}
	if s.Verb != VerbGuestRestart {
		up, err := a.up(ctx, t)
		if err != nil {
			return err
		}
		if down := s.Verb == VerbLinkDown || s.Verb == VerbPortDown; up == down {
			return fmt.Errorf("%w: the %s is %s", stackmend.ErrNotDone, t.kind(), state(up))
		} else if down {
			return nil
		}
	}
	sign, err := a.Witness.Sign(ctx, t.mac, t.since, t.leaseAlone)
	if err != nil {
		return err
	}
	if sign.At.IsZero() {
		return fmt.Errorf("%w: no %s since %s: it did not help; what is left: %s", stackmend.ErrNotDone, t.Args["proof"], instant(t.since), t.left())
	}
	return nil
}

// left is what to try where the step did not help, as its plan says.
func (t task) left() string {
	if r := Remedy(t.Args["next"]); slices.Contains(ladder, r) {
		return string(r)
	}
	return RebootAdvice
}

// Revert leaves the link or port up, and looks that it is.
func (a *Applier) Revert(ctx context.Context, s stackmend.Step) error {
	t, err := a.task(s)
	if err != nil || s.Verb == VerbGuestRestart {
		return err
	}
	if up, err := a.up(ctx, t); err != nil || up {
		return err
	}
	if err := a.set(ctx, t, true); err != nil {
		return err
	}
	if up, err := a.up(ctx, t); err != nil || up {
		return err
	}
	return fmt.Errorf("%w: the %s is down", stackmend.ErrNotDone, t.kind())
}
