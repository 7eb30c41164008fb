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
	Failed          // looked: it is not in effect
	Uncertain       // it may be in effect
	Partial         // stopped at a Gate; a resume goes on from there
	Reverted        // it was undone
)

// An Outcome is what became of a step.
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

// Options are how a run is carried out. Their zero value is a dry run.
type Options struct {
	Mode          Mode
	PlanID        string  // if set, only the plan with this ID runs
	Guards        []Guard // asked after the Applier's
	Irreversible  bool    // permit steps without Undo
	FailureBudget int     // stale or failed steps to pass over; zero: stop at the first
	Parallel      int     // groups and lone steps side by side; zero: 1
	Journal       *Journal
	Lock          Lock // for locks that a package must have see its NewApplier

	MaxWait      time.Duration // how long guards may make one step wait; zero: not at all
	StepTimeout  time.Duration // for steps without a Timeout of their own; zero: 10 minutes
	GuardTimeout time.Duration // zero: 10 seconds

	// OnEvent is told what happens. Calls are serialised; it should return
	// soon, for the run waits for it.
	OnEvent func(Event)
}

// A Phase is a part of a step, or of the run.
type Phase string

// The phases.
const (
	PhaseLock    Phase = "lock"
	PhaseGuard   Phase = "guard"
	PhaseRecheck Phase = "recheck"
	PhaseDo      Phase = "do"
	PhaseVerify  Phase = "verify"
	PhaseRevert  Phase = "revert"
)

// An Event is one thing that happens in a run: a phase begins (Ended false,
// Unit empty), makes progress (Unit set) or ends (Ended true, Err if it
// failed).
type Event struct {
	Time         time.Time
	Index, Total int // of the step in the plan, and how many there are
	Step         Step
	Phase        Phase
	Guard        string // the guard that waits or denies
	Done, Of     int64  // progress, in Unit; Of is 0 if the end is not known
	Unit         string
	Ended        bool
	Err          error
}

// Work is what a step that is under way may ask of its run. Its methods may
// be called from several goroutines.
type Work struct{ step *running }

type running struct{}

// Gate is a safe point of a long step: everything before it is complete or
// can be resumed. It asks the guards again, waits as they say, renews the
// step's Timeout, and returns an error when the run is to stop here: cancelled,
// lock lost, guard denied, another step failed. Do returns that error.
func (w *Work) Gate(ctx context.Context) error { return nil }

// Progress reports how far the step is, for people.
func (w *Work) Progress(done, total int64, unit string) {}

// Record notes what a resume needs to know. It is on disk when Record
// returns, if the run has a journal.
func (w *Work) Record(key, value string) error { return nil }

// Recorded returns what this step recorded last under the key, in this run or
// in an interrupted one.
func (w *Work) Recorded(key string) (string, bool) { return "", false }

// Journal is the memory of a run on disk.
type Journal struct{}

// Lock keeps two runs apart.
type Lock interface {
	// Acquire takes the lock for holder or says who has it (*LockError). The
	// context it returns is cancelled, with a cause, when the lock is lost.
	Acquire(ctx context.Context, holder string) (held context.Context, release func() error, err error)
}

// Run carries the plan out.
func Run(ctx context.Context, p *Plan, a Applier, o Options) (Result, error) { return Result{}, nil }
