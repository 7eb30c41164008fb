package pglog

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph/internal/safety"
	"github.com/stackmend/stackmend/ceph/supervisor"
)

// down refuses until an OSD is neither running nor up.
func (a *Applier) down(ctx context.Context, id int) error {
	st, err := a.state(ctx, id)
	if err != nil {
		return err
	}
	m, err := safety.Dump(ctx, a.c.Cluster)
	if err != nil {
		return err
	}
	switch o := m.OSD(id); {
	case st.Running:
		return fmt.Errorf("%w: osd.%d runs (process %d)", stackmend.ErrNotDone, id, st.PID)
	case o == nil || o.Up != 0:
		return fmt.Errorf("%w: osd.%d is not down in the map", stackmend.ErrNotDone, id)
	case !st.Held:
		return fmt.Errorf("%w: the respawn of osd.%d is not held", stackmend.ErrNotDone, id)
	}
	return nil
}

// Verify looks whether a step is in effect.
func (a *Applier) Verify(ctx context.Context, s stackmend.Step) error {
	if on, ok := toggles(s.Verb); ok {
		return a.verifyToggle(ctx, s, on)
	}
	id, err := number(s.Target)
	if err != nil {
		return err
	}
	if ctx, err = a.c.on(ctx, s.Args[argMachine]); err != nil {
		return err
	}
	switch s.Verb {
	case verbHold:
		st, err := a.state(ctx, id)
		if err == nil && !st.Held {
			err = fmt.Errorf("%w: the respawn of osd.%d is not held", stackmend.ErrNotDone, id)
		}
		return err
	case verbStop:
		return a.down(ctx, id)
	case verbTrim:
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.proven[key(s)] {
			return nil
		}
		return fmt.Errorf("%w: not every log was read again", stackmend.ErrNotDone)
	case verbStart:
		return a.running(ctx, id, s)
	}
	return fmt.Errorf("%w: verb %q", stackmend.ErrRefused, s.Verb)
}

func key(s stackmend.Step) string {
	return strings.Join([]string{s.Target, s.Assumes["uuid"], s.Args["max_entries"], s.Args["max_dups"]}, " ")
}

// running returns ErrNotDone unless an OSD runs, may be respawned, and is
// settled.
func (a *Applier) running(ctx context.Context, id int, s stackmend.Step) error {
	st, err := a.state(ctx, id)
	if err != nil {
		return err
	}
	if !st.Running || st.Held && st.Respawn != "" {
		return fmt.Errorf("%w: osd.%d runs: %t, is held: %t", stackmend.ErrNotDone, id, st.Running, st.Held)
	}
	if err := a.settled(ctx, id, s); errors.Is(err, stackmend.ErrRefused) {
		return fmt.Errorf("%w: %v", stackmend.ErrNotDone, err)
	} else {
		return err
	}
}

// Revert undoes a step: a flag that was set is unset, an OSD that was stopped
// is started and up before it is believed.
func (a *Applier) Revert(ctx context.Context, s stackmend.Step) error {
	switch s.Verb {
	case verbSet, verbPause:
		return a.revertToggle(ctx, s)
	case verbUnset, verbResume, verbTrim:
		return nil
	}
	id, err := number(s.Target)
	if err != nil {
		return err
	}
	if ctx, err = a.c.on(ctx, s.Args[argMachine]); err != nil {
		return err
	}
	switch s.Verb {
	case verbHold:
		return a.change(ctx, id, s, supervisor.Release)
	case verbStop, verbStart:
		if err := a.run(ctx, id, s); err != nil {
			return err
		}
		return poll(ctx, func() error { return a.up(ctx, id) })
	}
	return fmt.Errorf("%w: verb %q", stackmend.ErrRefused, s.Verb)
}

// sameCluster refuses to take a flag from a cluster that is not the plan's.
func (a *Applier) sameCluster(ctx context.Context, s stackmend.Step) error {
	m, err := safety.Dump(ctx, a.c.Cluster)
	if err == nil && m.FSID != s.Assumes["fsid"] {
		err = fmt.Errorf("%w: %s is of cluster %s, this is %s: give the configuration of the run", stackmend.ErrRefused, s, s.Assumes["fsid"], m.FSID)
	}
	return err
}

func (a *Applier) up(ctx context.Context, id int) error {
	m, err := safety.Dump(ctx, a.c.Cluster)
	if err != nil {
		return err
	}
	if o := m.OSD(id); o == nil || o.Up != 1 {
		return fmt.Errorf("osd.%d is not up", id)
	}
	return nil
}
