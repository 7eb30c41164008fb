package appliertest

import (
	"context"
	"fmt"

	"github.com/stackmend/stackmend"
)

// wrapped passes everything on, Revert too where the inner Applier has it.
type wrapped struct{ stackmend.Applier }

func wrap(a stackmend.Applier) wrapped { return wrapped{a} }

func (w wrapped) Revert(ctx context.Context, s stackmend.Step) error {
	r, ok := w.Applier.(stackmend.Reverter)
	if !ok {
		return fmt.Errorf("%w: the applier cannot revert", stackmend.ErrRefused)
	}
	return r.Revert(ctx, s)
}

// twiceApplier calls every Do a second time, and hands on what that said.
type twiceApplier struct {
	wrapped
	second func(stackmend.Step, error)
}

func (a twiceApplier) Do(ctx context.Context, s stackmend.Step, w *stackmend.Work) error {
	if err := a.wrapped.Do(ctx, s, w); err != nil {
		return err
	}
	err := a.wrapped.Do(ctx, s, w)
	a.second(s, err)
	return err
}

// beforeDo calls f just before every Do.
type beforeDo struct {
	wrapped
	f func()
}

func (a beforeDo) Do(ctx context.Context, s stackmend.Step, w *stackmend.Work) error {
	a.f()
	return a.wrapped.Do(ctx, s, w)
}
