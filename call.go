package stackmend

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"
)

// grace is how long a call that was told to end may take to return before it
// is given up on.
const grace = 5 * time.Second

// panicError is what is left of a panic in somebody else's code.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v\n%s", e.value, e.stack) }

// protect runs f and turns a panic or a runtime.Goexit into an error.
func protect(f func() error) (err error) {
	ended := false
	defer func() {
		if v := recover(); v != nil || !ended {
			err = &panicError{v, debug.Stack()}
		}
	}()
	err = f()
	ended = true
	return err
}

// start runs f beside the caller. The channel gets its error, also when it
// panics or ends its goroutine.
func start(f func() error) <-chan error {
	done := make(chan error, 1)
	go func() {
		err := error(&panicError{value: "the goroutine ended"})
		defer func() { done <- err }()
		err = protect(f)
	}()
	return done
}

// await waits for a call under ctx, and for the grace time longer once ctx has
// ended. It reports whether the call returned.
func await(ctx context.Context, done <-chan error) (err error, returned bool) {
	select {
	case err := <-done:
		return because(ctx, err), true
	case <-ctx.Done():
	}
	t := time.NewTimer(grace)
	defer t.Stop()
	select {
	case err := <-done:
		return because(ctx, err), true
	case <-t.C:
		return fmt.Errorf("%w: it did not return %v after it was told to end: %w", ErrTimeout, grace, context.Cause(ctx)), false
	}
}

// because adds why ctx ended to an error that only says that it did.
func because(ctx context.Context, err error) error {
	if err == nil || ctx.Err() == nil || errors.Is(err, context.Cause(ctx)) {
		return err
	}
	return fmt.Errorf("%w: %w", context.Cause(ctx), err)
}

func deadline(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, d, fmt.Errorf("%w: %v", ErrTimeout, d))
}

// bounded calls f with a context that ends with ctx or after d, whichever is
// first, and does not wait for an f that ignores it.
func bounded(ctx context.Context, d time.Duration, f func(context.Context) error) error {
	c, cancel := deadline(ctx, d)
	defer cancel()
	err, _ := await(c, start(func() error { return f(c) }))
	return err
}
