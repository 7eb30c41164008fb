package stackmend

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
	"unicode/utf8"
)

// errGate marks the errors by which a Gate ends a long step.
var errGate = errors.New("stopped at a gate")

// Work is what a step that is under way may ask of its run. Its methods may
// be called from several goroutines. The zero Work belongs to no run: its Gate
// refuses.
type Work struct {
	r      *run
	i      int
	ctx    context.Context // bounds Do
	cancel context.CancelCauseFunc

	mu      sync.Mutex
	timer   *time.Timer
	gates   int // how many goroutines stand at a Gate, where time does not run
	closed  bool
	records map[string]string
}

func newWork(r *run, i int) *Work {
	w := &Work{r: r, i: i, records: r.opt.Journal.records(i)}
	w.ctx, w.cancel = context.WithCancelCause(context.WithoutCancel(r.ctx))
	limit := r.timeout(r.plan.Steps[i])
	w.timer = time.AfterFunc(limit, func() {
		w.cancel(fmt.Errorf("%w: %v without a gate", ErrTimeout, limit))
	})
	return w
}

// close ends the Work with its Do. One that was given up on can no longer
// pass a Gate nor write to the journal.
func (w *Work) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	w.timer.Stop()
	w.cancel(nil)
}

// Gate is a safe point of a long step: everything before it is complete or
// can be resumed. It asks the guards again, waits as they say, and renews the
// step's Timeout. It returns an error when the run is to stop here (cancelled,
// lock lost, guard denied, another step failed) and Do should return that
// error; a step that is then not in effect is [Partial].
func (w *Work) Gate(ctx context.Context) error {
	if w.r == nil {
		return fmt.Errorf("%w: work without a run", ErrRefused)
	}
	if !w.hold() {
		return fmt.Errorf("%w: %w", errGate, ErrTimeout)
	}
	defer w.resume()
	if err := w.ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", errGate, context.Cause(w.ctx))
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", errGate, context.Cause(ctx))
	}
	if err := w.r.over(); err != nil {
		return fmt.Errorf("%w: %w", errGate, err)
	}
	ctx, cancel := either(ctx, w.r.ctx)
	defer cancel()
	if err := w.r.ask(ctx, w.i, true); err != nil {
		return fmt.Errorf("%w: %w", errGate, err)
	}
	return nil
}

// either returns a context that ends with the first of two, for its cause.
func either(a, b context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(a)
	detach := context.AfterFunc(b, func() { cancel(context.Cause(b)) })
	return ctx, func() { detach(); cancel(nil) }
}

// hold stops the clock of the step's Timeout while it stands at a Gate.
func (w *Work) hold() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return false
	}
	w.gates++
	w.timer.Stop()
	return true
}

func (w *Work) resume() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.gates--; w.gates == 0 && !w.closed {
		w.timer.Reset(w.r.timeout(w.r.plan.Steps[w.i]))
	}
}

// LockFile returns a descriptor of the run's FileLock for a child process to
// inherit ([os/exec.Cmd.ExtraFiles]): the lock then lasts as long as the child,
// even if the run is killed meanwhile, so that the next run does not start
// beside it. The caller closes it when the child was started. Without a
// FileLock in Options.Lock the error is compatible with
// errors.Is(err, errors.ErrUnsupported).
func (w *Work) LockFile() (*os.File, error) {
	if w.r == nil {
		return nil, fmt.Errorf("%w: work without a run", ErrRefused)
	}
	f, ok := w.r.held.Value(lockedFile{}).(*os.File)
	if !ok {
		return nil, fmt.Errorf("the run has no lock by a file: %w", errors.ErrUnsupported)
	}
	return shareLock(f)
}

// Progress reports how far the step is, for people. A total of 0 says that
// the end is not known.
func (w *Work) Progress(done, total int64, unit string) {
	if w.r == nil {
		return
	}
	w.r.events.emit(Event{Index: w.i, Step: w.r.plan.Steps[w.i], Phase: PhaseDo, Done: done, Of: total, Unit: unit})
}

// Record notes what a resume needs to know. It is on disk when Record
// returns, if the run has a journal; the error is compatible with
// errors.Is(err, ErrJournal) if it could not be written, and the run stops. Text
// that is not UTF-8 is ErrRefused, for it would come back as other text.
func (w *Work) Record(key, value string) error {
	if w.r == nil {
		return fmt.Errorf("%w: work without a run", ErrRefused)
	}
	if !utf8.ValidString(key) || !utf8.ValidString(value) {
		return fmt.Errorf("%w: record %q: %q is not UTF-8", ErrRefused, key, value)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return fmt.Errorf("%w: the step was given up on", ErrTimeout)
	}
	if err := w.r.opt.Journal.note(w.i, key, value); err != nil {
		w.r.stop(err)
		return err
	}
	w.records[key] = value
	return nil
}

// Recorded returns what this step recorded last under the key, in this run or
// in an interrupted one.
func (w *Work) Recorded(key string) (string, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	v, ok := w.records[key]
	return v, ok
}
