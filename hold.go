package stackmend

import (
	"context"
	"errors"
	"fmt"
)

// lock takes Options.Lock, if there is one. What it is held with ends with the
// lock alone, not with ctx: a run that was cancelled and reverts must still see
// that its lock is lost.
func (r *run) lock(ctx context.Context) error {
	alone, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	r.held, r.release = alone, func() error { cancel(nil); return nil }
	if r.opt.Lock == nil {
		return nil
	}
	r.events.emit(Event{Phase: PhaseLock})
	detach := context.AfterFunc(ctx, func() { cancel(context.Cause(ctx)) })
	held, release, err := r.acquire(alone)
	if err == nil && !detach() { // cancelled meanwhile
		err = errors.Join(context.Cause(ctx), release())
	}
	r.events.emit(Event{Phase: PhaseLock, Ended: true, Err: err})
	if err != nil {
		cancel(nil)
		return fmt.Errorf("stackmend: lock: %w", err)
	}
	r.held, r.release = held, func() error {
		defer cancel(nil)
		return protect(release)
	}
	return nil
}

func (r *run) acquire(ctx context.Context) (held context.Context, release func() error, err error) {
	err = <-start(func() (err error) {
		held, release, err = r.opt.Lock.Acquire(ctx, holder(r.plan))
		return err
	})
	return held, release, err
}

// leaveLock releases the lock and the journal, but not before a call that was
// given up on has returned: what it may still be doing must not meet another
// run.
func (r *run) leaveLock() {
	r.mu.Lock()
	lost := len(r.lost)
	r.mu.Unlock()
	if lost == 0 {
		r.letGo()
		return
	}
	go func() {
		r.acting.Wait()
		r.letGo()
	}()
}

func (r *run) letGo() {
	r.opt.Journal.leave(r)
	_ = r.release()
}

// regain takes a lock that was lost once more, before open groups are
// reverted: without it another run may be at the same thing.
func (r *run) regain() error {
	if r.held.Err() == nil {
		return nil
	}
	lost := context.Cause(r.held)
	_ = r.release()
	if err := r.lock(context.WithoutCancel(r.ctx)); err != nil {
		return fmt.Errorf("%w; it could not be had again: %w", lost, err)
	}
	return nil
}
