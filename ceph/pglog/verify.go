package pglog

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph/internal/safety"
	"github.com/stackmend/stackmend/ceph/supervisor"
)

// down refuses until an OSD is neither running nor up. It returns the map in
// which it is down.
func (a *Applier) down(ctx context.Context, id int) (*safety.Map, error) {
	st, err := a.state(ctx, id)
	switch {
	case err != nil:
		return nil, err
	case st.Running:
		return nil, fmt.Errorf("%w: osd.%d runs (process %d)", stackmend.ErrNotDone, id, st.PID)
	case !st.Held:
		return nil, fmt.Errorf("%w: the respawn of osd.%d is not held", stackmend.ErrNotDone, id)
	}
	m, err := safety.Dump(ctx, a.c.Cluster)
	if err != nil {
		return nil, err
	}
	if o := m.OSD(id); o == nil || o.Up != 0 {
		return nil, fmt.Errorf("%w: osd.%d is not down in the map", stackmend.ErrNotDone, id)
	}
	return m, nil
}

// isDown is down for those who want no map.
func (a *Applier) isDown(ctx context.Context, id int) error {
	_, err := a.down(ctx, id)
	return err
}

// patience is for how long the cluster may say nothing while an OSD is
// stopped: a monitor is elected anew in less.
const patience = 5 * time.Minute

// stillDown is down where the OSD was down before, and may be for a while:
// that nobody says so just now is borne for as long as patience lasts, and
// silent reports it. That it is not down is said at once.
func (a *Applier) stillDown(ctx context.Context, id int) (silent bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var known error
	err = poll(ctx, func() error {
		err := a.isDown(ctx, id)
		if errors.Is(err, stackmend.ErrNotDone) {
			known, err = err, nil
		}
		silent = silent || err != nil
		return err
	})
	return silent, errors.Join(err, known)
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
		return a.isDown(ctx, id)
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
		if err := a.change(ctx, id, s, supervisor.Release); err != nil {
			return err
		}
		a.awaitLate(ctx, id)
		if err := a.run(ctx, id, s); err != nil {
			return err
		}
		return poll(ctx, func() error { return a.up(ctx, id) })
	}
	return fmt.Errorf("%w: verb %q", stackmend.ErrRefused, s.Verb)
}

// awaitLate waits for a process that this run told to stop and that has not:
// where nothing respawns it, it would leave the OSD down after that was believed
// to be back. One that does not end in time is left as it is; the stop has said
// so.
func (a *Applier) awaitLate(ctx context.Context, id int) {
	a.mu.Lock()
	pid := a.late[osdName(id)]
	a.mu.Unlock()
	if pid == 0 {
		return
	}
	wait := time.Minute
	if end, ok := ctx.Deadline(); ok {
		wait = min(wait, time.Until(end)/2)
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	_ = poll(ctx, func() error {
		st, err := a.state(ctx, id)
		if err == nil && st.Running && st.PID == pid {
			err = stackmend.ErrNotDone
		}
		return err
	})
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
