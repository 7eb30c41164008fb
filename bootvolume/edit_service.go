package bootvolume

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/stackmend/stackmend"
)

// reload has the service take its files up, unless it did so since, and waits
// until it runs with them: a supervisor may answer before that.
func (e *Editor) reload(ctx context.Context, service Service, was string) error {
	now, err := service.Generation(ctx)
	if err != nil || now != was {
		return err // done before
	}
	if err := service.Reload(ctx); err != nil {
		return err
	}
	return await(ctx, e.patience, func() error { return another(ctx, service, was) })
}

// another is nil if the service runs with what it took up after a generation.
func another(ctx context.Context, service Service, was string) error {
	now, err := service.Generation(ctx)
	if err == nil && now == was {
		err = fmt.Errorf("not reloaded: %w", stackmend.ErrNotDone)
	}
	return err
}

// healthy waits until the service is healthy, or the patience is over. That of
// before the reload does not count: it may answer for a moment longer.
func healthy(ctx context.Context, patience time.Duration, service Service, was string) error {
	return await(ctx, patience, func() error {
		if err := another(ctx, service, was); err != nil {
			return err
		}
		if err := service.Healthy(ctx); err != nil {
			return fmt.Errorf("%w: %w", stackmend.ErrNotDone, err)
		}
		return another(ctx, service, was)
	})
}

// await asks until the answer is nil, or the patience is over.
func await(ctx context.Context, patience time.Duration, ask func() error) error {
	for end := time.Now().Add(patience); ; {
		err := ask()
		if err == nil || time.Now().After(end) {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// takeover is how long either may answer while one worker takes over from
// another.
const takeover = 5 * time.Second

// proven looks whether a step of the service is in effect, more than once if
// it may be the former worker that answers.
func (e *Editor) proven(ctx context.Context, service Service, s stackmend.Step) error {
	was, patience := s.Assumes["generation"], min(e.patience, takeover)
	switch s.Verb {
	case VerbReload:
		return await(ctx, patience, func() error { return another(ctx, service, was) })
	case VerbValidate:
		if err := e.check(ctx, service, s); err != nil {
			return fmt.Errorf("%w: %w", stackmend.ErrNotDone, err)
		}
		return nil
	}
	return healthy(ctx, patience, service, was)
}

// takeUp has the service take up the file as it was, and removes the copy.
func (e *Editor) takeUp(ctx context.Context, s stackmend.Step) error {
	if _, err := ReadConf(copyOf(s)); errors.Is(err, fs.ErrNotExist) {
		return nil // nothing was begun, or all was undone before
	}
	if name := s.Args["service"]; name != "" {
		service, err := e.service(name)
		if err != nil {
			return err
		}
		if err := e.again(ctx, name, service, s.Args["generation"]); err != nil {
			return err
		}
	}
	return os.Remove(copyOf(s))
}

// again has a service take up its files once more, unless it was never asked
// to take up the others. It is asked too if those are not in effect, for a
// reload may be under way, and if it does not say.
func (e *Editor) again(ctx context.Context, name string, service Service, planned string) error {
	now, err := service.Generation(ctx)
	if _, asked := e.asked.Load(name); err == nil && now == planned && !asked {
		return nil
	}
	if err != nil || now == planned {
		now = "" // it has no other files in effect: whichever answers will do
	}
	if err := service.Reload(ctx); err != nil {
		return err
	}
	if err := healthy(ctx, e.patience, service, now); err != nil {
		return err
	}
	e.asked.Delete(name)
	return nil
}
