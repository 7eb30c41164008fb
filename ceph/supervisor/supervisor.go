package supervisor

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph/internal/child"
)

// A Supervisor keeps the OSDs of this host running.
type Supervisor interface {
	// State looks what an OSD's daemon does. The error says that it could not
	// be seen; it is compatible with errors.Is(err, os.ErrNotExist) if this
	// host has no such OSD.
	State(ctx context.Context, osd int) (State, error)
	// Do makes a change and returns when it is in effect. It is idempotent.
	// The error is compatible with errors.Is: [stackmend.ErrRefused] if it was
	// not tried, [stackmend.ErrTimeout] if it is not in effect when ctx ends,
	// [stackmend.ErrUncertain] if that cannot be known.
	Do(ctx context.Context, c Change) error
}

// State is what a supervisor says of an OSD.
type State struct {
	Unit    string // as the supervisor names it
	Running bool
	PID     int  // of ceph-osd as this host numbers it; 0: not running
	Held    bool // it is not started again before it is released
	// Respawn is how the supervisor starts it again by itself, in its words;
	// Change.Respawn puts it back. Empty: it does not.
	Respawn string
	// StopTimeout is how long a stop may take before the supervisor kills;
	// [Forever]: it does not; 0: not known.
	StopTimeout time.Duration
	// Exit is how it ended last; nil: not known.
	Exit *Exit
	// StartLimit ends restarts if there are more of them; zero: none, or not
	// known.
	StartLimit Limit
	// Starts is how many starts there were, at most, that count against
	// StartLimit by now. Those by hand before the last are not known.
	Starts int
}

// AtLimit reports whether one more start may be one too many.
func (s State) AtLimit() bool { return s.StartLimit.Burst > 0 && s.Starts >= s.StartLimit.Burst }

// Forever is a StopTimeout that never ends.
const Forever = time.Duration(math.MaxInt64)

// An Exit is how a daemon ended.
type Exit struct{ Code, Signal int }

// Clean reports whether the daemon ended by itself and without an error.
func (e Exit) Clean() bool { return e == Exit{} }

func (e Exit) String() string {
	if e.Signal != 0 {
		return fmt.Sprintf("signal %d", e.Signal)
	}
	return fmt.Sprintf("status %d", e.Code)
}

// A Limit is how many starts there may be within a span of time.
type Limit struct {
	Burst    int
	Interval time.Duration
}

// Action is what a Change does. The zero value is nothing, and is refused.
type Action uint8

// The actions.
const (
	_       Action = iota
	Hold           // keep it from being started: mask its respawn
	Release        // undo Hold
	Stop           // end it gracefully, and wait until it is gone
	Start          // start it, and wait until its process is there
)

func (a Action) String() string {
	if names := [...]string{"nothing", "hold", "release", "stop", "start"}; int(a) < len(names) {
		return names[a]
	}
	return "action " + strconv.Itoa(int(a))
}

// A Change is one change of an OSD's daemon.
type Change struct {
	OSD    int
	Action Action
	// Respawn is what State.Respawn was before the Hold, for Release.
	Respawn string
	// MinStop is what the supervisor must grant a Stop before it kills; 0:
	// [DefaultMinStop].
	MinStop time.Duration
}

// DefaultMinStop: an OSD ends in 1.4 to 3 seconds, with a long queue and slow
// disks in minutes.
const DefaultMinStop = 5 * time.Minute

func (c Change) minStop() time.Duration {
	if c.MinStop > 0 {
		return c.MinStop
	}
	return DefaultMinStop
}

// WithLock returns a context whose programs inherit the lock of the run
// ([stackmend.Work.LockFile]): it is held until they have ended, even if the
// run is killed.
func WithLock(ctx context.Context, lock *os.File) context.Context { return child.WithLock(ctx, lock) }

// Rook refuses everything: its operator starts what is stopped here.
type Rook struct{}

// State refuses.
func (Rook) State(context.Context, int) (State, error) { return State{}, errRook }

// Do refuses.
func (Rook) Do(context.Context, Change) error { return errRook }

var errRook = fmt.Errorf("%w: Rook's operator starts again what is stopped here; scale the operator down and work in a debug pod (kubectl rook-ceph debug start)", stackmend.ErrRefused)

// osd makes the words for an OSD from a template.
func words(template []string, osd int) []string {
	out := make([]string, len(template))
	for i, w := range template {
		out[i] = word(w, osd)
	}
	return out
}

// word replaces {id}.
func word(template string, osd int) string {
	return strings.ReplaceAll(template, "{id}", strconv.Itoa(osd))
}

// poll is how often a change is looked for.
const poll = 100 * time.Millisecond

// until looks until ok. What could not be seen when ctx ended is uncertain.
func until(ctx context.Context, s Supervisor, c Change, ok func(State) bool) error {
	var last error
	for {
		st, err := s.State(ctx, c.OSD)
		if err == nil && ok(st) {
			return nil
		}
		if errors.Is(err, os.ErrNotExist) { // waiting does not bring it back
			return err
		}
		if last = err; last == nil {
			last = fmt.Errorf("%w: %s of osd.%d is not in effect (running %t, held %t)", stackmend.ErrTimeout, c.Action, c.OSD, st.Running, st.Held)
		}
		select {
		case <-ctx.Done():
			if err != nil {
				last = fmt.Errorf("%w: %w", stackmend.ErrUncertain, err)
			}
			return errors.Join(last, context.Cause(ctx))
		case <-time.After(poll):
		}
	}
}

func refuse(format string, a ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{stackmend.ErrRefused}, a...)...)
}

// patient refuses a stop that the supervisor would not wait for.
func patient(st State, c Change, raise string) error {
	switch {
	case st.StopTimeout == 0:
		return refuse("%s: how long a stop may take is not known", st.Unit)
	case st.StopTimeout < c.minStop():
		return refuse("%s is killed %v after a stop began, and may need %v: %s", st.Unit, st.StopTimeout, c.minStop(), raise)
	}
	return nil
}
