package pglog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph"
	"github.com/stackmend/stackmend/ceph/internal/safety"
)

// What is turned on before OSDs are stopped, and off after all are back: the
// flag noout, and the pause of an orchestrator. It is ours if this run turned
// it on: the record is on disk before.

const orchestrator = "orchestrator"

// toggles reports whether a verb turns something on, or off.
func toggles(verb string) (on, ok bool) {
	switch verb {
	case verbSet, verbPause:
		return true, true
	case verbUnset, verbResume:
		return false, true
	}
	return false, false
}

// toggled returns ErrRefused unless the target is what the verb is for.
func toggled(s stackmend.Step) error {
	want := flag
	if s.Verb == verbPause || s.Verb == verbResume {
		want = orchestrator
	}
	if s.Target != want {
		return fmt.Errorf("%w: %s of %q", stackmend.ErrRefused, s.Verb, s.Target)
	}
	return nil
}

// turnOn turns it on, unless somebody else did since the plan. An interrupted
// run that was about to is taken to have done it.
func (a *Applier) turnOn(ctx context.Context, s stackmend.Step, w *stackmend.Work) error {
	_, begun := w.Recorded(s.Target)
	a.doubt(s, false)
	if !begun || a.is(ctx, s, true) != nil {
		if err := a.Recheck(ctx, s); err != nil {
			if errors.Is(err, stackmend.ErrStale) {
				a.own(s, false)
			}
			return err
		}
		if err := errors.Join(w.Record(s.Target, "ours"), a.turn(ctx, s, true)); err != nil {
			return err
		}
	}
	a.own(s, true)
	return nil
}

// turnOff turns it off, if it is on.
func (a *Applier) turnOff(ctx context.Context, s stackmend.Step) error {
	if a.is(ctx, s, false) == nil {
		return nil
	}
	if err := a.Recheck(ctx, s); err != nil {
		return err
	}
	return a.turn(ctx, s, false)
}

// own notes whether what is on is ours.
func (a *Applier) own(s stackmend.Step, ours bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ours[s.Target] = ours
}

// owned reports whether what is on is ours; known is false if this process
// has not tried to turn it on.
func (a *Applier) owned(s stackmend.Step) (ours, known bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	ours, known = a.ours[s.Target]
	return ours, known
}

// verifyToggle: what is on may be somebody else's, and is ours only if this
// process turned it on or found the record of it.
func (a *Applier) verifyToggle(ctx context.Context, s stackmend.Step, on bool) error {
	if err := toggled(s); err != nil {
		return err
	}
	err := a.is(ctx, s, on)
	if ours, known := a.owned(s); on && !ours && err == nil {
		a.doubt(s, !known)
		return fmt.Errorf("%w: %s: whether this run did it is not known yet, or somebody else did", stackmend.ErrNotDone, s)
	}
	return err
}

// doubt notes that what is on may be what an interrupted run turned on: turnOn
// knows by the record, and until then it does not stand against the step.
func (a *Applier) doubt(s stackmend.Step, is bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.doubted[s.Target] = is
}

func (a *Applier) isDoubted(s stackmend.Step) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	on, _ := toggles(s.Verb)
	return on && a.doubted[s.Target]
}

// revertToggle turns it off, unless it is known to be somebody else's.
func (a *Applier) revertToggle(ctx context.Context, s stackmend.Step) error {
	if err := toggled(s); err != nil {
		return err
	}
	if ours, known := a.owned(s); known && !ours {
		return nil
	}
	if err := a.sameCluster(ctx, s); err != nil {
		return err
	}
	return errors.Join(a.turn(ctx, s, false), a.is(ctx, s, false))
}

// is returns ErrNotDone if it is not on, or not off, as it should be.
func (a *Applier) is(ctx context.Context, s stackmend.Step, on bool) error {
	now, err := a.look(ctx, s)
	if err == nil && now != on {
		err = fmt.Errorf("%w: %s is set: %t", stackmend.ErrNotDone, s.Target, now)
	}
	return err
}

// look reports whether it is on.
func (a *Applier) look(ctx context.Context, s stackmend.Step) (bool, error) {
	if s.Target == orchestrator {
		err := safety.Paused(ctx, a.c.Cluster)
		if errors.Is(err, stackmend.ErrRefused) {
			return false, nil
		}
		return err == nil, err
	}
	m, err := safety.Dump(ctx, a.c.Cluster)
	return err == nil && m.Has(flag), err
}

func (a *Applier) turn(ctx context.Context, s stackmend.Step, on bool) error {
	c := ceph.Command{To: ceph.Target{Kind: ceph.KindMon}, Prefix: "osd unset", Args: []ceph.Arg{{Name: "key", Value: flag}}}
	switch {
	case s.Target == orchestrator && on:
		c = ceph.Command{To: ceph.Target{Kind: ceph.KindMgr}, Prefix: "orch pause"}
	case s.Target == orchestrator:
		c = ceph.Command{To: ceph.Target{Kind: ceph.KindMgr}, Prefix: "orch resume"}
	case on:
		c.Prefix = "osd set"
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	_, err := ceph.Ask(ctx, a.c.Cluster, c)
	return err
}
