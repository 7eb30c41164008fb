// Package child runs programs that must not go on unseen when the run that
// started them is gone: they are killed with their process group when the
// context ends, the kernel kills them when this process dies (Linux), and until
// then they hold the run's lock, so that the next run does not start beside
// them.
package child

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/stackmend/stackmend"
)

// lostTouch is the status of a route that could not, or no longer, reach its end.
const lostTouch = 255

// maxOutput bounds an output that is kept whole.
const maxOutput = 16 << 20

// An ExitError is a program that ended with a status other than 0.
type ExitError struct {
	Argv   []string
	Code   int // -1: by a signal
	Stderr string
}

func (e *ExitError) Error() string {
	return fmt.Sprintf("%s: status %d: %s", strings.Join(e.Argv, " "), e.Code, strings.TrimSpace(e.Stderr))
}

type lockKey struct{}

// WithLock returns a context whose children inherit the lock's file. The
// caller keeps it open until they have ended.
func WithLock(ctx context.Context, lock *os.File) context.Context {
	return context.WithValue(ctx, lockKey{}, lock)
}

type routeKey struct{}

// WithRoute returns a context whose children run elsewhere: route makes the
// program that leads there of the one that is to run. Its stdin is open as long
// as somebody waits for it, and status 255 says that what became of the program
// is not known.
func WithRoute(ctx context.Context, route func(argv []string) ([]string, error)) context.Context {
	return context.WithValue(ctx, routeKey{}, route)
}

// Routed reports whether the context's children run elsewhere.
func Routed(ctx context.Context) bool { return ctx.Value(routeKey{}) != nil }

// WithoutLock returns a context whose children do not inherit a lock: daemons
// would hold it for good.
func WithoutLock(ctx context.Context) context.Context {
	return context.WithValue(ctx, lockKey{}, (*os.File)(nil))
}

// Output runs a program and returns what it wrote to stdout.
func Output(ctx context.Context, name string, arg ...string) ([]byte, error) {
	var out []byte
	_, err := Read(ctx, func(r io.Reader) (err error) {
		out, err = io.ReadAll(io.LimitReader(r, maxOutput+1))
		if err == nil && len(out) > maxOutput {
			err = fmt.Errorf("%s: an output larger than %d MiB", name, maxOutput>>20)
		}
		return err
	}, append([]string{name}, arg...)...)
	return out, err
}

// Read runs a program, hands its stdout to read while it runs, and returns the
// last 16 KiB of its stderr. A context without a deadline is refused. The error
// is an *ExitError for a status other than 0, read's own error if the program
// ended well, and compatible with errors.Is(err, stackmend.ErrUncertain) if the
// context ended first: what the program did by then is not known.
func Read(ctx context.Context, read func(io.Reader) error, argv ...string) (stderr string, err error) {
	if len(argv) == 0 {
		return "", errors.New("a program without a name")
	}
	if _, ok := ctx.Deadline(); !ok {
		return "", fmt.Errorf("%s: a program without a deadline", argv[0])
	}
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	p, hangUp, err := newProcess(ctx, argv)
	if err != nil {
		return "", err
	}
	defer hangUp()
	r, w, err := os.Pipe()
	if err != nil {
		return "", err
	}
	defer r.Close()
	p.cmd.Stdout = w
	if lock, ok := ctx.Value(lockKey{}).(*os.File); ok && lock != nil {
		p.cmd.ExtraFiles = []*os.File{lock}
	}
	bindLife(p.cmd)
	err = p.launch()
	w.Close()
	if err != nil {
		return "", err
	}
	return p.follow(ctx, r, read, argv)
}

// newProcess makes the process of a program, here or elsewhere. What runs
// elsewhere ends with its stdin, if not before: hangUp ends that.
func newProcess(ctx context.Context, argv []string) (p *process, hangUp func(), err error) {
	p, hangUp = &process{done: make(chan struct{})}, func() {}
	if route, ok := ctx.Value(routeKey{}).(func([]string) ([]string, error)); ok {
		if argv, err = route(argv); err != nil {
			return nil, nil, err
		}
		r, w, err := os.Pipe()
		if err != nil {
			return nil, nil, err
		}
		p.stdin, p.routed, hangUp = r, true, func() { r.Close(); w.Close() }
	}
	p.cmd = exec.Command(argv[0], argv[1:]...)
	if p.routed {
		p.cmd.Stdin = p.stdin
	}
	p.cmd.Stderr = &p.stderr
	p.cmd.WaitDelay = 2 * time.Second // for a grandchild that holds stderr
	return p, hangUp, nil
}

// process is a program that runs.
type process struct {
	cmd    *exec.Cmd
	stdin  *os.File
	routed bool // it leads to the program, elsewhere
	stderr tail
	done   chan struct{}
	err    error // of the wait; read after done
}

// follow reads the output and waits for the end.
func (p *process) follow(ctx context.Context, r *os.File, read func(io.Reader) error, argv []string) (string, error) {
	stop := context.AfterFunc(ctx, func() {
		killGroup(p.cmd.Process)
		_ = r.SetReadDeadline(time.Now()) // an error: closed already
	})
	defer stop()
	readErr := read(r)
	if readErr != nil {
		killGroup(p.cmd.Process) // nobody takes its output any more
	}
	<-p.done
	stderr := p.stderr.String()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil && (p.err != nil || readErr != nil):
		return stderr, lost(ctx, argv)
	case readErr != nil && p.cmd.ProcessState.ExitCode() <= 0:
		return stderr, readErr
	case p.routed && errors.As(p.err, &exit) && (exit.ExitCode() == lostTouch || exit.ExitCode() < 0):
		return stderr, fmt.Errorf("%w: %w", stackmend.ErrUncertain, &ExitError{argv, exit.ExitCode(), stderr})
	case errors.As(p.err, &exit):
		return stderr, &ExitError{argv, exit.ExitCode(), stderr}
	}
	return stderr, errors.Join(p.err, readErr)
}

// lost is the error of a program that the context ended.
func lost(ctx context.Context, argv []string) error {
	late := stackmend.ErrUncertain
	if errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		late = fmt.Errorf("%w, %w", stackmend.ErrUncertain, stackmend.ErrTimeout)
	}
	return fmt.Errorf("%s: ended before its time: %w (%w)", strings.Join(argv, " "), late, context.Cause(ctx))
}

// tail keeps the last 16 KiB of what is written.
type tail struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n, err := t.buf.Write(p)
	if over := t.buf.Len() - 16<<10; over > 0 {
		t.buf.Next(over)
	}
	return n, err
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.buf.String()
}
