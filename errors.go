package stackmend

import (
	"errors"
	"fmt"
)

// What a run, a plan or a journal can refuse. Every error of this package
// that means one of these is compatible with errors.Is.
var (
	// ErrRefused: a guard or a rule of the runner did not permit it.
	ErrRefused = errors.New("stackmend: refused")
	// ErrStale: what the plan assumed no longer holds.
	ErrStale = errors.New("stackmend: stale")
	// ErrNotDone: looked, and the step is not in effect. An Applier's Verify
	// returns it.
	ErrNotDone = errors.New("stackmend: not in effect")
	// ErrUncertain: the outcome of a step cannot be known.
	ErrUncertain = errors.New("stackmend: outcome uncertain")
	// ErrEdited: a plan's content is not what its ID says.
	ErrEdited = errors.New("stackmend: plan was edited")
	// ErrExpired: the plan's time is over, or it never had one.
	ErrExpired = errors.New("stackmend: plan expired")
	// ErrSchema: written by another version of this library.
	ErrSchema = errors.New("stackmend: unknown schema")
	// ErrLocked: somebody else holds the lock, or took it away.
	ErrLocked = errors.New("stackmend: locked")
	// ErrJournal: the journal is damaged, or cannot be written.
	ErrJournal = errors.New("stackmend: journal")
	// ErrTimeout: a step or a call did not return in time.
	ErrTimeout = errors.New("stackmend: out of time")
)

// A StaleError says which assumption no longer holds.
type StaleError struct{ Target, Key, Want, Got string }

func (e *StaleError) Error() string {
	return fmt.Sprintf("stackmend: %s changed since the plan: %s was %q, is %q", e.Target, e.Key, e.Want, e.Got)
}

// Is reports that a StaleError is ErrStale.
func (e *StaleError) Is(target error) bool { return target == ErrStale }

// A GuardError is a guard's refusal. It is ErrRefused.
type GuardError struct {
	Guard   string
	Step    Step
	Verdict Verdict
	Err     error // why the guard could not decide, if so
}

func (e *GuardError) Error() string {
	msg := fmt.Sprintf("stackmend: %s: refused by %s", e.Step, e.Guard)
	if e.Verdict.Reason != "" {
		msg += ": " + e.Verdict.Reason
	}
	if e.Err != nil {
		msg += ": " + e.Err.Error()
	}
	return msg
}

// Is reports that a GuardError is ErrRefused.
func (e *GuardError) Is(target error) bool { return target == ErrRefused }

func (e *GuardError) Unwrap() error { return e.Err }

// A StepError is what went wrong in one phase of a step.
type StepError struct {
	Step  Step
	Phase Phase
	Err   error
}

func (e *StepError) Error() string {
	return fmt.Sprintf("stackmend: %s: %s: %v", e.Step, e.Phase, e.Err)
}

func (e *StepError) Unwrap() error { return e.Err }

// A LockError names who holds the lock. It is ErrLocked.
type LockError struct{ Holder string }

func (e *LockError) Error() string { return "stackmend: locked by " + e.Holder }

// Is reports that a LockError is ErrLocked.
func (e *LockError) Is(target error) bool { return target == ErrLocked }
