package stackmend

import (
	"context"
	"time"
)

// An Applier carries out the steps of one package. Its methods are called
// with a context that bounds them; different steps may be in flight at once
// if Options.Parallel permits.
type Applier interface {
	// Guards returns the guards that this applier cannot do without. They
	// are asked before those of the Options and cannot be left out.
	Guards() []Guard
	// Recheck looks whether all that the step assumes still holds, changes
	// nothing, and returns a *StaleError if not. A verb that it does not
	// know is ErrRefused.
	Recheck(ctx context.Context, s Step) error
	// Do carries the step out. It asserts what the step assumes once more
	// inside whatever makes the change atomic, and is idempotent: done twice
	// is done once. An error compatible with ErrUncertain says that the
	// outcome cannot be known (a connection lost after the request).
	Do(ctx context.Context, s Step, w *Work) error
	// Verify looks whether the step is in effect: nil if so, ErrNotDone if
	// it looked and it is not, any other error if it could not see.
	Verify(ctx context.Context, s Step) error
}

// A Reverter undoes steps. An Applier whose plans have groups of several
// steps must be one.
type Reverter interface {
	// Revert looks what is there, undoes what the step did, and proves it.
	// Undoing what was never done changes nothing.
	Revert(ctx context.Context, s Step) error
}

// Mode is what a run may do. The zero value changes nothing.
type Mode uint8

// The modes, in JSON "dry-run", "apply" and "revert".
const (
	DryRun Mode = iota
	Apply
	Revert // undo the open groups of the journal, nothing else
)

var modeNames = [...]string{DryRun: "dry-run", Apply: "apply", Revert: "revert"}

func (m Mode) String() string { return name(modeNames[:], uint8(m), "Mode") }

// MarshalText returns the name of the mode.
func (m Mode) MarshalText() ([]byte, error) { return marshalName(modeNames[:], uint8(m), "mode") }

// UnmarshalText accepts the names of the modes and nothing else.
func (m *Mode) UnmarshalText(b []byte) error {
	return unmarshalName(modeNames[:], b, (*uint8)(m), "mode")
}

// State is how a step ended. The zero value is NotBegun.
type State uint8

// The states, in JSON in lower case with hyphens.
const (
	NotBegun  State = iota
	Would           // a dry run found nothing against it
	Done            // verified: it is in effect
	Stale           // an assumption no longer holds; nothing was done
	Refused         // a guard or a rule denied it; nothing was done
	Failed          // looked: it is not in effect; or the recheck could not look
	Uncertain       // it may be in effect
	Partial         // stopped at a Gate; a resume goes on from there
	Reverted        // it was undone
)

// An Outcome is what became of a step. A step that never began has one time in
// Started and Finished.
type Outcome struct {
	Step     Step      `json:"step"`
	State    State     `json:"state"`
	Note     string    `json:"note,omitempty"`
	Started  time.Time `json:"started,omitzero"`
	Finished time.Time `json:"finished,omitzero"`
}

var stateNames = [...]string{NotBegun: "not-begun", Would: "would", Done: "done", Stale: "stale", Refused: "refused",
	Failed: "failed", Uncertain: "uncertain", Partial: "partial", Reverted: "reverted"}

func (s State) String() string { return name(stateNames[:], uint8(s), "State") }

// MarshalText returns the name of the state.
func (s State) MarshalText() ([]byte, error) { return marshalName(stateNames[:], uint8(s), "state") }

// UnmarshalText accepts the names of the states and nothing else.
func (s *State) UnmarshalText(b []byte) error {
	return unmarshalName(stateNames[:], b, (*uint8)(s), "state")
}
